"""The thread that runs ahead: how far, what it hands over, and what becomes of its faults."""

import signal
import threading
from collections.abc import Callable, Iterator
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
    with held(place, "denoise", 1) as more:
        monkeypatch.setenv("FAKE_HOLD", more["FAKE_HOLD"])
        ahead.take(0)
        wait_until((place / "denoise.1.reached").exists)
        session.stop.signal = signal.SIGTERM
        with pytest.raises(Stopped, match="SIGTERM"):
            ahead.take(1)
        assert ahead.take(0).clip == 0
    assert [made.clip for made in ahead.end()] == [0, 1]
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

    @property
    def takes_ahead(self) -> bool:
        return len(self.begun) <= self.next_clip + 1

    def begin_clip(self, audio: Any) -> None:
        self.begun.append(audio.tobytes())

    def denoise(self, audio: Any) -> Any:
        assert self.begun[self.next_clip] == audio.tobytes()
        self.asked.append(len(self.begun) - self.next_clip)
        return super().denoise(audio)


def test_a_clip_is_begun_before_the_one_before_it_has_come(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a denoiser that can, with its own features; not where a carry stands between the two, and not beyond the bound. The film is the same."""
    plain, run = (
        begin(4.0, run=tmp_path / "plain"),
        begin(4.0, ahead=2, clip_batch_size=4, carry_every=3),
    )
    make_film(plain)
    made: list[Ranked] = []

    def denoiser(avatar: Any, inputs: Any, seed: Any, poses: Any = None) -> Ranked:
        made.append(Ranked(avatar.traits, inputs, seed, poses))
        return made[-1]

    monkeypatch.setattr(FakeAvatar, "denoiser", denoiser)
    folder = str(run.root)
    with open_session(run, FilmPart(), StopFlag()) as session:
        EncodeInputs(folder=folder).run()
        for clip in range(run.spec.clips):
            ExtractAudio(folder=folder, clip=clip).run()
        for clip in range(run.spec.clips):
            taken = session.denoise_ahead.take(clip)
            assert taken.denoised.latents.tobytes() == plain.latents.read(clip).tobytes()
            session.denoise_ahead.release(clip)
    # Clips 3, 6 and 9 begin at a carry; the last has none behind it.
    assert made[0].asked[:8] == [2, 2, 1, 2, 2, 1, 2, 2]
    assert made[0].asked[-1] == 1
