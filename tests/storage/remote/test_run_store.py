"""One contract for every store: a folder, the memory of a process, S3."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.errors import NoConditionalWrites
from storage.remote.run_store import RunStore, StoredObject, probe_store


def read(store: RunStore, name: str) -> StoredObject:
    found = store.get(name)
    assert found is not None
    return found


def test_what_is_put_comes_back(store: RunStore) -> None:
    """Bytes and files, whatever was there before, and a name with folders in it."""
    store.put("data/1/a.bin", b"one")
    store.put("data/1/a.bin", b"")
    assert read(store, "data/1/a.bin").content == b""
    store.put("data/1/a.bin", b"three")
    assert (read(store, "data/1/a.bin").content, store.measure("data/1/a.bin")) == (b"three", 5)


def test_a_large_file_goes_up_and_down_whole(store: RunStore, tmp_path: Path) -> None:
    """Twenty megabytes: several parts on the way up, several pieces on the way down."""
    content = os.urandom(20 << 20)
    source, target = tmp_path / "up", tmp_path / "down"
    source.write_bytes(content)
    store.put("data/1/video.mp4", source)
    assert store.fetch("data/1/video.mp4", target)
    assert target.read_bytes() == content
    assert store.measure("data/1/video.mp4") == 20 << 20


def test_what_is_not_there_is_nothing(store: RunStore, tmp_path: Path) -> None:
    """No object, no size, no content; removing it is fine; a list of nothing is empty."""
    assert store.get("no.json") is store.measure("no.json") is None
    assert not store.fetch("no.json", tmp_path / "target")
    store.delete("no.json")
    assert list(store.list_names("commits")) == []


def test_a_second_create_fails(store: RunStore) -> None:
    """And leaves what is there."""
    assert store.create("commits/a.json", b"one")
    assert not store.create("commits/a.json", b"two")
    assert read(store, "commits/a.json").content == b"one"


def test_only_the_version_that_was_read_is_replaced(store: RunStore) -> None:
    """A tag serves once; where the object is gone, it serves not at all."""
    store.create("lease.json", b"one")
    first = read(store, "lease.json")
    assert store.replace("lease.json", b"two", first.tag)
    assert not store.replace("lease.json", b"three", first.tag)
    assert read(store, "lease.json").content == b"two"
    second = read(store, "lease.json")
    store.delete("lease.json")
    assert not store.replace("lease.json", b"four", second.tag)
    assert store.get("lease.json") is None


def test_of_many_at_once_one_creates_and_one_replaces(store: RunStore) -> None:
    """Sixteen threads, ten times: never two."""
    for turn in range(10):
        name = f"commits/{turn}.json"
        with ThreadPoolExecutor(16) as many:
            made = list(many.map(lambda n, at=name: store.create(at, b"%d" % n), range(16)))
            tag = read(store, name).tag
            changed = list(
                many.map(lambda n, at=name, t=tag: store.replace(at, b"x%d" % n, t), range(16))
            )
        assert (sum(made), sum(changed)) == (1, 1)


def test_a_list_has_all_below_a_prefix(store: RunStore) -> None:
    """And nothing beside it, also where a name only begins alike."""
    names = {f"commits/latents.{clip:05d}.json" for clip in range(30)}
    for name in (*names, "commits2/other.json", "data/1/latents/c.0"):
        store.put(name, b"x")
    assert set(store.list_names("commits")) == names


def test_a_copy_is_another_object(store: RunStore) -> None:
    """What is copied stays when the first is removed."""
    store.put("data/1/video.mp4", b"film")
    store.put("video.mp4", b"an older film")
    store.copy("data/1/video.mp4", "video.mp4")
    store.delete("data/1/video.mp4")
    assert read(store, "video.mp4").content == b"film"


def test_a_good_store_passes_the_probe(store: RunStore) -> None:
    """Nothing of it stays."""
    probe_store(store, "0011")
    assert list(store.list_names("probe")) == []


@pytest.mark.parametrize("lost", ["create", "replace"])
def test_a_store_without_conditions_is_refused(
    store: RunStore, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes a second create, or an old tag."""

    def write(name: str, content: bytes, _tag: str = "") -> bool:
        store.put(name, content)
        return True

    monkeypatch.setattr(store, lost, write, raising=True)
    with pytest.raises(NoConditionalWrites, match="two machines could make one run at once"):
        probe_store(store, "0011")
    assert list(store.list_names("probe")) == []
