"""A device without room for the film: refused with the way out, or a smaller film, decided once."""

import json
from collections.abc import Callable

import pytest

from storage.errors import FilmTooLarge, OtherSpec
from storage.run import Run
from tasks.events import listen_to_events
from tasks.film import make_film
from tasks.film_sizes import smaller_sizes
from tasks.request import Request
from tasks.resolve import freeze_run, resolve_request

Ask = Callable[..., Request]
ASKED = {"width": 96, "height": 64}
GB = 1e9


@pytest.fixture(autouse=True)
def _hungry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_BYTES", "1000000")  # 6.1 GB at 96*64, 3.8 at 80*48


def test_sizes_step_down_by_a_unit_each_way() -> None:
    """704*384 becomes 688*368, as the articles' script has it; no less than half is offered."""
    sizes = list(smaller_sizes((704, 384), 16))
    assert sizes[0] == (688, 368)
    assert sizes[-1] == (512, 192)


def test_too_large_a_film_is_refused_with_what_fits(ask: Ask) -> None:
    """Before any work, in one line that names a size that fits."""
    with pytest.raises(FilmTooLarge, match=r"5\.0 GB .*96\*64 needs 6\.1 GB.*--size 80\*48"):
        resolve_request(ask(1, **ASKED, device_memory=int(5 * GB)))


def test_where_nothing_fits_it_says_so(ask: Ask) -> None:
    """A device for which half of the size is too much."""
    with pytest.raises(FilmTooLarge, match="No smaller film fits"):
        resolve_request(ask(1, **ASKED, device_memory=int(1 * GB), on_low_memory="step-down"))


def test_stepping_down_is_told_and_remembered(ask: Ask) -> None:
    """The film is smaller; run.json has both sizes, and an event says it once."""
    request = ask(1, **ASKED, device_memory=int(5 * GB), on_low_memory="step-down")
    told: list[tuple[str, dict]] = []
    with listen_to_events(lambda event, facts: told.append((event, facts))):
        run = freeze_run(request)
        make_film(run)
        freeze_run(request)
    facts = json.loads((run.root / "run.json").read_text())
    assert (facts["spec"]["width"], facts["spec"]["height"]) == (80, 48)
    assert facts["settings"]["asked_size"] == "96*64"
    assert facts["sources"]["width"] == "--on-low-memory"
    assert [facts for event, facts in told if event == "size_stepped_down"] == [
        {"asked": "96*64", "made": "80*48"}
    ]


@pytest.mark.parametrize("named", [True, False])
def test_a_run_keeps_its_size(ask: Ask, named: bool, monkeypatch, tmp_path) -> None:
    """The same command again goes on with the same run, though there is room by now; with a folder named, and without."""
    monkeypatch.chdir(tmp_path)
    more = {} if named else {"run": None}
    low = ask(1, **ASKED, device_memory=int(5 * GB), on_low_memory="step-down", **more)
    first = freeze_run(low)
    roomy = ask(1, **ASKED, device_memory=int(50 * GB), on_low_memory="step-down", **more)
    again = freeze_run(roomy)
    assert (again.root, again.spec) == (first.root, first.spec)


def test_a_run_that_has_room_no_more_goes_on(ask: Ask) -> None:
    """It was begun with room; that there is less now is no reason to refuse, or to make another film."""
    first = freeze_run(ask(1, **ASKED, device_memory=int(50 * GB)))
    again = freeze_run(ask(1, **ASKED, device_memory=int(5 * GB)))
    assert again.spec == first.spec


def test_another_size_in_the_folder_is_another_film(ask: Ask) -> None:
    """A run whose size somebody asked for is not taken for one that stepped down."""
    freeze_run(ask(1, width=80, height=48, device_memory=int(50 * GB)))
    with pytest.raises(OtherSpec, match="width is 80, not 96"):
        freeze_run(ask(1, **ASKED, device_memory=int(50 * GB), on_low_memory="step-down"))


def test_resume_asks_nothing(ask: Ask) -> None:
    """A run that is opened by its folder is made whatever is free."""
    run = freeze_run(ask(1, **ASKED, device_memory=int(50 * GB)))
    make_film(Run.open(run.root))
    assert run.video_path.is_file()
