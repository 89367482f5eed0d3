"""tasks/retention.py: which by-products stay, while a film is made and after."""

from collections.abc import Callable
from typing import Any

import pytest

from storage.errors import BadOption
from storage.run import Run
from tasks.events import listen_to_events
from tasks.film import make_film
from tasks.resolve import change_settings
from tasks.retention import tell_gone

Begin = Callable[..., Run]
Told = dict[str, dict[str, Any]]


def again(run: Run, **settings: Any) -> tuple[Run, Told]:
    """The run gone on with under other settings, and what was told."""
    told: Told = {}
    change_settings(run, settings, {})
    run = Run.open(run.root)
    with listen_to_events(lambda event, facts: told.update({event: facts})):
        tell_gone(run)
        make_film(run)
    return run, told


def there(run: Run) -> tuple[list[int], list[int]]:
    """The clips whose frames, and whose steps, lie on the disk."""
    arrays = run.frames, run.steps
    return tuple([c for c in range(5) if each.chunk_path(c).exists()] for each in arrays)  # type: ignore[return-value]


def test_frames_are_kept_as_asked(begin: Begin) -> None:
    """keep_frames 2 leaves the last two clips' frames, and the others say how to make them again."""
    run = begin(2.3, keep_frames="2", keep_steps="none")
    make_film(run)
    assert there(run) == ([3, 4], [])
    assert run.records.read("frames", 0)["state"] == "pruned"


def test_what_a_finished_film_does_not_keep_any_more_goes(begin: Begin) -> None:
    """By an explicit setting or a budget, and the bytes that came free are told; what cannot be had again by a setting is told, too."""
    run = begin(2.3)
    make_film(run)
    each = run.frames.chunk_path(0).stat().st_blocks * 512
    run, told = again(run, keep_frames="1")
    assert there(run) == ([4], [0, 1, 2, 3, 4])
    assert (told["by_products_pruned"]["count"], told["by_products_pruned"]["bytes"]) == (
        4,
        4 * each,
    )
    run, told = again(run, keep_frames="none", keep_steps="2")
    assert there(run) == ([], [3, 4])
    run, told = again(run, keep_frames="3", keep_steps="all")
    assert there(run) == ([], [3, 4])
    assert (told["by_products_gone"]["frames"], told["by_products_gone"]["steps"]) == (3, 3)
    run, told = again(run, keep_frames="all")
    assert there(run) == ([0, 1, 2, 3, 4], [3, 4])


def test_frames_that_another_run_shares_free_nothing(begin: Begin) -> None:
    """A retake's files are links; removing one gives no room, and nobody says that it does."""
    run = begin(2.3)
    make_film(run)
    for clip in range(5):
        (run.root.parent / f"{clip}").hardlink_to(run.frames.chunk_path(clip))
    run, told = again(run, keep_frames="none")
    assert (told["by_products_pruned"]["count"], told["by_products_pruned"]["bytes"]) == (5, 0)


def test_a_budget_is_what_the_whole_run_may_take(begin: Begin) -> None:
    """Less than what must stay is refused with both figures; with less than all of it the frames go, with all of it they stay."""
    run = begin(2.3)
    make_film(run)
    with pytest.raises(BadOption, match=r"1.00 MB .* takes up to (\d+\.\d+) MB") as refused:
        again(run, disk_budget=10**6)
    least = int(float(str(refused.value).partition("up to ")[2].split()[0]) * 1e6)
    frames = run.spec.clips * run.frames.chunk_path(0).stat().st_blocks * 512
    run, _ = again(run, disk_budget=least + frames + 20_000)
    assert there(run)[0] == [0, 1, 2, 3, 4]
    run, _ = again(run, disk_budget=least + 10_000)
    assert there(run)[0] == []


def test_by_auto_nothing_goes_from_a_finished_film(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that has filled since is no reason to remove what nobody asked to."""
    run = begin(2.3)
    make_film(run)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("", (), {"free": 0}))
    again(run)
    assert there(run)[0] == [0, 1, 2, 3, 4]
