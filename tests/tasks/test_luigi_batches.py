"""Luigi sees a few clips at a time, and is not believed."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import luigi
import pytest

from storage.errors import StageFailed
from storage.run import Run
from tasks.clip import DecodeClip
from tasks.events import listen_to_events
from tasks.film import make_film
from tasks.film_part import FilmPart
from tasks.luigi_batches import (
    CLIPS_PER_BATCH,
    clip_batches,
    find_lost_clips,
    luigi_settings,
    require_built,
)
from tasks.session import Session, open_session
from tasks.signals import StopFlag

Begin = Callable[..., Run]


@pytest.fixture
def session(begin: Begin) -> Iterator[Session]:
    """A film of 53 clips, of which three are made."""
    run = begin(25.0, ahead=2)
    make_film(run, FilmPart(clips=3))
    with open_session(run, FilmPart(), StopFlag()) as session:
        yield session


def test_windows_hold_what_is_missing(session: Session) -> None:
    """Some 25 clips each, in order, and the sound of those beyond that the denoiser comes to; what is there is in none, and what was lost is first."""
    session.run.records.withdraw("audio", 1)
    windows = list(clip_batches(session))
    assert [each.stage for each in windows] == ["segment", "segment", "audio"]
    assert [clip for each in windows[:2] for clip in each.clips] == list(range(3, 53))
    assert [len(each.clips) for each in windows[:2]] == [CLIPS_PER_BATCH, CLIPS_PER_BATCH]
    assert [each.heard for each in windows[:2]] == [(28, 29), ()]
    assert windows[2].clips == (1,)
    assert {task.clip for task in windows[0].requires()} == set(range(3, 30))
    assert list(find_lost_clips(session.run, range(53))) == [0, 1, 2]
    session.run.latents.doubt(1)
    first = next(clip_batches(session))
    assert (first.stage, first.clips) == ("latents", (1,))


def test_luigi_is_not_believed(session: Session) -> None:
    """It says that all went well of what it did not run; the root is asked, by its record."""
    asked = [DecodeClip(folder=str(session.run.root), clip=clip) for clip in (2, 7)]
    built = require_built(session, asked)
    assert next(built) is asked[0]
    assert luigi.build([asked[0]], **luigi_settings(True))
    assert next(built) is asked[1]
    with pytest.raises(StageFailed, match=r"waiting for DecodeClip.* Luigi did not run it"):
        next(built)


@pytest.mark.usefixtures("own_collector")
def test_a_long_film_holds_no_more_objects(begin: Begin) -> None:
    """What Luigi leaves of a window is gone after it, though Python by itself never looks; nothing stays out of Python's sight."""
    held: dict[object, int] = {}
    # After the same clip of windows that are far apart; each look goes through all that this process holds.
    looked = (13, 43)
    gc.disable()
    try:
        with listen_to_events(lambda event, facts: held.update(_objects(event, facts, looked))):
            make_film(begin(25.0))
    finally:
        gc.enable()
    # Of Luigi's and our own things, as threads of other tests may be at work beside it.
    assert held[43] - held[13] < 20
    assert gc.get_freeze_count() == 0


def _objects(event: str, facts: dict[str, Any], looked: tuple[int, ...]) -> dict[object, int]:
    if event != "clip_published" or facts["clip"] not in looked:
        return {}
    ours = ("luigi", "tasks", "storage")
    # Not every type says its module in words.
    kinds = (str(type(each).__module__).split(".")[0] for each in gc.get_objects())
    return {facts["clip"]: sum(kind in ours for kind in kinds)}
