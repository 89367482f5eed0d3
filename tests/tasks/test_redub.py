"""Redubs: other words for a stretch of a film, all else the same files; made, mended and made again without the old run."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_avatar import traits_of
from harm import digests, flip
from retaken import broken, made, opened, same_files
from wavefile import write_wave

from model.avatar import Options
from storage.errors import BadOption, BadSound
from storage.run import Run
from storage.seed_history import Take
from storage.soundtrack import stream_sound
from storage.spec import Spec
from tasks import soft_join
from tasks.film import make_film
from tasks.film_part import FilmPart
from tasks.redub import DubRequest, add_dub
from tasks.repair import repair_run
from tasks.replay import replay_steps
from tasks.retake import RetakeRequest, plan_retake
from tasks.retake_setup import begin_retake

Begin = Callable[..., Run]
CLIPS = 7


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the old film is made once."""
    return tmp_path_factory.mktemp("kept") / "film"


@pytest.fixture
def old(kept: Path, begin: Begin, tmp_path: Path) -> Run:
    """A film of seven clips of .48 s."""
    if not kept.exists():
        make_film(begin(3.3, run=kept))
    return opened(shutil.copytree(kept, tmp_path / "old" / "film"))


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Other words, .6 s at a rate of their own."""
    write_wave(tmp_path / "words.wav", 0.6, 22_050)
    return tmp_path / "words.wav"


def planned(old: Run, words: Path, root: Path, begin: str, until: str | None, **more: Any) -> Any:
    end = None if until is None else Fraction(until)
    wish = RetakeRequest(0, run=root, **more)
    return plan_retake(old.root, add_dub(old, DubRequest(words, Fraction(begin), end), wish))


def redub(old: Run, words: Path, root: Path, begin: str = "1.1", until: str | None = "1.8") -> Run:
    """The film with the words in it, made."""
    return made(begin_retake(planned(old, words, root, begin, until)))


def pieces(run: Run) -> dict[str, str]:
    """What the film is made of and what comes of it, by its bytes."""
    there = digests(run.root)
    tops = ("latents", "audio", "frames", "segments", "video", "soundtrack", "dubbed", "inputs")
    return {name: value for name, value in there.items() if name.startswith(tops)}


def test_only_its_clips_are_others(old: Run, words: Path, tmp_path: Path) -> None:
    """Those that show the stretch hear the words, with their own seed; all others, and the old sound, are the same files."""
    new = redub(old, words, tmp_path / "new")
    stay = {0, 1, 4, 5, 6}
    for name in ("latents", "steps", "frames", "audio"):
        folder = {
            int(Path(each).name.split(".")[1]) for each in same_files(old, new, f"{name}/c.*")
        }
        assert folder == stay, name
    assert same_files(old, new, "segments/*") == {f"segments/{clip:05d}.mp4" for clip in stay}
    assert {"inputs/image.png", "inputs/audio.wav"} == same_files(old, new, "inputs/*")
    assert not (new.root / "inputs/dub1.wav").samefile(words)
    assert same_files(old, new, "sound/c*")
    assert new.soundtrack_path.read_bytes() != old.soundtrack_path.read_bytes()
    assert [new.latents.digest(clip) == old.latents.digest(clip) for clip in range(CLIPS)] == [
        clip in stay for clip in range(CLIPS)
    ]
    assert not broken(new)
    assert new.parent is not None
    assert (new.spec.takes[0].seed, new.parent["dub"]) == (420, asdict(new.spec.takes[0].dub))
    assert (new.spec.joins, new.spec.sound_of(1), new.spec.sound_of(2)) == ((4,), 0, 1)


def test_what_is_heard_is_the_words_there_and_the_old_sound_elsewhere(
    old: Run, words: Path, tmp_path: Path
) -> None:
    """To the sample, but for a hundredth of a second at both ends; silence where the words have ended."""
    new = redub(old, words, tmp_path / "new")
    before, now = (run.sound.read(0, run.sound.samples) for run in (old, new))
    start, stop, fade = 17_600, 28_800, 160
    assert np.array_equal(now[:start], before[:start])
    assert np.array_equal(now[stop:], before[stop:])
    said = np.concatenate([*stream_sound(words, 16_000)])
    assert np.array_equal(now[start + fade : start + len(said)], said[fade:])
    assert not now[start + len(said) : stop - fade].any()
    steps = np.abs(np.diff(now))
    assert steps[start - 9 : start + fade].max() < 1.5 * np.abs(np.diff(before)).max()


def test_made_in_pieces_it_is_the_same(old: Run, words: Path, tmp_path: Path) -> None:
    """Its beginning cut short before run.json, then a clip at a time: the bytes of one that was made at once."""
    whole = redub(old, words, tmp_path / "whole")
    plan = planned(old, words, tmp_path / "film", "1.1", "1.8")
    run = begin_retake(plan)
    for name in ("run.json", "run.copy.json"):
        (run.root / name).rename(run.root / ("begun.json" if name == "run.json" else "gone"))
    (run.root / "gone").unlink()
    shutil.rmtree(run.root / "dubbed")
    again = begin_retake(planned(old, words, run.root, "1.1", "1.8"))
    make_film(opened(again.root), FilmPart(clips=3))
    assert pieces(made(opened(again.root))) == pieces(whole)


def test_each_clip_is_made_again_without_the_old_run(old: Run, words: Path, tmp_path: Path) -> None:
    """Clips before, in and behind the stretch, and all that was heard: by the seeds, the sounds and the inputs that the run has."""
    new = redub(old, words, tmp_path / "new")
    before = pieces(new)
    shutil.rmtree(old.root)
    for stage, clip in (("latents", 5), ("latents", 3), ("audio", 2), ("audio", 4), ("segment", 4)):
        path = (
            new.segment_path(clip) if stage == "segment" else getattr(new, stage).chunk_path(clip)
        )
        flip(path)
    flip(new.root / "dubbed/00001/c.0")
    run = opened(new.root)
    repair_run(run, broken(run))
    assert not broken(opened(new.root))
    assert pieces(opened(new.root)) == before
    for clip in (2, 5):
        steps, _ = replay_steps(opened(new.root), clip, tmp_path / "steps")
        assert np.array_equal(steps[-1], new.latents.read(clip))


def test_it_is_retaken_and_redubbed_again(old: Run, words: Path, tmp_path: Path) -> None:
    """Another seed keeps the words; other words over the first keep what is left of them; back in the old place the old clips stay."""
    one = redub(old, words, tmp_path / "one")
    wish = RetakeRequest(2, until=3, seed=9, run=tmp_path / "retaken")
    retaken = made(begin_retake(plan_retake(one.root, wish)))
    assert retaken.sound.read(0, 10**5).tobytes() == one.sound.read(0, 10**5).tobytes()
    assert same_files(one, retaken, "audio/c.2*") == {"audio/c.2.0.0.0"}
    assert same_files(one, retaken, "soundtrack.m4a") == {"soundtrack.m4a"}
    assert not broken(retaken)
    write_wave(tmp_path / "third.wav", 0.5, 8_000)
    two = redub(retaken, tmp_path / "third.wav", tmp_path / "two", "1.6", None)
    assert [two.spec.sound_of(clip) for clip in range(CLIPS)] == [0, 0, 1, 3, 3, 0, 0]
    assert {"inputs/dub1.wav", "inputs/audio.wav"} <= same_files(one, two, "inputs/*")
    assert same_files(one, two, "dubbed/00001/*")
    assert not broken(two)
    shutil.rmtree(old.root), shutil.rmtree(one.root), shutil.rmtree(retaken.root)
    before = pieces(two)
    for clip in (2, 3, 5):
        flip(two.latents.chunk_path(clip))
        flip(two.audio.chunk_path(clip))
    repair_run(opened(two.root), broken(opened(two.root)))
    assert pieces(opened(two.root)) == before


def test_a_model_that_takes_only_motion_is_redubbed_too(
    begin: Begin, words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its join is hard, and the clip behind it keeps the old motion."""
    monkeypatch.setenv("FAKE_MOTION", "3")
    old = begin(3.3, run=tmp_path / "old")
    make_film(old)
    new = redub(old, words, tmp_path / "new")
    assert new.spec.softened == {}
    stay = [new.latents.digest(clip) == old.latents.digest(clip) for clip in range(CLIPS)]
    assert stay == [True, True, False, False, True, True, True]
    assert np.array_equal(new.join_context(4).read("motion"), old.motion.read(3))
    assert not broken(new)


def test_lips_are_not_led_back(
    old: Run, words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the sound decides latents, the last clip keeps them; all else of it ends where the old film went on."""
    heard = (range(1, 2), range(3), range(2), range(1))
    traits = soft_join.model_traits_of

    def with_lips(run: Run) -> Any:
        from dataclasses import replace

        return replace(traits(run), heard_latents=heard)

    plain = redub(old, words, tmp_path / "plain")
    monkeypatch.setattr(soft_join, "model_traits_of", with_lips)
    new = redub(old, words, tmp_path / "new")
    lips = np.zeros(plain.latents.read(3).shape, np.bool_)
    lips[1:2, :, :, :1] = True
    assert np.array_equal(new.latents.read(3)[~lips], plain.latents.read(3)[~lips])
    assert np.array_equal(
        new.latents.read(3)[:, -1][~lips[:, -1]], old.latents.read(3)[:, -1][~lips[:, -1]]
    )
    assert not np.array_equal(new.latents.read(3)[lips], plain.latents.read(3)[lips])


def test_a_lost_copy_of_the_words_comes_back_by_the_same_words(
    old: Run, words: Path, tmp_path: Path
) -> None:
    """verify names it; nothing else can."""
    new = redub(old, words, tmp_path / "new")
    flip(new.root / "inputs/dub1.wav")
    assert [found.path for found in broken(new)] == ["inputs/dub1.wav"]
    assert redub(old, words, new.root).root == new.root
    assert not broken(opened(new.root))


@pytest.mark.parametrize(
    ("span", "line"),
    [
        (("3.4", None), "--from 0:00:03.4 cannot be used: the film ends at 0:00:03.3"),
        (("1", "3.4"), "--until 0:00:03.4 cannot be used: the film ends at 0:00:03.3"),
        (("1", "1"), "--until 0:00:01.0 cannot be used: it is not behind --from 0:00:01.0"),
        (("1", "1.57"), "it lasts 0.60 s, and there is room for 0.57 s"),
        (("3", None), "it lasts 0.60 s, and there is room for 0.32 s"),
    ],
)
def test_what_does_not_fit_is_refused(
    old: Run, words: Path, tmp_path: Path, span: tuple[str, str | None], line: str
) -> None:
    """Before any work, in one line; half a frame too long is rounding."""
    with pytest.raises(BadOption) as told:
        planned(old, words, tmp_path / "new", *span)
    assert line in str(told.value)
    assert not (tmp_path / "new").exists()
    assert planned(old, words, tmp_path / "new", "1", "1.585").take.until == 4


def test_what_is_no_sound_is_refused(old: Run, words: Path, tmp_path: Path) -> None:
    """No file, a picture, and a sound that was cut off unless it is to be taken so."""
    whole = words.read_bytes()
    for path in (tmp_path / "none.wav", old.image_path):
        with pytest.raises(BadSound):
            planned(old, path, tmp_path / "new", "1", None)
    words.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadSound, match="it is cut off"):
        planned(old, words, tmp_path / "new", "1", None)
    asked = DubRequest(words, Fraction(1), accept_short_audio=True)
    assert add_dub(old, asked, RetakeRequest(0)).until == 3


def test_a_take_without_words_is_as_it_was(old: Run) -> None:
    """The digest of a film that was retaken before there were redubs, and its run.json."""
    spec = Spec.from_facts({**asdict(old.spec), "takes": [asdict(Take("0" * 64, 2, 3, 9))]})
    assert "dub" not in spec.canonical
    facts = {name: value for name, value in asdict(spec.takes[0]).items() if name != "dub"}
    assert Spec.from_facts({**asdict(old.spec), "takes": [facts]}) == spec
    assert traits_of(Options(32, 32)).heard_latents == ()
