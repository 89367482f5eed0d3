"""The thread that runs ahead: how far, what it hands over, and what becomes of its faults."""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_avatar import FakeAvatar, FakeDenoiser

from storage.errors import MachineLimit, OutOfMemory, WorkFailed
from storage.run import Run
from tasks.audio import ExtractAudio
from tasks.denoise_ahead import DenoiseAhead
from tasks.events import listen_to_events
from tasks.film import make_film
from tasks.film_part import FilmPart
from tasks.inputs import EncodeInputs
from tasks.session import Session, open_session
from tasks.signals import StopFlag, Stopped
from tests.waiting import held, wait_until

Begin = Callable[..., Run]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Let a stage of a clip fail: `script("denoise.3", "2 memory")`."""
    (tmp_path / "faults").mkdir()
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path / "faults"))
    return lambda name, text: (tmp_path / "faults" / name).write_text(text) and None


@pytest.fixture
def session(begin: Begin) -> Iterator[Session]:
    """A film of nine clips whose sound is there and whose first clip is the next to denoise; two clips may be ahead."""
    run = begin(4.0, ahead=2, clip_batch_size=4)
    with open_session(run, FilmPart(), StopFlag()) as session:
        folder = str(run.root)
        EncodeInputs(folder=folder).run()
        for clip in range(run.spec.clips):
            ExtractAudio(folder=folder, clip=clip).run()
        yield session


def test_a_clip_is_the_same_until_it_is_released(session: Session) -> None:
    """What is made and not taken comes out at the end, in order; the same bits come again after it."""
    ahead = session.denoise_ahead
    first = ahead.take(0)
    assert ahead.take(0) is first
    assert ahead.take(2).clip == 2
    ahead.release(1)
    wait_until(lambda: 4 in ahead._made)
    left = ahead.end()
    assert [made.clip for made in left] == [2, 3, 4]
    again = ahead.take(2)
    assert again is not left[0]
    assert again.denoised.latents.tobytes() == left[0].denoised.latents.tobytes()


def test_a_fault_is_raised_where_its_clip_is_taken(
    session: Session, script: Callable[[str, str], None]
) -> None:
    """Not where the clip before is; the next taking begins anew."""
    script("denoise.1", "1")
    ahead = session.denoise_ahead
    assert ahead.take(0).clip == 0
    with pytest.raises(ArithmeticError, match="scripted fault of denoise 1"):
        ahead.take(1)
    assert ahead.take(1).clip == 1


def test_a_signal_ends_the_waiting(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the clip that is being made: it comes out at the end."""
    ahead, place = session.denoise_ahead, tmp_path / "held"
    with ThreadPoolExecutor(1) as beside:
        with held(place, "denoise", 1) as more:
            monkeypatch.setenv("FAKE_HOLD", more["FAKE_HOLD"])
            ahead.take(0)
            wait_until((place / "denoise.1.reached").exists)
            session.stop.signal = signal.SIGTERM
            with pytest.raises(Stopped, match="SIGTERM"):
                ahead.take(1)
            assert ahead.take(0).clip == 0
            # Before the clip comes out: another would be begun else.
            ending = beside.submit(ahead.end)
            wait_until(lambda: ahead._quit)
        assert [made.clip for made in ending.result()] == [0, 1]
    session.stop.signal = None


def test_denoiser_stays_within_its_bound(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No clip is begun that is more than `ahead` beyond the first one that is not published."""
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("FAKE_DECODE", "0.05")
    run = begin(ahead=2)
    published: list[int] = []

    def note(event: str, facts: dict[str, object]) -> None:
        if event == "clip_denoised":
            assert int(str(facts["clip"])) - len(published) <= 2
            furthest.append(int(str(facts["clip"])) - len(published))
        if event == "clip_published":
            published.append(int(str(facts["clip"])))

    furthest: list[int] = []
    with listen_to_events(note):
        make_film(run)
    assert published == list(range(21))
    assert max(furthest) == 2


def test_a_fault_while_replaying_names_the_clip_that_is_replayed(
    begin: Begin, script: Callable[[str, str], None]
) -> None:
    """The clip that is wanted is not to blame."""
    script("denoise.5", "3")
    run = begin(4.0)
    with pytest.raises(WorkFailed):
        make_film(run)
    script("denoise.5", "0")
    script("denoise.2", "99")
    with pytest.raises(
        WorkFailed, match=r"clip 2, which is there, could not be denoised again on t"
    ):
        make_film(run)


@pytest.mark.parametrize("times", [1, 99])
def test_a_denoiser_whose_thread_does_not_start_is_not_waited_for(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Once: the film is made. For ever: the machine's line, at once."""
    left, real = [times], threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "denoiser" and left[0]:
            left[0] -= 1
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    run = begin(2.0)
    if times == 1:
        make_film(run)
    else:
        with pytest.raises(MachineLimit, match="threads"):
            make_film(run)


def test_a_denoiser_that_ends_without_a_word_is_not_waited_for(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without memory its thread cannot even hand over the fault."""
    monkeypatch.setattr(DenoiseAhead, "_run_thread", lambda *_: None)
    with pytest.raises(OutOfMemory, match="without a word"):
        make_film(begin(2.0))


class Ranked(FakeDenoiser):
    """A denoiser that may begin a clip while the one before is on its way; it notes what was begun when another was asked for."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.begun, self.asked = [], []

    clips_ahead = 1

    def begin_clip(self, audio: Any) -> None:
        self.begun.append(audio.tobytes())

    def denoise(self, audio: Any) -> Any:
        assert self.begun[self.next_clip] == audio.tobytes()
        self.asked.append(len(self.begun) - self.next_clip)
        return super().denoise(audio)


@pytest.fixture
def ranked(monkeypatch: pytest.MonkeyPatch) -> list[Ranked]:
    """The denoisers of films from now on."""
    made: list[Ranked] = []

    def denoiser(avatar: Any, inputs: Any, seed: Any, poses: Any = None) -> Ranked:
        made.append(Ranked(avatar.traits, inputs, seed, poses))
        return made[-1]

    monkeypatch.setattr(FakeAvatar, "denoiser", denoiser)
    return made


def take_all(run: Run) -> Iterator[Any]:
    """The latents of all clips, whose sound is there before the first is denoised."""
    folder = str(run.root)
    with open_session(run, FilmPart(), StopFlag()) as session:
        EncodeInputs(folder=folder).run()
        for clip in range(run.spec.clips):
            ExtractAudio(folder=folder, clip=clip).run()
        for clip in range(run.spec.clips):
            yield session.denoise_ahead.take(clip).denoised.latents
            session.denoise_ahead.release(clip)


@pytest.mark.parametrize(
    ("clips_ahead", "begun"),
    [(1, [2, 2, 1, 2, 2, 1, 2, 2]), (2, [3, 2, 1, 3, 2, 1, 3, 2])],
)
def test_clips_are_begun_before_the_one_before_them_has_come(
    begin: Begin,
    tmp_path: Path,
    ranked: list[Ranked],
    monkeypatch: pytest.MonkeyPatch,
    *,
    clips_ahead: int,
    begun: list[int],
) -> None:
    """By a denoiser that can, as many as it asks for, each with its own features; none behind a carry that is to be saved. The film is the same."""
    with monkeypatch.context() as alone:
        alone.setattr(Ranked, "clips_ahead", 0)
        plain = begin(4.0, run=tmp_path / "plain")
        make_film(plain)
    ranked.clear()
    monkeypatch.setattr(Ranked, "clips_ahead", clips_ahead)
    # As far ahead as it likes: else what is begun depends on who is quicker, it or the one who takes.
    run = begin(4.0, ahead=9, clip_batch_size=4, carry_every=3)
    for clip, latents in enumerate(take_all(run)):
        assert latents.tobytes() == plain.latents.read(clip).tobytes()
    # Clips 3, 6 and 9 begin at a carry; the last has none behind it.
    assert ranked[0].asked[:8] == begun
    assert ranked[0].asked[-1] == 1


def test_no_carry_is_taken_that_a_clip_begun_has_passed(
    begin: Begin, ranked: list[Ranked], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one is due only since the clip behind it was begun, as what a carry costs is known by then, the next will do."""
    asked: list[tuple[int, int]] = []

    def carry(denoiser: Ranked) -> Any:
        asked.append((len(denoiser.begun), denoiser.next_clip))
        return FakeDenoiser.carry(denoiser)

    monkeypatch.setattr(Ranked, "carry", carry, raising=False)
    run = begin(6.0, ahead=14, clip_batch_size=4, carry_every=0)
    denoise = Ranked.denoise

    def denoise_and_change(denoiser: Ranked, audio: Any) -> Any:
        made = denoise(denoiser, audio)
        every = 2 if denoiser.next_clip == 4 else 0
        run.settings = replace(run.settings, carry_every=every)
        return made

    monkeypatch.setattr(Ranked, "denoise", denoise_and_change)
    assert len(list(take_all(run))) == run.spec.clips
    assert ranked[0].asked[3] == 2, "the clip behind was begun"
    assert all(begun == clip for begun, clip in asked)
