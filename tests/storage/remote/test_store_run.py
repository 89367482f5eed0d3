"""A run on a store: what one machine publishes another brings, a zombie's writes are nobody's, and the store decides."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from small_film import content, flip, make_start

from storage import followers
from storage.errors import Damaged, LeaseLost, NotARun, NotMade, RunDamaged
from storage.remote import address, event_pieces
from storage.remote.address import CACHE_VARIABLE, make_working_folder, open_store
from storage.remote.lease import NAME as LEASE
from storage.remote.lease import Lease
from storage.remote.record_object import RecordObject
from storage.remote.run_store import RunStore
from storage.remote.store_follower import FILM
from storage.remote.store_pull import EVERYTHING, Wanted
from storage.remote.store_run import Listener, OpenedRun, hold_store_run, look_at_store
from storage.remote.store_view import StoreView
from storage.run import Run

STAGES = ("audio", "latents", "steps")


class Machine:
    """A machine with a cache of its own; nothing else is its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self._folder, self._url = folder, url
        self.opened: list[OpenedRun] = []
        self.waited: list[str] = []
        self.root = self.find_root()

    def find_root(self) -> Path:
        before = os.environ.get(CACHE_VARIABLE)
        os.environ[CACHE_VARIABLE] = str(self._folder)
        try:
            return make_working_folder(self._url)
        finally:
            os.environ.pop(CACHE_VARIABLE) if before is None else os.environ.update(
                {CACHE_VARIABLE: before}
            )

    @contextmanager
    def hold(self, *, by_force: bool = False) -> Iterator[None]:
        """Hold the run."""
        listener = Listener(lambda who, _: self.waited.append(who), self.opened.append)
        with hold_store_run(self.root, listener, by_force=by_force):
            yield

    @property
    def run(self) -> Run:
        return Run.open(self.root)


class Studio:
    """Machines that share a store and nothing else."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.start = make_start(folder)
        self.store: RunStore = open_store(url)

    def machine(self, name: str) -> Machine:
        return Machine(self.url, self.folder / name)

    def begin(self, machine: Machine, clips: int) -> None:
        """Make the run and its first clips."""
        with machine.hold():
            make_clips(Run.create(machine.root, self.start), range(clips))


def make_clips(run: Run, clips: range) -> None:
    for clip in clips:
        for stage in STAGES:
            getattr(run, stage).publish(clip, content(run, stage, clip))
        publish_file(run, "segment", clip)


def publish_file(run: Run, stage: str, clip: int | None = None, data: bytes = b"x" * 1000) -> None:
    from storage.publish import publish_bytes

    path = run.segment_path(clip) if clip is not None else run.video_path
    publish_bytes(path, data)
    frames = {} if clip is None else {"frames": run.spec.frames_in(clip)}
    digest = hashlib.sha256(data).hexdigest()
    run.records.commit(stage, clip, sha256=digest, bytes=len(data), **frames)


def carry_of(clip: int) -> list[tuple[str, np.ndarray]]:
    return [(f"layer{n}/keys", np.full((3, 4), clip + n, np.float32)) for n in range(4)]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGTAKE_LEASE_TTL", "0.6")


@pytest.fixture
def studio(url: str, tmp_path: Path) -> Studio:
    return Studio(url, tmp_path)


@pytest.fixture
def quick(tmp_path: Path) -> Studio:
    """In memory: where the kind of store is not the matter."""
    pytest.importorskip("obstore")
    return Studio(f"memory://films/{tmp_path.name}", tmp_path)


def test_a_run_that_must_be_there_is_asked_for_before_anything_is_left(tmp_path: Path) -> None:
    """Its URL is named, and no lease lies there afterwards."""
    url = f"file://{tmp_path}/films/none"
    listener = Listener(lambda _who, _seconds: None, lambda _opened: None)
    root = Machine(url, tmp_path / "a").root
    held = hold_store_run(root, listener, begun=True)
    with pytest.raises(NotARun, match="films/none is not a run: nothing lies there"), held:
        pass
    assert not [*Path(tmp_path, "films").rglob("*.json")]


def test_another_machine_has_what_was_published(studio: Studio) -> None:
    """Run, inputs, clips, the newest state checkpoint, the film; steps only for those who ask."""
    one, two = studio.machine("one"), studio.machine("two")
    studio.begin(one, 3)
    with one.hold():
        for clip in (1, 2, 3):
            one.run.carry.publish(clip, carry_of(clip))
        one.run.inputs.publish({"reference": np.zeros((2, 3), np.float32)})
        publish_file(one.run, "video", data=os.urandom(9 << 20))
    with two.hold():
        run = two.run
        assert run.spec == studio.start.spec
        run.check_inputs()
        for clip in range(3):
            assert np.array_equal(run.latents.read(clip), content(run, "latents", clip))
            assert not run.steps.complete(clip)
        assert run.carry.complete == {3}
        assert [name for name, _ in run.carry.load(3)] == [name for name, _ in carry_of(3)]
        assert run.inputs.read_all().keys() == {"reference"}
        assert run.verified_path("video").read_bytes() == one.run.video_path.read_bytes()
        assert (run.root / "zarr.json").read_bytes() == (one.root / "zarr.json").read_bytes()
    look = studio.machine("three")
    look_at_store(look.root, EVERYTHING)
    assert look.run.steps.read(2).shape == look.run.steps.shape
    found = studio.store.get(FILM)
    assert found is not None
    assert found.content == one.run.video_path.read_bytes()


def test_a_lease_that_somebody_removed_is_made_anew(studio: Studio) -> None:
    """With the next epoch, not the first: what is there is seen by who looks and by who goes on, at once."""
    one = studio.machine("one")
    studio.begin(one, 2)
    for clip in (2, 3):
        with one.hold():
            make_clips(one.run, range(clip, clip + 1))
    studio.store.delete(LEASE)
    look, two = studio.machine("look"), studio.machine("two")
    look_at_store(look.root, EVERYTHING)
    assert [clip for clip in range(5) if look.run.latents.complete(clip)] == [0, 1, 2, 3]
    with two.hold():
        make_clips(two.run, range(4, 5))
    assert (two.opened[0].epoch, two.opened[0].withdrawn) == (4, 0)
    with one.hold():
        assert [clip for clip in range(5) if one.run.latents.complete(clip)] == [0, 1, 2, 3, 4]


def test_a_checkpoint_that_is_left_there_is_removed_there(quick: Studio) -> None:
    """Whoever brings the newest alone would never again know of the others."""
    one, two = quick.machine("one"), quick.machine("two")
    quick.begin(one, 3)
    with one.hold():
        for clip in (1, 2, 3):
            one.run.carry.publish(clip, carry_of(clip))
    assert {name for name in quick.store.list_names("data") if "carry" in name} == {
        "data/00002/carry.00002",
        "data/00002/carry.00003",
    }
    with two.hold():
        pass
    assert {name for name in quick.store.list_names("data") if "carry" in name} == {
        "data/00002/carry.00003"
    }


def test_what_is_pruned_goes_from_the_store(quick: Studio) -> None:
    """The record says so first; a record that was taken back stays as a line."""
    one = quick.machine("one")
    quick.begin(one, 2)
    with one.hold():
        one.run.steps.remove(0)
        one.run.records.withdraw("segment", 1)
        names = set(quick.store.list_names("data"))
        assert "data/00001/steps.00000" not in names
        assert "data/00001/steps.00001" in names
        assert "data/00001/segment.00001" not in names
    two = quick.machine("two")
    look_at_store(two.root, EVERYTHING)
    assert two.run.records.read("steps", 0)["state"] == "pruned"  # type: ignore[index]
    assert two.run.records.read("segment", 1) is None


def test_what_no_record_names_is_removed_by_the_next_holder(studio: Studio) -> None:
    """Of a put that was cut short, of a zombie; nothing that is named, of by-products either."""
    one, two = studio.machine("one"), studio.machine("two")
    studio.begin(one, 2)
    named = set(studio.store.list_names("data"))
    for name in ("data/00001/latents.00007", "data/00001/steps.00009"):
        studio.store.put(name, b"nobody's")
    with two.hold():
        assert set(studio.store.list_names("data")) == named
        make_clips(two.run, range(2, 3))
    with one.hold():
        assert len(set(studio.store.list_names("data"))) == len(named) + 4
    look = studio.machine("three")
    look_at_store(look.root, EVERYTHING)
    assert look.run.records.clips("steps") == [0, 1, 2]


def test_events_go_along(quick: Studio) -> None:
    """In the order of the holders, each line once."""
    one, two, three = (quick.machine(name) for name in ("one", "two", "three"))
    for number, machine in enumerate((one, two, one)):
        with machine.hold():
            Run.create(machine.root, quick.start)
            with machine.run.events_path.open("a") as file:
                file.write(f"{number}\n")
    look_at_store(three.root, Wanted())
    assert three.run.events_path.read_text() == "0\n1\n2\n"


def test_events_go_along_meanwhile(quick: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a record, where the last piece is old enough: a machine that is killed has sent most of them."""
    monkeypatch.setattr(event_pieces, "EVERY", 0.0)
    one, two = quick.machine("one"), quick.machine("two")
    with one.hold():
        run = Run.create(one.root, quick.start)
        run.events_path.write_text("first\nsecond\nhalf")
        make_clips(run, range(1))
        look_at_store(two.root, Wanted())
        assert two.run.events_path.read_text() == "first\nsecond\n"


def test_frames_stay_on_their_machine(quick: Studio) -> None:
    """Ten times all else, and decoded again wherever they are wanted."""
    one = quick.machine("one")
    quick.begin(one, 1)
    with one.hold():
        one.run.frames.publish(0, content(one.run, "frames", 0))
    assert not any("frames" in name for name in quick.store.list_names("commits"))
    with one.hold():
        assert one.run.frames.complete(0)


def test_a_machine_that_comes_back_fetches_what_is_new(quick: Studio) -> None:
    """Not what it has."""
    one, two = quick.machine("one"), quick.machine("two")
    quick.begin(one, 2)
    with two.hold():
        make_clips(two.run, range(2, 4))
    with one.hold():
        assert one.run.latents.complete(3)
    assert one.opened[-1].fetched == 3 * 2  # audio, latents and segment of two clips
    with one.hold():
        pass
    assert (one.opened[-1].fetched, one.opened[-1].withdrawn) == (0, 0)


def test_what_is_lost_or_another_here_is_fetched(quick: Studio) -> None:
    """A file that is gone or cut here; a record that says something else; a record that only this machine has."""
    one = quick.machine("one")
    quick.begin(one, 3)
    run = one.run
    run.latents.chunk_path(0).unlink()
    run.segment_path(1).write_bytes(b"")
    run.latents.publish(1, content(run, "latents", 4))
    run.latents.publish(3, content(run, "latents", 3))
    with one.hold():
        assert np.array_equal(run.latents.read(0), content(run, "latents", 0))
        assert np.array_equal(run.latents.read(1), content(run, "latents", 1))
        assert run.segment_path(1).stat().st_size == 1000
        assert not run.latents.complete(3)
    assert one.opened[-1].withdrawn == 1


@pytest.mark.parametrize("harm", ["gone", "flipped", "cut"])
def test_content_that_the_store_has_not_is_made_again(quick: Studio, harm: str) -> None:
    """Its record does not count, for anybody."""
    one, two = quick.machine("one"), quick.machine("two")
    quick.begin(one, 2)
    name = "data/00001/latents.00001"
    found = quick.store.get(name)
    assert found is not None
    if harm == "gone":
        quick.store.delete(name)
    else:
        path = quick.folder / "harm"
        path.write_bytes(found.content if harm == "flipped" else found.content[:-1])
        if harm == "flipped":
            flip(path)
        quick.store.put(name, path.read_bytes())
    with two.hold():
        assert two.run.latents.complete(0)
        assert not two.run.latents.complete(1)
        make_clips(two.run, range(1, 2))
    three = quick.machine("three")
    with three.hold():
        assert np.array_equal(three.run.latents.read(1), content(three.run, "latents", 1))


def test_all_that_the_store_has_not_is_made_again(quick: Studio) -> None:
    """However many records lost their content."""
    one, two = quick.machine("one"), quick.machine("two")
    quick.begin(one, 5)
    for name in list(quick.store.list_names("data")):
        if "audio" in name or "latents" in name:
            quick.store.delete(name)
    with two.hold():
        run = two.run
        assert run.records.clips("audio") == run.records.clips("latents") == []
        assert run.records.clips("segment") == [0, 1, 2, 3, 4]


def test_a_machine_with_another_film_sets_it_aside(quick: Studio, tmp_path: Path) -> None:
    """What lies in the working folder is never taken for the run of the store."""
    from dataclasses import replace

    one, two = quick.machine("one"), quick.machine("two")
    Run.create(two.root, replace(quick.start, spec=replace(quick.start.spec, seed=8)))
    quick.begin(one, 1)
    with two.hold():
        assert two.run.spec.seed == 7
    assert two.opened[-1].aside
    assert Run.open(two.root.with_name(f"{two.root.name}.aside")).spec.seed == 8


def test_a_beginning_that_only_this_machine_has_is_put_there(quick: Studio) -> None:
    """Killed between run.json here and run.json there."""
    one, two = quick.machine("one"), quick.machine("two")
    make_clips(Run.create(one.root, quick.start), range(2))
    with one.hold():
        pass
    with two.hold():
        assert two.run.latents.complete(1)


def test_settings_come_with_the_run(quick: Studio) -> None:
    """run.json is replaced, by its version; its inputs stay where they are."""
    from dataclasses import replace

    one, two = quick.machine("one"), quick.machine("two")
    quick.begin(one, 1)
    with two.hold():
        two.run.update_settings(replace(two.run.settings, ahead=5), {"ahead": "flag"})
    with one.hold():
        assert one.run.settings.ahead == 5
        one.run.check_inputs()
    look = quick.machine("three")
    look_at_store(look.root, Wanted())
    look.run.check_inputs()


def test_inputs_that_the_store_lost_are_put_again(quick: Studio) -> None:
    """By the next holder that has them; who has them not is told."""
    one, two = quick.machine("one"), quick.machine("two")
    quick.begin(one, 1)
    quick.store.delete("data/00001/run")
    with pytest.raises(RunDamaged, match="resume it where it was made"):
        look_at_store(two.root, Wanted())
    with one.hold():
        pass
    with two.hold():
        two.run.check_inputs()


def test_to_count_needs_no_content(quick: Studio) -> None:
    """Status brings records alone; whoever goes on afterwards brings the rest."""
    one, two = quick.machine("one"), quick.machine("two")
    quick.begin(one, 2)
    look_at_store(two.root, Wanted(content=False))
    assert two.run.records.clips("segment") == [0, 1]
    with pytest.raises(Damaged):
        two.run.latents.read(0)
    with two.hold():
        assert two.run.latents.read(0).shape == two.run.latents.shape
        two.run.check_inputs()


def test_where_nothing_lies_there_is_nothing_to_look_at(quick: Studio) -> None:
    """One line, with the URL."""
    with pytest.raises(NotARun, match=r"memory://films/.* nothing lies there"):
        look_at_store(quick.machine("one").root, Wanted())


# Zombies: the lease is taken from a machine that does not know it yet.


def bewitch(stack: ExitStack, machine: Machine) -> None:
    """Hold the run, and believe for ever that the lease is ours."""
    stack.enter_context(machine.hold())
    find_lease(machine).require = lambda: None  # type: ignore[method-assign]


def find_lease(machine: Machine) -> Lease:
    """The lease that a machine holds."""
    found: Lease = followers._followers[str(machine.root)]._lease  # type: ignore[attr-defined]
    return found


def test_a_zombie_that_looks_stops(studio: Studio) -> None:
    """Its next write is refused; what it wrote before holds."""
    one, two = studio.machine("one"), studio.machine("two")
    studio.begin(one, 1)
    with one.hold():
        make_clips(one.run, range(1, 2))
        with two.hold(by_force=True):
            assert two.run.latents.complete(1)
            find_lease(one)._sent -= 100
            with pytest.raises(LeaseLost):
                make_clips(one.run, range(2, 3))


@pytest.mark.parametrize("other", [False, True])
def test_what_a_zombie_writes_is_nobodys(studio: Studio, other: bool) -> None:
    """Also where its bytes are others: neither the owner takes it, nor whoever comes next, before and after the owner has made the same clip."""
    one, two, three = (studio.machine(name) for name in ("one", "two", "three"))
    studio.begin(one, 2)
    with ExitStack() as stack:
        bewitch(stack, one)
        with two.hold(by_force=True):
            zombie = one.run
            wrong = content(zombie, "latents", 4 if other else 2)
            zombie.latents.publish(2, wrong)
            publish_file(zombie, "segment", 2, b"zombie" * 100)
            # A new record, and one in place of one that was there.
            zombie.records.doubt("latents", 1)
            make_clips(two.run, range(2, 4))
            with pytest.raises(LeaseLost):
                publish_file(zombie, "segment", 3, b"zombie" * 100)
    with three.hold():
        run = three.run
        assert np.array_equal(run.latents.read(2), content(run, "latents", 2))
        assert run.segment_path(2).read_bytes() == b"x" * 1000
        assert not run.latents.complete(1)  # its record was the zombie's: it is made again
    for name, record, _ in StoreView(studio.store).records():
        if name.partition(".")[2].startswith(("00002", "00003")):
            assert record.epoch == 3


def test_what_a_zombie_leaves_before_the_owner_comes_to_it_is_not_taken(quick: Studio) -> None:
    """The owner died before it made that clip: who comes next makes it."""
    one, two, three = (quick.machine(name) for name in ("one", "two", "three"))
    quick.begin(one, 2)
    with ExitStack() as stack:
        bewitch(stack, one)
        with two.hold(by_force=True):
            pass
        one.run.latents.publish(2, content(one.run, "latents", 4))
        with three.hold(by_force=True):
            assert not three.run.latents.complete(2)
            with pytest.raises(NotMade):
                three.run.latents.read(2)


def test_a_record_of_a_later_holder_ends_the_lease(quick: Studio) -> None:
    """Where the clock says nothing, the record does."""
    one = quick.machine("one")
    quick.begin(one, 1)
    with one.hold():
        name = "commits/latents.00001.json"
        quick.store.put(name, RecordObject(99, 99, {}, b"").as_bytes())
        with pytest.raises(LeaseLost, match="later holder"):
            one.run.latents.publish(1, content(one.run, "latents", 1))


def test_a_copied_mark_makes_no_working_folder(tmp_path: Path) -> None:
    """Only the folder that the URL leads to is one."""
    root = make_working_folder("memory://films/x")
    assert address.find_url(root) == "memory://films/x"
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / address.MARK).write_bytes((root.parent / address.MARK).read_bytes())
    assert address.find_url(other / "x") is None
