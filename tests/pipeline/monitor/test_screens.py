"""Each screen of a verb, drawn from figures that are always the same, is the one that is kept."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.inspection.audio_view import AudioView, LayerStatistics
from pipeline.inspection.clip import ChannelStatistics, ClipInspection
from pipeline.inspection.clip_sample import ClipSample
from pipeline.inspection.diff import Difference, RunComparison, StageDiff
from pipeline.inspection.hunt import Anomaly, AnomalyReport
from pipeline.inspection.location import Location
from pipeline.inspection.overview import FilmOverview
from pipeline.inspection.screen import (
    show_anomalies,
    show_audio,
    show_comparison,
    show_inspection,
    show_overview,
)
from pipeline.monitor.panel import draw_panel
from pipeline.monitor.screens import (
    fact_rows,
    show_measured_again,
    show_plan_of_retake,
    show_quality,
    show_seams,
    show_status,
    show_verification,
    show_worst_clips,
)
from pipeline.monitor.script_words import ScriptedPrompt
from pipeline.monitor.status import EffectiveSetting, Status
from pipeline.monitor.watch import format_line
from pipeline.plan.alternatives import PlanVariant, Remedy
from pipeline.plan.estimate import Estimate, PlannedFilm, PlannedTime, RoomNeed
from pipeline.plan.screen import show_plan, show_variants, summarize_plan
from pipeline.quality.drift import Drift
from pipeline.quality.identity import Identity, RegionIdentity
from pipeline.quality.thresholds import FilmQuality, LevelResult
from pipeline.quality.worst_clips import ClipMeasure
from pipeline.upkeep.seam import Seam, SeamChange
from pipeline.upkeep.verify import LostInput, Verification
from storage.scan import Finding
from storage.seed_history import Take
from storage.spec import Settings, Spec
from tasks.repair import RepairCost
from tasks.retake import RetakePlan
from tests.pipeline.golden import check, drawn

STATUS = Status(
    run="runs/tea",
    state="working",
    worker="process 4711 on mill",
    film=None,
    clips=27,
    clips_done=1,
    clips_denoised=3,
    frames=1296,
    seconds=51.84,
    fps=25,
    seconds_a_clip=0.61,
    frames_a_second=78.7,
    stages={"denoise": 0.48, "hear": 0.01, "decode": 0.61},
    device={"card": "NVIDIA H200", "used": 93100000000, "total": 143800000000, "temperature": 71},
    first_playable_clip_after=4.2,
    eta=15.86,
    retries=1,
    last_event="clip published (clip 0)",
    quiet=0.4,
    stall=None,
    fault=None,
    bytes_on_disk=3116468,
    settings=(
        EffectiveSetting(
            "prompt", "[bold]Tea[/] for :two:, said slowly. " * 4, "--prompt", "pixels"
        ),
        EffectiveSetting("weights_hash", "702a39c2e5d8" + "0" * 52, "the model", "pixels"),
        EffectiveSetting("guidance", "", "the model", "pixels"),
        EffectiveSetting(
            "takes",
            ({"parent": "0" * 64, "clip": 2, "until": 3, "seed": 9},),
            "longtake retake",
            "pixels",
        ),
        EffectiveSetting("precision", "bfloat16", "this machine", "numerics"),
        EffectiveSetting("ahead", 3, "LONGTAKE_AHEAD", "nothing of the film"),
        EffectiveSetting("offline", False, "default", "nothing of the film"),
    ),
)
SCRIPT = (
    ScriptedPrompt(0.0, "0:00:00.0", "She smiles.", 100, 100, 0),
    ScriptedPrompt(5.28, "0:00:05.3", "She is sad.", 150, 100, 2),
    ScriptedPrompt(40.8, "0:00:40.8", "", 100, 100, 0),
)
HUNG = "nothing was told for 95 s, where a clip usually takes 5.0 s: it may hang."
STATES = {
    "working": STATUS,
    "scripted": replace(STATUS, script=SCRIPT),
    "hung": replace(STATUS, stall=HUNG, eta=None, quiet=95.0),
    "stopped": replace(STATUS, state="stopped", worker=None, eta=None, quiet=99.0),
    "failed": replace(
        STATUS,
        state="failed",
        worker=None,
        eta=None,
        fault="clip 3 failed while decoding: OSError: no",
    ),
    "finished": replace(
        STATUS,
        state="finished",
        worker=None,
        eta=None,
        clips=1,
        clips_done=1,
        clips_denoised=1,
        frames=12,
        device={},
        film="runs/tea/video.mp4",
        parent={"run": "runs/old", "clip": 2, "until": 3, "seed": 9, "seed_before": 420},
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_status(state: str):
    """Once, watched on a terminal, and watched on a pipe (but for the time in front)."""
    status = STATES[state]
    watched = format_line(status).partition(" ")[2]
    screens = [drawn(show_status(status)), drawn([draw_panel(status)]), watched + "\n"]
    check(f"status-{state}", "\n".join(screens))


def test_the_command_that_goes_on_can_be_pasted(tmp_path: Path):
    """A folder's odd name is quoted, and the film goes where it was asked to be put as well, unless it is there."""
    asked = EffectiveSetting(
        "output_file", str(tmp_path / "tea.mp4"), "--output-file", "nothing of the film"
    )
    status = replace(STATES["stopped"], run="my runs/tea", settings=(asked,))
    assert f"longtake resume 'my runs/tea' --output-file {tmp_path}/tea.mp4" in spoken(status)
    assert "longtake mux 'my runs/tea' --partial" in spoken(status)
    (tmp_path / "tea.mp4").touch()
    assert "longtake resume 'my runs/tea'\n" in spoken(status)


def spoken(status: Status) -> str:
    """The facts of a status, before a terminal breaks their lines."""
    return "".join(f"{words}\n" for _, words in fact_rows(status))


NOTHING = RepairCost((), (), (), (), 0, (), (), (), (), (), ())
WHOLE = Verification("runs/tea", "whole", True, 1, 1, (), (), (), NOTHING, 0.0, 2100000, took=0.4)
BROKEN = (
    Finding("layout", None, "zarr.json", "is not what was written"),
    Finding("latents", 2, "latents/c.2.0.0.0.0", "is missing"),
)
PRICE = replace(
    NOTHING,
    rewrite=("zarr.json",),
    denoise=(2,),
    replay=(range(2),),
    copy=(4, 5),
    decode=(2, 4, 5),
    hear=(6,),
    once=("soundtrack", "video"),
    drop=(8,),
)
DAMAGED = replace(
    WHOLE, state="damaged", clips=7, clips_done=6, found=BROKEN, price=PRICE, seconds=9.0
)
LOST = LostInput("inputs/speech.wav", "is missing", "7f" * 32, needed=True)
VERIFICATIONS = {
    "whole": WHOLE,
    "unfinished": replace(WHOLE, finished=False, clips=7, clips_done=1),
    "notes": replace(
        WHOLE, notes=(Finding("stray", None, "mine.txt", "is not longtake's", False),)
    ),
    "damaged": DAMAGED,
    "damaged-unpriced": replace(DAMAGED, seconds=None),
    "repaired": replace(WHOLE, repaired=BROKEN),
    "lost": replace(WHOLE, state="lost", found=BROKEN[:1], lost=(LOST, replace(LOST, sha256=""))),
    "many": replace(
        DAMAGED,
        found=tuple(Finding("audio", n, f"audio/c.{n}.0.0.0", "is empty") for n in range(30)),
    ),
}


@pytest.mark.parametrize("kind", VERIFICATIONS)
def test_verify(kind: str):
    """Whole, broken in every way, repaired, lost."""
    check(f"verify-{kind}", drawn(show_verification(VERIFICATIONS[kind])))


LEVELS = (
    LevelResult("lips: frames late", 0, "−1 to 1", met=True, bounds=(-1, 1)),
    LevelResult("sharpness against the first clip", 0.79996, "0.8 to 1.25", False, (0.8, 1.25)),
    LevelResult("likeness to the picture", 0.9123, "≥ 0.9", met=True, bounds=(0.9,)),
    LevelResult("pauses: mouth against speech", None, "≤ 0.05", None, (0.05,)),
)
QUALITY = FilmQuality(
    "tea",
    10.0,
    250,
    25,
    6,
    48,
    LEVELS,
    None,
    None,
    Drift("the picture", ()),
    None,
    (),
    (),
    (),
    None,
    None,
)


def test_quality():
    """Missed, met and not to be measured; a miss is never rounded away."""
    good = replace(QUALITY, levels=LEVELS[2:])
    none = replace(QUALITY, levels=LEVELS[3:])
    parts = (
        RegionIdentity("right eye", 0.94, 0.61, 0.48, 33.0, 10.0, 18.3, 0.47, (0.94, 0.61)),
        RegionIdentity("hair", 0.99, 0.97, 0.98, 12.0, None, 1.2, None, (0.99, 0.97)),
        RegionIdentity("left brow", 0.92, 0.7, 0.76, 38.0, 23.04, 4.0, 0.7, (0.92, 0.7)),
    )
    melted = replace(QUALITY, identity=Identity(parts, 0.02, 0.1))
    screens = [
        show_quality(QUALITY),
        show_quality(good),
        show_quality(none),
        show_quality(QUALITY, missed_only=True),
        show_quality(melted, missed_only=True),
    ]
    check("quality", "\n".join(map(drawn, screens)))


PLAN = Estimate(
    run="/films/runs/tea",
    machine="this machine",
    notes=("10000 clips asked, the sound ends after 7.",),
    film=PlannedFilm("pocket", 256, 256, 1, 25, 7, 48, 319, 12.76, "0:00:13"),
    offline=False,
    device=None,
    host=RoomNeed(
        "host",
        "this machine",
        {"program": 450000000, "rings": 37700000},
        500000000,
        18120000000,
        "by arithmetic",
    ),
    disk=RoomNeed(
        "disk",
        "/films",
        {"frames": 66100000, "run": 188400},
        14200000,
        74200000000,
        "frames all, steps all",
    ),
    time=PlannedTime("its first clips, made here in 9 s", 14.1, 4.2, 0.96, 50.0, 0.2),
    carries=2,
)
SHORT = replace(
    PLAN,
    device=RoomNeed(
        "device", "RTX 4090", {"weights": 33000000000, "rings": 800}, 33000000800, 24000000000
    ),
    disk=replace(PLAN.disk, free=100000),
    time=PlannedTime("not known", None),
    ways=(Remedy(("--keep-steps none", "--fp8"), "nothing to inspect but the last step", {}),),
)
PLANS = {
    "fits": PLAN,
    "fitted": replace(PLAN, changes=("--fp8",)),
    "short": SHORT,
    "hopeless": replace(SHORT, ways=()),
}


@pytest.mark.parametrize("kind", PLANS)
def test_plan(kind: str):
    """It fits, fits with a change, does not fit, and cannot."""
    check(f"plan-{kind}", drawn(show_plan(PLANS[kind])) + "\n" + summarize_plan(PLANS[kind]) + "\n")


def test_what_if():
    """With and without figures."""
    rows = (
        PlanVariant("as asked", 50.0, 4.2, 540500000, 0, 77900000),
        PlanVariant("--size 128*128", None, None, 503300000, 8000000, 22100000),
    )
    check("plan-what-if", drawn([show_variants(rows)]))


SPEC = Spec(
    model="small", weights="0" * 64, image="0" * 64, audio="0" * 64, prompt="", seed=420, width=16, height=8,
    crop="cover", fps=25, frames=56, clips=7, clip_frames=8, clip_latents=2, block_frames=4, frames_per_latent=4,
    latent_channels=3, latent_width=4, latent_height=2, steps=2, audio_layers=2, audio_channels=4, sample_rate=16000,
    crf=18, preset="veryfast",
)  # fmt: skip


def test_retake():
    """What a retake will replay and make, that it goes on, and what its joints show."""
    spec = replace(SPEC, takes=(Take("0" * 64, 2, 3, 9),))
    plan = RetakePlan(
        Path("runs/old"),
        Path("runs/new"),
        False,
        spec,
        Settings(),
        {},
        False,
        (range(2),),
        range(6, 7),
        (3, 4),
        False,
    )
    several = replace(spec, takes=(*spec.takes, Take("1" * 64, 5, 6, 9)))
    soft = ClipMeasure(2, "sharpness against the first clip", 0.61, (0.8, 1.25), "0.8 to 1.25", 2.2)
    red = ClipMeasure(5, "colour against the picture, of 255", 3.001, (3.0,), "≤ 3", 1.0003)
    steps = SeamChange(2.87, 0.51, 1.36), SeamChange(0.136, 0.093, 0.105)
    seams = [Seam(2, 1.96, *steps), Seam(3, 2.4, *steps, apart=0.043)]
    screens = [
        show_plan_of_retake(plan, 75.0),
        show_plan_of_retake(replace(plan, missing=range(0), redecode=(), copies=True), None),
        show_plan_of_retake(replace(plan, begun=True), None),
        show_seams(seams),
        show_plan_of_retake(
            replace(plan, spec=several, replay=(range(2), range(4)), stretches=2), 75.0
        ),
        show_worst_clips(()),
        show_worst_clips([soft, red]),
        show_measured_again([soft, red], [None, replace(red, value=2.999, badness=0.99)]),
    ]
    check("retake", "\n".join(map(drawn, screens)))


def test_inspect():
    """A clip, the film, what is heard, what was hunted, what differs."""
    figures = (-1.47, 1.722, 0.022, 1.034)
    clip = ClipInspection(
        "runs/tea",
        3,
        1,
        1,
        "the steps as they are kept",
        "tea.png",
        "by hand",
        (ChannelStatistics(0, 0, *figures, 0), ChannelStatistics(0, 1, *figures, 2)),
        None,
    )
    sample = ClipSample(0, 0.61, (), 0.0, (0.1, -0.2), (1.0, 1.0), 0)
    film = FilmOverview(
        "runs/tea", 1, 1, "tea.png", "by hand", (sample, replace(sample, clip=5, nan=3, norm=0.7))
    )
    heard = AudioView(
        "runs/tea", 2, 0.96, (0.1, 0.5, 0.2), (LayerStatistics(0, *figures, 0.25, 0),), "tea.png"
    )
    finds = (
        Anomaly(
            "nan",
            Location("latents", 3, 1, None, 5, (5, 7, 3, 1)),
            "1 of 48 values is NaN",
            1,
            None,
            True,
        ),
        Anomaly("outlier", Location("steps", 4, 0, 0, 2), "far out", 0, 12.3, False),
    )
    hunts = [
        AnomalyReport("runs/tea", 1, 100000, (), 0),
        AnomalyReport("runs/tea", 27, 2000000, finds, 40),
    ]
    first = Difference(Location("latents", 3), 0.5, 0.25, 1, 2, 48, 0.25)
    stages = (
        StageDiff("latents", 3, 1, 0, 0, first, ((3, 0.25),)),
        StageDiff("frames", 3, 0, 1, 0, None, ()),
    )
    differ = RunComparison(
        "runs/tea",
        "runs/b",
        False,
        first,
        {"prompt": ("A smith.", "")},
        {"threads": (1, 2)},
        stages,
    )
    screens = [
        show_inspection(clip),
        show_overview(film),
        show_audio(heard),
        *map(show_anomalies, hunts),
        show_comparison(differ),
    ]
    check("inspect", "\n".join(map(drawn, screens)))
