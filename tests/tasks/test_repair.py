"""Every file of a run in turn, harmed in every way: found by its name, made again to the same bytes, at the price that was said."""

import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harm import HARMS, derived_files, digests, harmed

from storage import arrays
from storage.errors import InputDamaged, NotReproduced, WorkFailed
from storage.run import Run
from storage.scan import Finding, RunScan
from tasks import cached_runs, loaded_model, session
from tasks.events import listen_to_events
from tasks.film import DAMAGE_PASSES, make_film
from tasks.repair import estimate_repair, repair_run
from tasks.resolve import freeze_run
from tasks.retention import prune_piece
from tests.waiting import LONG

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
    """A copy of a run of nine clips in one of the STATES; half: stopped by a fault of clip 6."""

    def of(state: str) -> Run:
        once(state)
        return opened(shutil.copytree(kept / state / "run", tmp_path / "run"))

    def once(state: str) -> None:
        if not (kept / state / "run").exists():
            run = begin(
                4.2, carry_every=2, run=kept / state / "run", offline=state.endswith("offline")
            )
            if state.startswith("half"):
                (tmp_path / "fail").mkdir()
                (tmp_path / "fail" / "denoise.6").write_text("9")
                monkeypatch.setenv("FAKE_FAIL", str(tmp_path / "fail"))
                with pytest.raises(WorkFailed):
                    make_film(run)
                monkeypatch.delenv("FAKE_FAIL")
            else:
                make_film(run)

    once("finished-online")  # what every repaired one is compared with
    return of


def opened(root: Path) -> Run:
    """The run as a new process finds it."""
    cached_runs._runs.clear()
    loaded_model._loaded.clear()
    return Run.open(root)


def look(run: Run, *, thorough: bool = True) -> list[Finding]:
    """What is not as it should be, notes too."""
    return list(RunScan(run, thorough=thorough).findings())


def heal_all(root: Path, heal: Any = repair_run) -> None:
    """Repair, as often as `verify --repair` does (one loss may hide another), or resume."""
    if heal is make_film:
        make_film(opened(root))
        return
    for _ in range(DAMAGE_PASSES):
        if found := [one for one in look(opened(root)) if one.damage]:
            repair_run(opened(root), found)


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
        repair_run(opened(root), found)
        after = film_of(root)
        if any(one.damage for one in look(opened(root))):
            wrong.append(f"{harm} {name}: still broken")
        if not any(one.damage for one in found):  # it only waits for its record: resume makes it
            make_film(opened(root))
            after = {n: d for n, d in film_of(root).items() if n in before} | present_of(before)
        if after != before:
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


def present_of(files: dict[str, str]) -> dict[str, str]:
    """What rightly changes when a film goes on."""
    return {"present/c.0": files["present/c.0"]}


def few(root: Path) -> list[str]:
    """Files of every kind: those of clip 3, and what there is once; one of the two run.json."""
    own = re.compile(r"[a-z]+/c\.3[.0]*|segments/00003.mp4|commits/[a-z]+(\.00003)?\.json")
    once = re.compile(r"(.*/)?zarr\.json|(time|present|sound|encoded)/.*|[a-z]+\.(mp4|m4a|json)")
    return [name for name in derived_files(root) if own.fullmatch(name) or once.fullmatch(name)]


@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "remove", "folder"])
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
    heal_all(root)
    assert not [one for one in look(opened(root)) if one.damage]
    assert film_of(root) == film_of(kept / state / "run")


def film_of(root: Path) -> dict[str, str]:
    """Every file but the carries: they are dropped, and no film needs them back."""
    return {name: digest for name, digest in digests(root).items() if not is_carry(name)}


FOLDERS = [
    "audio",
    "commits",
    "encoded",
    "frames",
    "latents",
    "present",
    "segments",
    "sound",
    "steps",
    "time",
]


@pytest.mark.parametrize("heal", [repair_run, make_film], ids=["repair", "resume"])
def test_a_lost_folder_is_found_and_healed(small: Path, begin: Begin, heal: Any) -> None:
    """Each in turn is gone, or is a file: said, made again to the same bytes; what stood there is set aside."""
    whole = film_of(small)
    for number, name in enumerate([*FOLDERS, "encoded/reference"]):
        root = small.parent / "harmed" / small.name
        folder = shutil.copytree(small, root) / name
        shutil.rmtree(folder)
        if (number + (heal is make_film)) % 2:
            folder.write_text("mine")
        found = look(opened(root))
        assert [one for one in found if one.damage and one.path.startswith(name)], (name, found)
        heal_all(root, heal)
        if (aside := root / f"{name}.aside").exists():
            assert aside.read_text() == "mine"
            aside.unlink()
        assert not look(opened(root)), name
        assert film_of(root) == whole, name
        shutil.rmtree(root)


@pytest.fixture
def small(kept: Path, begin: Begin, tmp_path: Path) -> Path:
    """A finished film of two clips without a carry, which is made once."""
    if not (kept / "small").exists():
        make_film(begin(0.8, run=kept / "small", carry_every=0))
    return shutil.copytree(kept / "small", tmp_path / "small")


def test_each_lost_record_is_found_and_made_again(small: Path) -> None:
    """Of a finished film every one is missed, also that of the last clip and of the film, alone or all together."""
    whole = film_of(small)
    names = sorted(each.name for each in (small / "commits").iterdir())
    for lost in (*([name] for name in names), names):
        for name in lost:
            (small / "commits" / name).unlink()
        found = look(opened(small))
        assert {f"commits/{name}" for name in lost} == {one.path for one in found if one.damage} - {
            "present/c.0"
        } or len(lost) > 1, found
        heal_all(small)
        assert (look(opened(small)), film_of(small)) == ([], whole), lost
    for memo in ("seam.00001.json", "output-0123456789abcdef.json"):  # of no file of the run
        (small / "commits" / memo).write_text("{")
        assert [(one.path, one.damage) for one in look(opened(small))] == [
            (f"commits/{memo}", True)
        ]
        heal_all(small)
        assert not look(opened(small))


def test_names_of_others_are_passed_over_and_told(made: Callable[[str], Run], kept: Path) -> None:
    """Copies, backups and what file managers and synchronisers leave, in every folder: a film goes on, and each is named as a stray."""
    run = made("half-online")
    strays = set()
    for folder in sorted(each for each in run.root.rglob("*") if each.is_dir()):
        inside = folder.relative_to(run.root)
        for name in (
            "c.backup",
            "c.x.0",
            "c.",
            "²",
            "٣",
            ".DS_Store",
            "Thumbs.db",
            "c.0~",
            ".#c.0",
            "00003 (conflicted copy).mp4",
            ".syncthing.c.0.tmp",
            ".c.0.swp",
            "c.00003.0.0.0.0.0",
            "latents.x.json",
            "latents.²²²²².json",
            "00000000000000000009",
        ):
            (folder / name).write_bytes(b"mine")
            strays.add(str(inside / name))
        (folder / "c.9 copy").mkdir()
        strays.add(str(inside / "c.9 copy"))
    (run.root / "carry" / "00002 copy").mkdir()
    strays.add("carry/00002 copy")
    found = look(opened(run.root))
    assert {one.path for one in found if one.stage == "stray"} == strays
    assert not [one for one in found if one.damage]
    make_film(opened(run.root))
    for name in strays:
        path = run.root / name
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    assert film_of(run.root) == film_of(kept / "finished-online" / "run")


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


@pytest.mark.parametrize("harm", ["cut", "empty", "remove", "folder"])
def test_resume_heals_all_that_has_another_length(
    made: Callable[[str], Run], kept: Path, harm: str
) -> None:
    """Without a look at any hash: every kind of file that is gone or cut, all at once, is seen at the start and made again."""
    run = made("finished-online")
    for name in few(run.root):
        if not name.startswith("commits/"):
            HARMS[harm](run.root / name)
    make_film(opened(run.root))
    assert film_of(run.root) == film_of(kept / "finished-online" / "run")


def test_resume_heals_a_bit_where_it_is_read(made: Callable[[str], Run], kept: Path) -> None:
    """A flipped bit in what the rest of the film is made of is met by its reader, and the film is the same as ever."""
    run = made("half-online")
    for name in ("latents/c.1.0.0.0.0", "segments/00003.mp4", "encoded/reference/c.0.0.0"):
        HARMS["flip"](run.root / name)
    told = []
    with listen_to_events(lambda event, facts: told.append((event, facts.get("clip")))):
        make_film(opened(run.root))
    assert "damage_met" in [event for event, _ in told]
    assert "clip_failed" not in [event for event, _ in told]
    assert {("damage_found", 1), ("damage_found", 3)} <= {*told}
    assert film_of(run.root) == film_of(kept / "finished-online" / "run")


def test_a_damaged_segment_never_gets_into_the_film(made: Callable[[str], Run], kept: Path) -> None:
    """Joining asks the hash of every segment, though its length is right and it would play."""
    run = made("finished-online")
    run.records.withdraw("video")
    HARMS["flip"](run.segment_path(4))
    make_film(opened(run.root))
    assert film_of(run.root) == film_of(kept / "finished-online" / "run")


def test_the_price_is_what_is_paid(made: Callable[[str], Run]) -> None:
    """Latents whose steps are there are copied, others denoised after a replay; segments are encoded from frames, or decoded."""
    run = made("finished-online")
    for name in ("latents/c.1.0.0.0.0", "latents/c.4.0.0.0.0", "steps/c.4.0.0.0.0.0"):
        (run.root / name).unlink()
    for name in ("segments/00002.mp4", "segments/00005.mp4", "frames/c.5.0.0.0.0"):
        (run.root / name).unlink()
    (run.root / "audio/c.7.0.0.0").unlink()
    found = look(opened(run.root))
    price = estimate_repair(run, found)
    # Carries are written behind the denoiser, so that which two are there depends on the disk.
    begun = run.carry.newest(4) or 0
    assert (price.copy, price.denoise) == ((1,), (4,))
    assert price.replay == ((range(begun, 4),) if begun < 4 else ())
    assert (price.encode, price.decode, price.warm_up, price.hear) == ((2,), (5,), 5, (7,))
    told: dict[str, list[object]] = {}
    with listen_to_events(
        lambda event, facts: told.setdefault(event, []).append(facts.get("clip"))
    ):
        repair_run(opened(run.root), found)
    assert told["latents_restored"] == [1]
    assert told["clip_denoised"][:1] == [4]
    assert told.get("clip_replayed", []) == list(range(begun, 4))
    assert sorted(map(str, told["clip_published"])) == ["2", "5"]


@pytest.mark.parametrize("state", ["half-online", "half-offline"])
def test_a_film_is_not_finished_by_repairing_it(made: Callable[[str], Run], state: str) -> None:
    """The last clip that is there is made again, and no clip after it, though its sound is there and the denoiser could run ahead."""
    run = made(state)
    before, last = film_of(run.root), max(map(int, _denoised(run)))
    (run.root / f"commits/latents.{last:05d}.json").unlink()
    (run.root / f"steps/c.{last}.0.0.0.0.0").unlink()
    HARMS["cut"](run.root / f"latents/c.{last - 1}.0.0.0.0")
    repair_run(opened(run.root), look(opened(run.root)))
    assert set(film_of(run.root)) <= set(before)


def _denoised(run: Run) -> list[str]:
    return [path.name.split(".")[1] for path in (run.root / "latents").glob("c.*")]


def test_a_clip_comes_back_the_same_or_not_at_all(
    made: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a damaged clip's record vouched for is remembered: other bits are refused, now and after a restart."""
    run = made("finished-online")
    (run.root / "latents/c.0.0.0.0.0").unlink()
    (run.root / "steps/c.0.0.0.0.0.0").unlink()
    monkeypatch.setenv("FAKE_DRIFT", "1")
    with pytest.raises(NotReproduced, match="Clip 0 of"):
        repair_run(opened(run.root), look(opened(run.root)))
    with pytest.raises(NotReproduced, match="Clip 0 of"):
        make_film(opened(run.root))
    assert [one.flaw for one in look(opened(run.root)) if one.stage == "latents"] == [
        "was damaged, and is not made again yet"
    ]
    monkeypatch.delenv("FAKE_DRIFT")
    make_film(opened(run.root))
    assert not look(opened(run.root))


def test_a_lost_input_is_asked_for_and_put_back(
    made: Callable[[str], Run], kept: Path, ask: Ask
) -> None:
    """It cannot be made again: what needs it says which file belongs there, and the same request with it heals the run."""
    run = made("half-online")
    HARMS["cut"](run.audio_path)
    HARMS["flip"](run.image_path)
    assert [one.stage for one in look(run)] == ["input", "input"]
    with pytest.raises(InputDamaged, match=r"inputs/image\.png is not the file.*SHA-256"):
        make_film(opened(run.root))
    request = ask(4.2, infer_frames=12, carry_every=2, run=run.root)
    make_film(freeze_run(request))
    assert not [one for one in look(opened(run.root)) if one.damage]
    assert film_of(run.root) == film_of(kept / "finished-online" / "run")


def test_a_run_at_work_is_not_taken_for_a_broken_one(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked through again and again while its clips are made and pruned, nothing is found."""
    monkeypatch.setenv("FAKE_DENOISE", "0.02")
    run = begin(5, keep_frames="3", keep_steps="2")
    looks: list[list[Finding]] = []
    looked, done = threading.Semaphore(0), threading.Event()

    def watch() -> None:
        while not done.is_set():
            looks.append(look(Run.open(run.root)))
            looked.release()

    def wait(event: str, _: object) -> None:
        # However slow the disk: the film is not finished before it was looked at.
        if event == "clip_published":
            assert looked.acquire(timeout=LONG)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        with listen_to_events(wait):
            make_film(run)
    finally:
        done.set()
        watching.join()
    assert not [one for seen in looks for one in seen if one.damage]


def test_what_is_pruned_while_it_is_looked_at_is_no_damage(
    made: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record says that a clip is there; before its hash is asked, the run at work has given it up."""
    run = made("finished-online")
    hash_chunk = arrays.digest_of_chunk

    def prune_meanwhile(path: Path, *facts: Any) -> str:
        digest = hash_chunk(path, *facts)
        if path == run.frames.chunk_path(2):
            prune_piece(run.frames, 2)
        return digest

    assert run.frames.complete(2)
    monkeypatch.setattr(arrays, "digest_of_chunk", prune_meanwhile)
    assert not [found for found in look(run) if found.damage]
    assert not run.frames.complete(2)


def test_a_task_by_itself_that_meets_damage_works_the_second_time(
    made: Callable[[str], Run], kept: Path
) -> None:
    """It says what is damaged and withdraws it; asked for again, Luigi makes that first."""
    import luigi

    from tasks import DecodeClip

    run = made("finished-online")
    run.records.withdraw("segment", 5)
    run.frames.withdraw(5)
    HARMS["flip"](run.latents.chunk_path(2))
    for wanted in (False, True):
        cached_runs._runs.clear()
        luigi.Task.clear_instance_cache()
        task = DecodeClip(folder=str(run.root), clip=5)
        luigi.build([task], local_scheduler=True)
        assert task.complete() == wanted
        for one in tuple(session._sessions.values()):
            one.close()
    assert film_of(run.root) == film_of(kept / "finished-online" / "run")


def test_what_was_pruned_stays_so(begin: Begin) -> None:
    """Latents that are denoised again bring no steps back that are no longer kept; nor does a segment its frames."""
    run = begin(2.3, keep_steps="1", keep_frames="1")
    make_film(run)
    before = digests(run.root)
    run.latents.chunk_path(1).unlink()
    run.segment_path(2).unlink()
    repair_run(opened(run.root), look(run))
    assert film_of(run.root) == {n: d for n, d in before.items() if not is_carry(n)}
