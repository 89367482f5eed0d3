"""Retakes: some clips again with another seed, all else the same files; whatever happens to either run."""

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_avatar import FakeDecoder, traits_of
from harm import digests, flip
from retaken import broken, made, opened, same_files

from model.avatar import Options
from storage import publish
from storage.errors import (
    BadOption,
    LongtakeError,
    NotARun,
    NotRetakable,
    OtherNumerics,
    OtherSpec,
    RunLocked,
)
from storage.run import Run
from storage.scan import RunScan
from storage.spec import Spec
from tasks import cached_runs, loaded_model
from tasks.film import make_film
from tasks.film_part import FilmPart
from tasks.repair import estimate_repair, repair_run
from tasks.replay import replay_steps
from tasks.retake import RetakeRequest, plan_retake
from tasks.retake_setup import begin_retake
from tasks.soft_join import lead_back

Begin = Callable[..., Run]
CLIPS = 9
SEED = 7


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the old film is made once."""
    return tmp_path_factory.mktemp("kept") / "film"


@pytest.fixture
def old(kept: Path, begin: Begin, tmp_path: Path) -> Run:
    """A film of nine clips, with a carry before clip 3 and one before clip 6."""
    if not kept.exists():
        # Stopped twice: a carry that is still being written would let the next one be skipped.
        request = {"carry_every": 3, "run": kept}
        for clips in (3, 6):
            make_film(begin(4.2, **request), FilmPart(clips=clips))
        make_film(begin(4.2, **request))
    run = opened(shutil.copytree(kept, tmp_path / "old" / "film"))
    assert (run.spec.clips, sorted(run.carry.complete)) == (CLIPS, [3, 6])
    return run


def retake(old: Run, root: Path, clip: int, **fields: Any) -> Run:
    """The retake, made."""
    return made(begin_retake(planned(old, root, clip, **fields)))


def planned(old: Run, root: Path, clip: int, **fields: Any) -> Any:
    """The retake, checked."""
    return plan_retake(old.root, RetakeRequest(clip, **{"run": root, "seed": SEED, **fields}))


def latents_of(run: Run) -> list[bytes]:
    return [run.latents.read(clip).tobytes() for clip in range(CLIPS)]


def segments_of(run: Run) -> list[bytes]:
    return [run.segment_path(clip).read_bytes() for clip in range(CLIPS)]


def test_clips_before_are_the_same_files(old: Run, tmp_path: Path) -> None:
    """All bulk before clip N is the old run's by hard link; from N on every clip is another, and the run is whole."""
    new = retake(old, tmp_path / "new", 4)
    for name, stop in (("latents", 4), ("steps", 4), ("frames", 4), ("audio", CLIPS)):
        folder = {Path(each).name.split(".")[1] for each in same_files(old, new, f"{name}/c.*")}
        assert folder == {str(clip) for clip in range(stop)}, name
    assert same_files(old, new, "segments/*") == {f"segments/{clip:05d}.mp4" for clip in range(4)}
    assert same_files(old, new, "inputs/*") == {"inputs/image.png", "inputs/audio.wav"}
    assert {"encoded/", "sound/"} <= {
        each[: -len(Path(each).name)].split("/")[0] + "/" for each in same_files(old, new, "**/*")
    }
    pairs = zip(latents_of(old), latents_of(new), strict=True)
    assert [one == other for one, other in pairs] == [True] * 4 + [False] * 5
    assert not broken(new)
    assert new.records.complete("video")


def test_the_spec_says_what_it_is(old: Run, tmp_path: Path) -> None:
    """The parent's digest, the clips and both seeds stand in run.json; the film that it was taken from keeps its digest, whose JSON knows of no takes."""
    new = retake(old, tmp_path / "new", 4, until=6)
    assert new.spec.digest != old.spec.digest
    assert "takes" not in old.spec.canonical
    take = new.spec.takes[0]
    assert (take.parent, take.clip, take.until, take.seed) == (old.spec.digest, 4, 6, SEED)
    told = {"clip": 4, "until": 6, "seed_before": 420, "seed": SEED, "redecode": False, "soften": 3}
    assert new.parent == {"run": str(old.root), "spec": old.spec.digest, **told}
    assert new.fingerprint == old.fingerprint
    assert new.spec.joins == (6,)


def test_the_seed_before_is_that_of_the_old_film(old: Run, tmp_path: Path) -> None:
    """Clip 0 was made with the film's seed; a clip that had been retaken, with that take's."""
    assert planned(old, tmp_path / "first", 0).seed_before == 420
    once = retake(old, tmp_path / "once", 4, until=6)
    assert planned(once, tmp_path / "again", 5, seed=7).seed_before == SEED


@pytest.mark.parametrize("clip", [0, 1, 4, 8])
def test_the_same_seed_gives_the_same_film(old: Run, tmp_path: Path, clip: int) -> None:
    """With the seed that the film had, all that is made again comes out to the byte, the film included."""
    new = retake(old, tmp_path / "other" / "film", clip, seed=420)
    assert latents_of(new) == latents_of(old)
    assert segments_of(new) == segments_of(old)
    assert new.video_path.read_bytes() == old.video_path.read_bytes()
    assert not same_files(old, new, f"latents/c.{clip}.*")


def test_until_goes_back_to_the_old_film(old: Run, tmp_path: Path) -> None:
    """Clips from M on are the old ones, linked and not made again; those between are others."""
    new = begin_retake(planned(old, tmp_path / "new", 3, until=5))
    assert not broken(new), "what is not made yet is not lost"
    new, kept = made(new), [0, 1, 2, 5, 6, 7, 8]
    for name in ("latents", "steps", "frames"):
        there = {int(Path(each).name.split(".")[1]) for each in same_files(old, new, f"{name}/c.*")}
        assert there == set(kept), name
    assert [a == b for a, b in zip(segments_of(old), segments_of(new), strict=True)] == [
        clip in kept for clip in range(CLIPS)
    ]
    alone = retake(old, tmp_path / "alone", 3)
    assert latents_of(new)[:4] == latents_of(alone)[:4]
    assert segments_of(new)[:4] == segments_of(alone)[:4]
    assert not broken(new)


def test_redecoded_clips_are_those_of_the_stream(old: Run, tmp_path: Path) -> None:
    """With --redecode all frames are what the decoder makes of the new film's latents in one stream; only those that it reaches differ from the old ones."""
    new = retake(old, tmp_path / "new", 1, until=2, redecode=True)
    decoder = FakeDecoder(traits_of(Options(32, 32, 12, 4)))
    for clip in range(CLIPS):
        assert np.array_equal(decoder.decode(new.latents.read(clip)), new.frames.read(clip)), clip
    assert latents_of(new)[2:] == latents_of(old)[2:]
    # 30 latents are ten clips of three, so all are reached that there are.
    assert not same_files(old, new, "segments/*").difference({"segments/00000.mp4"})
    assert not broken(new)


def test_without_redecode_the_old_frames_stay(old: Run, tmp_path: Path) -> None:
    """Frames after the join are those of the old past, also where they must be decoded again."""
    new = retake(old, tmp_path / "new", 3, until=5)
    before = segments_of(new)
    shutil.rmtree(old.root)
    for clip in (5, 6, 8):
        for stage in ("frames", "segment"):
            new.records.withdraw(stage, clip)
    assert segments_of(made(new)) == before


def test_the_last_clip_is_led_back_to_the_old_film(old: Run, tmp_path: Path) -> None:
    """The last latents before the join end where the old film's end, in steps and latents alike; a hard join is as the denoiser made it, and nothing else differs."""
    soft = retake(old, tmp_path / "soft", 3, until=5)
    hard = retake(old, tmp_path / "hard", 3, until=5, hard_join=True)
    ends = [run.latents.read(4) for run in (hard, old)]
    assert np.array_equal(soft.latents.read(4), lead_back(*ends))
    assert np.allclose(soft.latents.read(4)[:, -1], ends[1][:, -1], rtol=1e-5)
    assert not np.allclose(ends[0][:, -1], ends[1][:, -1], rtol=1e-2)
    assert np.array_equal(soft.steps.read(4)[-1], soft.latents.read(4))
    other = [latents_of(soft)[clip] != latents_of(hard)[clip] for clip in range(CLIPS)]
    assert other == [clip == 4 for clip in range(CLIPS)]
    steps, _ = replay_steps(soft, 4, tmp_path / "scratch")
    assert np.array_equal(steps, soft.steps.read(4))


def test_a_retake_with_a_hard_join_goes_on(old: Run, tmp_path: Path) -> None:
    """The same wish finds one that a version without soft joins began: its spec says nothing of them."""
    new = retake(old, tmp_path / "new", 3, until=5, hard_join=True)
    facts = asdict(new.spec)
    del facts["takes"][0]["soften"]
    assert Spec.from_facts({**facts, "takes": list(facts["takes"])}).digest == new.spec.digest
    assert '"soften"' not in new.spec.canonical
    assert planned(old, new.root, 3, until=5, seed=None).begun


def film_of(run: Run) -> dict[str, str]:
    """The digest of every file but those of carries, which need not come back."""
    return {name: each for name, each in digests(run.root).items() if "carry" not in name}


def lose(run: Run, clips: range | tuple[int, ...]) -> None:
    """All that is made of these clips goes."""
    for clip in clips:
        names = ["latents", "steps", "frames", *(["motion"] if run.spec.motion_latents else [])]
        for name in names:
            getattr(run, name).chunk_path(clip).unlink()
        run.segment_path(clip).unlink()


@pytest.mark.parametrize("lost", [(1,), (3,), (4,), (5,), (6, 8), (2, 4, 7), tuple(range(CLIPS))])
@pytest.mark.parametrize("carries", [True, False])
def test_any_clip_is_made_again_without_the_old_run(
    old: Run, tmp_path: Path, lost: tuple[int, ...], carries: bool
) -> None:
    """The old run deleted, clips of both takes lost, with carries and without: the same bytes, also of those that go back to the old film."""
    new = retake(old, tmp_path / "new", 3, until=5)
    before = film_of(new)
    shutil.rmtree(old.root)
    for clip in () if carries else new.carry.clips():
        new.carry.discard(clip)
    lose(new, lost)
    new = Run.open(new.root)
    found = [each for each in RunScan(new, thorough=True).findings() if each.damage]
    price = estimate_repair(new, found)
    assert price.denoise == lost
    repair_run(new, found)
    assert film_of(new) == before
    assert not broken(new)


def test_the_price_of_a_replay_is_what_is_replayed(old: Run, tmp_path: Path) -> None:
    """A lost clip after the join, without its carries: replayed are all clips before it, with the old film's seeds, though the film shows others."""
    new = retake(old, tmp_path / "new", 3, until=5)
    for clip in new.carry.clips():
        new.carry.discard(clip)
    lose(new, (6,))
    price = estimate_repair(new, RunScan(new, thorough=True).findings())
    assert price.replay == (range(6),)


def test_the_past_of_a_join_comes_back_from_the_old_run(old: Run, tmp_path: Path) -> None:
    """Damaged, it is named and no clip is withdrawn for it; the same wish brings it back."""
    new = retake(old, tmp_path / "new", 3, until=5)
    whole = digests(new.root)
    flip(next((new.root / "past").rglob("c.*")))
    assert [(each.stage, each.clip) for each in broken(new)] == [("past", 5)]
    assert digests(made(new).root).keys() == whole.keys()
    begin_retake(planned(old, new.root, 3, until=5))
    assert digests(new.root) == whole


CHAINS = [
    [(1, 3), (4, 6), (2, 5)],
    *(
        pytest.param(takes, marks=pytest.mark.slow)
        for takes in (
            [(3, 5), (4, 6)],
            [(3, 5), (6, 8)],
            [(3, 5), (1, 2)],
            [(3, 5), (5, 7)],
            [(3, 6), (4, 5)],
            [(3, 5), (2, 5)],
            [(3, 5), (3, 5), (6, None)],
        )
    ),
]


@pytest.fixture(params=["0", "3"], ids=["rings", "motion"])
def first(
    request: pytest.FixtureRequest, old: Run, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """A film whose clips take rings from those before them, and one whose clips take motion."""
    if request.param == "0":
        return old
    loaded_model._loaded.clear()
    monkeypatch.setenv("FAKE_MOTION", request.param)
    run = begin(4.2, run=old.root.with_name("motion"))
    make_film(run)
    return run


@pytest.mark.parametrize("takes", CHAINS, ids=str)
def test_a_retake_of_a_retake(
    first: Run, tmp_path: Path, takes: list[tuple[int, int | None]]
) -> None:
    """Takes over takes, beside and across one another: each shares the rest, and every clip can be made again without the runs before."""
    run = first
    for number, (clip, until) in enumerate(takes):
        before = latents_of(run)
        run = retake(run, tmp_path / f"take{number}", clip, until=until, seed=100 + number)
        after = latents_of(run)
        stop = CLIPS if until is None else until
        same = [one == other for one, other in zip(before, after, strict=True)]
        assert same == [not clip <= each < stop for each in range(CLIPS)]
        assert not broken(run)
    shutil.rmtree(first.root)
    for number in range(len(takes) - 1):
        shutil.rmtree(tmp_path / f"take{number}")
    whole = film_of(run)
    for clip in range(CLIPS):
        lose(run, (clip,))
        run = opened(run.root)
        repair_run(run, RunScan(run, thorough=True).findings())
        assert film_of(run) == whole, clip


def test_motion_goes_over_both_joins(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clip-wise film: the retaken clip follows the old motion, the old clip after it keeps its own, and nothing is replayed."""
    monkeypatch.setenv("FAKE_MOTION", "3")
    old = begin(4.2, run=tmp_path / "old")
    make_film(old)
    found = planned(old, tmp_path / "new", 3, until=5)
    assert not found.replay
    new = made(begin_retake(found))
    assert latents_of(new)[5:] == latents_of(old)[5:]
    assert np.array_equal(new.join_context(5).read("motion"), old.motion.read(4))
    assert not np.array_equal(new.motion.read(4), old.motion.read(4))
    same = retake(old, tmp_path / "same", 3, seed=420)
    assert latents_of(same) == latents_of(old)
    with pytest.raises(BadOption, match="--redecode"):
        planned(old, tmp_path / "soft", 3, until=5, redecode=True)


@pytest.mark.parametrize(("clip", "start"), [(0, 0), (1, 0), (3, 3), (5, 3), (6, 6), (8, 6)])
def test_what_is_replayed_is_said(old: Run, tmp_path: Path, clip: int, start: int) -> None:
    """From the newest carry at or before N, or from the beginning."""
    replay = planned(old, tmp_path / "new", clip).replay
    assert [clip for span in replay for clip in span] == [*range(start, clip)]


def test_stretches_are_several_takes_of_one_run(old: Run, tmp_path: Path) -> None:
    """Made by one command, one after the other or in any pieces, they are the film that retakes of retakes with the same seed give; with the old seed, the old film."""
    apart = retake(retake(old, tmp_path / "one", 1, until=2), tmp_path / "two", 4, until=6)
    wish = planned(old, tmp_path / "both", 1, until=2, others=(range(4, 6),))
    assert wish.clips == (1, 4, 5)
    assert [clip for span in wish.replay for clip in span] == [0, 3]
    run = begin_retake(wish)
    make_film(run, FilmPart(clips=3))
    both = made(begin_retake(planned(old, run.root, 1, until=2, others=(range(4, 6),))))
    assert both.spec.takes == apart.spec.takes
    assert both.spec.joins == (2, 6)
    assert latents_of(both) == latents_of(apart)
    assert segments_of(both) == segments_of(apart)
    assert both.video_path.read_bytes() == apart.video_path.read_bytes()
    shared = {f"segments/{clip:05d}.mp4" for clip in (0, 2, 3, 6, 7, 8)}
    assert same_files(old, both, "segments/*") == shared
    assert not broken(both)
    same = retake(old, tmp_path / "same", 1, until=2, others=(range(4, 6),), seed=420)
    assert segments_of(same) == segments_of(old)


@pytest.mark.parametrize("other", [range(1, 3), range(2, 4), range(5, 5), range(7, 10)])
def test_stretches_out_of_order_are_refused(old: Run, tmp_path: Path, other: range) -> None:
    """Before the one before, beside it, empty or beyond the film."""
    with pytest.raises(BadOption, match="stand in their order"):
        planned(old, tmp_path / "new", 1, until=2, others=(other,))


def test_anchors_spare_the_replay(begin: Begin, tmp_path: Path) -> None:
    """With --carry-anchors every carry stays, so that a retake replays less; the new run has those that lead there, too, and no other."""
    asked = {"carry_every": 2, "carry_anchors": 1, "run": tmp_path / "old"}
    for clips in (2, 4, 6, 8, 9):
        make_film(begin(4.2, **asked), FilmPart(clips=clips))
    run = opened(tmp_path / "old")
    assert sorted(run.carry.complete) == [2, 4, 6, 8]
    found = planned(run, tmp_path / "new", 5, until=7)
    assert found.replay == (range(4, 5),)
    new = begin_retake(found)
    assert sorted(new.carry.complete) == [2, 4, 8]
    assert same_files(run, new, "carry/00004/**/c*")


def test_the_same_command_says_that_all_is_done(old: Run, tmp_path: Path) -> None:
    """The drawn seed is no part of the folder's name, and is found again; nothing is made twice."""
    first = plan_retake(old.root, RetakeRequest(4, until=6))
    assert first.root == old.root.with_name("film-clip4-until6")
    made(begin_retake(first))
    again = plan_retake(old.root, RetakeRequest(4, until=6))
    assert again.begun
    assert again.spec == first.spec
    with pytest.raises(OtherSpec, match="with seed 5"):
        plan_retake(old.root, RetakeRequest(4, until=6, seed=5, run=first.root))
    assert (
        plan_retake(old.root, RetakeRequest(4, until=6, seed=5)).root.name
        == "film-clip4-until6-seed5"
    )


def test_where_no_link_can_be_made_it_is_copied(
    old: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another file system the same run comes out of copies."""
    linked = digests(retake(old, tmp_path / "one" / "new", 4, until=6).root)

    def refused(source: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link", str(source), None, str(target))

    monkeypatch.setattr(os, "link", refused)
    new = retake(old, tmp_path / "two" / "new", 4, until=6)
    assert digests(new.root) == linked
    assert not same_files(old, new, "**/*")
    told = [line for line in new.events_path.read_text().splitlines() if "run_shared" in line]
    assert '"copied": 0' not in told[0]


def test_neither_run_sees_what_becomes_of_the_other(old: Run, tmp_path: Path) -> None:
    """Files are replaced and never written into: a repair here leaves the other's bytes, and deleting one leaves the other whole."""
    new = retake(old, tmp_path / "new", 4, until=6)
    whole = digests(old.root)
    lose(new, (1, 7))
    repair_run(new, RunScan(Run.open(new.root), thorough=True).findings())
    assert digests(old.root) == whole
    shutil.rmtree(new.root)
    assert not broken(old)


def forked(act: Callable[[], None]) -> int:
    """Act in a forked child; its exit status."""
    pid = os.fork()
    if not pid:
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_beginning_that_is_cut_short_is_gone_on_with(old: Run, tmp_path: Path) -> None:
    """Killed while files are linked: no run yet, which every verb says; the same wish goes on with it, with the seed that was drawn."""
    root = tmp_path / "new"
    wish = RetakeRequest(4, until=6, run=root)
    seeds = set()
    for links in (4, 12, 12, 12):

        def stop(step: str, _path: Path, left: list[int] = [links]) -> None:  # noqa: B006 - counts
            left[0] -= step == "link"
            if left[0] < 0:
                os._exit(9)

        def act() -> None:
            publish.kill_point = stop
            begin_retake(plan_retake(old.root, wish))

        assert forked(act) == 9
        with pytest.raises(NotARun, match="give the same command again"):
            Run.open(root)
        seeds.add(plan_retake(old.root, wish).take.seed)
    with pytest.raises(OtherSpec):
        planned(old, root, 4, until=7, seed=None)
    new = made(begin_retake(plan_retake(old.root, wish)))
    assert seeds == {new.spec.takes[0].seed}
    straight = retake(old, tmp_path / "straight" / "new", 4, until=6, seed=new.spec.takes[0].seed)
    assert latents_of(new) == latents_of(straight)
    assert segments_of(new) == segments_of(straight)
    assert not broken(new)
    assert not [
        path for path in root.rglob("*") if "partial" in path.name or path.name == "begun.json"
    ]


def test_an_old_film_that_was_not_finished(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the old film has not come to is made, after its own seeds where the film goes back to it."""
    whole = begin(4.2, carry_every=3, run=tmp_path / "whole")
    make_film(whole)
    half = begin(4.2, carry_every=3, run=tmp_path / "half")
    (tmp_path / "fail").mkdir()
    (tmp_path / "fail" / "denoise.7").write_text("99")
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path / "fail"))
    with pytest.raises(LongtakeError):
        make_film(half)
    monkeypatch.delenv("FAKE_FAIL")
    found = planned(half, tmp_path / "new", 3, until=5)
    assert (found.clips, found.missing) == ((3, 4), range(7, 9))
    new = made(begin_retake(found))
    assert latents_of(new)[5:] == latents_of(whole)[5:]
    with pytest.raises(NotRetakable, match="clip 7, with which it is to go on, was not made yet"):
        planned(half, tmp_path / "far", 3, until=7)
    with pytest.raises(NotRetakable, match="latents of clip 7"):
        planned(half, tmp_path / "far", 8)


@pytest.mark.parametrize(
    ("clip", "fields", "error"),
    [
        (9, {}, "--clip 9 cannot be used: the film has 9 clips, counted from 0"),
        (-1, {}, "--clip -1"),
        (4, {"until": 4}, "--until 4 cannot be used: .* 5 to 9"),
        (4, {"until": 10}, "--until 10"),
        (4, {"seed": -1}, "--seed -1"),
        (4, {"redecode": True}, "--redecode"),
        (4, {"settings": {"ahead": -1}}, "--ahead -1"),
    ],
)
def test_bad_wishes_are_refused(
    old: Run, tmp_path: Path, clip: int, fields: dict[str, Any], error: str
) -> None:
    """Before any work, with the option and the way out; nothing is written."""
    with pytest.raises(BadOption, match=error):
        planned(old, tmp_path / "new", clip, **fields)
    assert not (tmp_path / "new").exists()


def test_the_old_folder_is_no_place_for_it(old: Run, tmp_path: Path) -> None:
    """Neither the old run itself nor another film's folder."""
    with pytest.raises(BadOption, match="folder of its own"):
        planned(old, old.root, 4)
    retake(old, tmp_path / "new", 4)
    with pytest.raises(OtherSpec):
        planned(old, tmp_path / "new", 5)


def test_a_run_at_work_is_refused(old: Run, tmp_path: Path) -> None:
    """While another process holds the old run; nothing is written."""

    def act() -> None:
        os.environ.pop("LONGTAKE_LOCKS", None)
        try:
            planned(old, tmp_path / "new", 4)
        except RunLocked:
            os._exit(75)

    with old.lock():
        assert forked(act) == 75
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("motion", [0, 3])
def test_pruned_steps_of_a_retake_come_again(
    begin: Begin, old: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, motion: int
) -> None:
    """By the seeds of the retake, and at a join after what the old film had there."""
    if motion:
        monkeypatch.setenv("FAKE_MOTION", str(motion))
        old = made(begin(4.2, run=tmp_path / "moving"))
    new = retake(old, tmp_path / "new", 4, until=6)
    for clip in (3, 4, 5, 6, 8):
        kept = new.steps.read(clip).tobytes()
        new.steps.remove(clip)
        steps, _ = replay_steps(new, clip, tmp_path / "scratch")
        assert steps.tobytes() == kept, clip


def test_lost_clips_on_both_sides_of_a_join_come_again(old: Run, tmp_path: Path) -> None:
    """The denoiser that made the one does not lead to the other, or only by other seeds between; nobody waits for it."""
    new = retake(old, tmp_path / "new", 5, until=6)
    before = latents_of(new)
    new.carry.discard(6)
    for clip in (4, 7):
        new.steps.remove(clip)
        flip(new.latents.chunk_path(clip))
    new = opened(new.root)
    found = [each for each in RunScan(new, thorough=True).findings() if each.damage]
    assert estimate_repair(new, found).replay == (range(3, 4), range(5, 7))
    repair_run(new, found)
    assert (latents_of(new), broken(new)) == (before, [])


@pytest.mark.parametrize("clip", [2, 4, 7])
@pytest.mark.parametrize("harm", ["flipped", "missing", "pruned"])
def test_latents_that_it_needs_must_be_whole(
    old: Run, tmp_path: Path, clip: int, harm: str
) -> None:
    """Those that stay, and those that the decoder had seen before the join; the clip and what to do are named."""
    path = old.latents.chunk_path(clip)
    if harm == "flipped":
        flip(path)
    elif harm == "missing":
        path.unlink()
    else:
        old.latents.remove(clip)
    with pytest.raises(NotRetakable, match=f"latents of clip {clip}, which it needs") as told:
        planned(old, tmp_path / "new", 3, until=6)
    assert ("--repair" in str(told.value)) == (harm != "pruned")
    assert not (tmp_path / "new").exists()


def test_other_weights_and_other_numerics_are_refused(
    old: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights whose digest is another's, and a machine with other last bits; the latter can be accepted as a joint."""
    from model import registry

    with monkeypatch.context() as patch:
        patch.setattr(registry, "weights_digest", lambda _name, _options, **_: "0" * 64)
        with pytest.raises(NotRetakable, match="not those that it was made with"):
            planned(old, tmp_path / "new", 4)
    loaded_model._loaded.clear()
    monkeypatch.setenv("FAKE_NUMERICS", "other")
    with pytest.raises(OtherNumerics):
        planned(old, tmp_path / "new", 6)
    assert not (tmp_path / "new").exists()
    run = begin_retake(planned(old, tmp_path / "new", 6, until=8, accept_joint=True))
    cached_runs._runs.clear()
    make_film(Run.open(run.root), FilmPart(accept_joint=True))
    run = Run.open(run.root)
    assert [joint["clip"] for joint in run.joints] == [6]
    assert latents_of(run)[8:] == latents_of(old)[8:]
