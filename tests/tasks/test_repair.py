"""Every file of a run in turn, harmed in every way: found by its name, made again to the same bytes, at the price that was said."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harm import HARMS, derived_files, digests, harmed

from storage.errors import InputDamaged, NotReproduced, WorkFailed
from storage.run import Run
from storage.scan import Finding, Scan
from tasks import session
from tasks.events import listen
from tasks.film import make
from tasks.repair import price_of, repair

Ask = Callable[..., Any]
Begin = Callable[..., Run]
STATES = ["finished-online", "finished-offline", "half-online", "half-offline"]


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that are made once and copied."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def made(
    kept: Path, begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Run]:
    """A run of nine clips in one of the STATES; half: stopped by a fault of clip 6."""

    def of(state: str) -> Run:
        if not (kept / state / "run").exists():
            run = begin(
                4.2, carry_every=2, run=kept / state / "run", offline=state.endswith("offline")
            )
            if state.startswith("half"):
                (tmp_path / "fail").mkdir()
                (tmp_path / "fail" / "denoise.6").write_text("9")
                monkeypatch.setenv("FAKE_FAIL", str(tmp_path / "fail"))
                with pytest.raises(WorkFailed):
                    make(run)
                monkeypatch.delenv("FAKE_FAIL")
            else:
                make(run)
        return opened(shutil.copytree(kept / state / "run", tmp_path / "run"))

    return of


def opened(root: Path) -> Run:
    """The run as a new process finds it."""
    session._runs.clear()
    session._loaded.clear()
    return Run.open(root)


def look(run: Run, *, thorough: bool = True) -> list[Finding]:
    """What is not as it should be, notes too."""
    return list(Scan(run, thorough=thorough).findings())


def restored(root: Path, whole: Path, name: str) -> None:
    """Put everything back as it was before the next harm."""
    del name
    shutil.rmtree(root)
    shutil.copytree(whole, root)


def is_carry(name: str) -> bool:
    """A piece of one, or its record."""
    return name.startswith(("carry/", "commits/carry."))


def check_repaired(run: Run, whole: Path, harm: str, names: list[str]) -> list[str]:
    """Each of these harmed, looked at, repaired: what went otherwise than it should."""
    root, before, wrong = run.root, film_of(whole), []
    for name in harmed(root, names, harm):
        found = look(opened(root))
        if not names_it(found, name):
            wrong.append(f"{harm} {name}: not found, but {found}")
        repair(opened(root), found)
        after = film_of(root)
        if any(one.damage for one in look(opened(root))):
            wrong.append(f"{harm} {name}: still broken")
        if name in pending(found):
            make(opened(root))
        elif after != before:
            other = {n for n in {*before, *after} if before.get(n) != after.get(n)}
            wrong.append(f"{harm} {name}: other bytes in {sorted(other)}")
        restored(root, whole, name)
    return wrong


def names_it(found: list[Finding], name: str) -> bool:
    """Whether one of the findings is this file, what its record vouches for, or a piece that counts only together with it."""
    stage, _, clip = name.removeprefix("commits/").removesuffix(".json").partition(".")
    number = int(clip) if clip.isdecimal() else None
    return any(
        one.path == name
        or (name.startswith("commits/") and (one.stage, one.clip) == (stage, number))
        or (one.stage in {"carry", "inputs"} and Path(one.path).parent == Path(name).parent)
        for one in found
    )


def pending(found: list[Finding]) -> set[str]:
    """What only waits for its record: the next resume makes it."""
    return {one.path for one in found if not one.damage}


def few(root: Path) -> list[str]:
    """Files of every kind: those of clip 3, and what there is once; one of the two run.json."""
    own = re.compile(r"[a-z]+/c\.3[.0]*|segments/00003.mp4|commits/[a-z]+(\.00003)?\.json")
    once = re.compile(r"(.*/)?zarr\.json|(time|present|sound|encoded)/.*|[a-z]+\.(mp4|m4a|json)")
    return [name for name in derived_files(root) if own.fullmatch(name) or once.fullmatch(name)]


@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "remove"])
@pytest.mark.parametrize("state", ["finished-online", "half-offline"])
@pytest.mark.parametrize("records", [False, True], ids=["files", "records"])
def test_files_of_every_kind_at_once_are_found_and_repaired(
    made: Callable[[str], Run], kept: Path, state: str, harm: str, records: bool
) -> None:
    """A chunk, a segment, metadata, the film; or their records: all harmed, all named, all made again to the same bytes."""
    run = made(state)
    root = run.root
    names = [name for name in few(root) if name.startswith("commits/") == records]
    for name in names:
        HARMS[harm](root / name)
    found = look(opened(root))
    assert not [name for name in names if not names_it(found, name)]
    for _ in range(2):  # a lost record of a segment hides that of the film
        repair(opened(root), look(opened(root)))
    assert not [one for one in look(opened(root)) if one.damage]
    assert film_of(root) == film_of(kept / state / "run")


def film_of(root: Path) -> dict[str, str]:
    """Every file but the carries: they are dropped, and no film needs them back."""
    return {name: digest for name, digest in digests(root).items() if not is_carry(name)}


def test_one_that_is_swapped_is_found_and_repaired(made: Callable[[str], Run], kept: Path) -> None:
    """A whole chunk, record or segment under the name of its neighbour is not taken for it."""
    run = made("finished-online")
    names = ["latents/c.3.0.0.0.0", "frames/c.3.0.0.0.0", "audio/c.3.0.0.0", "segments/00003.mp4"]
    names += ["commits/latents.00003.json", "commits/segment.00003.json", "steps/zarr.json"]
    assert not check_repaired(run, kept / "finished-online" / "run", "swap", names)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("state", STATES)
def test_every_file_is_found_and_repaired(
    made: Callable[[str], Run], kept: Path, state: str, harm: str
) -> None:
    """The same for every file, online and offline, before and after the mux."""
    run = made(state)
    assert not check_repaired(run, kept / state / "run", harm, derived_files(run.root))
