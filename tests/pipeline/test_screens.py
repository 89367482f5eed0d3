"""Each screen of a verb, drawn from figures that are always the same, is the one that is kept."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.inspection.clip import Inspection, Numbers
from pipeline.inspection.diff import Comparison, Difference, StageDiff
from pipeline.inspection.film import Course, Sample
from pipeline.inspection.hearing import Hearing, Layer
from pipeline.inspection.hunt import Find, Hunt
from pipeline.inspection.place import Place
from pipeline.inspection.screen import (
    show_comparison,
    show_course,
    show_hearing,
    show_hunt,
    show_inspection,
)
from pipeline.panel import draw
from pipeline.plan.estimate import Estimate, Film, Room, Time
from pipeline.plan.screen import show_plan, show_variants, summary
from pipeline.plan.variants import Variant
from pipeline.plan.ways import Way
from pipeline.quality.drift import Drift
from pipeline.quality.judgement import Level, Quality
from pipeline.screens import (
    show_plan_of_retake,
    show_quality,
    show_seams,
    show_status,
    show_verification,
)
from pipeline.seam import Seam, Step
from pipeline.status import Setting, Status
from pipeline.verify import Lost, Verification
from pipeline.watch import line
from storage.scan import Finding
from storage.spec import Settings, Spec
from storage.takes import Take
from tasks.repair import Price
from tasks.retake import Plan

from .golden import check, drawn

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
        Setting("prompt", "[bold]Tea[/] for :two:, said slowly. " * 4, "--prompt", "pixels"),
        Setting("weights_hash", "702a39c2e5d8" + "0" * 52, "the model", "pixels"),
        Setting("guidance", "", "the model", "pixels"),
        Setting(
            "takes",
            ({"parent": "0" * 64, "clip": 2, "until": 3, "seed": 9},),
            "longtake retake",
            "pixels",
        ),
        Setting("precision", "bfloat16", "this machine", "numerics"),
        Setting("ahead", 3, "LONGTAKE_AHEAD", "nothing of the film"),
        Setting("offline", False, "default", "nothing of the film"),
    ),
)
HUNG = "nothing was told for 95 s, where a clip usually takes 5.0 s: it may hang."
STATES = {
    "working": STATUS,
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
    watched = line(status).partition(" ")[2]
    screens = [drawn(show_status(status)), drawn([draw(status)]), watched + "\n"]
    check(f"status-{state}", "\n".join(screens))


NOTHING = Price((), (), (), (), 0, (), (), (), (), (), ())
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
LOST = Lost("inputs/speech.wav", "is missing", "7f" * 32, needed=True)
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
    Level("lips: frames late", 0, "−1 to 1", met=True, bounds=(-1, 1)),
    Level("sharpness against the first clip", 0.79996, "0.8 to 1.25", False, (0.8, 1.25)),
    Level("likeness to the picture", 0.9123, "≥ 0.9", met=True, bounds=(0.9,)),
    Level("pauses: mouth against speech", None, "≤ 0.05", None, (0.05,)),
)
QUALITY = Quality(
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
    screens = [
        show_quality(QUALITY),
        show_quality(good),
        show_quality(none),
        show_quality(QUALITY, missed_only=True),
    ]
    check("quality", "\n".join(map(drawn, screens)))


PLAN = Estimate(
    run="/films/runs/tea",
    machine="this machine",
    notes=("10000 clips asked, the sound ends after 7.",),
    film=Film("pocket", 256, 256, 1, 25, 7, 48, 319, 12.76, "0:00:13"),
    offline=False,
    device=None,
    host=Room(
        "host",
        "this machine",
        {"program": 450000000, "rings": 37700000},
        500000000,
        18120000000,
        "by arithmetic",
    ),
    disk=Room(
        "disk",
        "/films",
        {"frames": 66100000, "run": 188400},
        14200000,
        74200000000,
        "frames all, steps all",
    ),
    time=Time("its first clips, made here in 9 s", 14.1, 4.2, 0.96, 50.0, 0.2),
    carries=2,
)
SHORT = replace(
    PLAN,
    device=Room(
        "device", "RTX 4090", {"weights": 33000000000, "rings": 800}, 33000000800, 24000000000
    ),
    disk=replace(PLAN.disk, free=100000),
    time=Time("not known", None),
    ways=(Way(("--keep-steps none", "--fp8"), "nothing to inspect but the last step", {}),),
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
    check(f"plan-{kind}", drawn(show_plan(PLANS[kind])) + "\n" + summary(PLANS[kind]) + "\n")


def test_what_if():
    """With and without figures."""
    rows = (
        Variant("as asked", 50.0, 4.2, 540500000, 0, 77900000),
        Variant("--size 128*128", None, None, 503300000, 8000000, 22100000),
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
    plan = Plan(
        Path("runs/old"),
        Path("runs/new"),
        False,
        spec,
        Settings(),
        {},
        False,
        range(2),
        range(6, 7),
        range(3, 5),
        False,
    )
    steps = Step(2.87, 0.51, 1.36), Step(0.136, 0.093, 0.105)
    seams = [Seam(2, 1.96, *steps), Seam(3, 2.4, *steps, apart=0.043)]
    screens = [
        show_plan_of_retake(plan, 75.0),
        show_plan_of_retake(replace(plan, missing=range(0), redecode=range(0), copies=True), None),
        show_plan_of_retake(replace(plan, begun=True), None),
        show_seams(seams),
    ]
    check("retake", "\n".join(map(drawn, screens)))


def test_inspect():
    """A clip, the film, what is heard, what was hunted, what differs."""
    figures = (-1.47, 1.722, 0.022, 1.034)
    clip = Inspection(
        "runs/tea",
        3,
        1,
        1,
        "the steps as they are kept",
        "tea.png",
        "by hand",
        (Numbers(0, 0, *figures, 0), Numbers(0, 1, *figures, 2)),
        None,
    )
    sample = Sample(0, 0.61, (), 0.0, (0.1, -0.2), (1.0, 1.0), 0)
    film = Course(
        "runs/tea", 1, 1, "tea.png", "by hand", (sample, replace(sample, clip=5, nan=3, norm=0.7))
    )
    heard = Hearing("runs/tea", 2, 0.96, (0.1, 0.5, 0.2), (Layer(0, *figures, 0.25, 0),), "tea.png")
    finds = (
        Find(
            "nan",
            Place("latents", 3, 1, None, 5, (5, 7, 3, 1)),
            "1 of 48 values is NaN",
            1,
            None,
            True,
        ),
        Find("outlier", Place("steps", 4, 0, 0, 2), "far out", 0, 12.3, False),
    )
    hunts = [Hunt("runs/tea", 1, 100000, (), 0), Hunt("runs/tea", 27, 2000000, finds, 40)]
    first = Difference(Place("latents", 3), 0.5, 0.25, 1, 2, 48, 0.25)
    stages = (
        StageDiff("latents", 3, 1, 0, 0, first, ((3, 0.25),)),
        StageDiff("frames", 3, 0, 1, 0, None, ()),
    )
    differ = Comparison(
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
        show_course(film),
        show_hearing(heard),
        *map(show_hunt, hunts),
        show_comparison(differ),
    ]
    check("inspect", "\n".join(map(drawn, screens)))
