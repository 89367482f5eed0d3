"""A record says that work is done, or it is no record."""

from pathlib import Path

import pytest

from storage.errors import LinkInRun
from storage.records import SEAL, Records, _compute_seal, seal_facts, unseal_facts

DIGEST = "ab" * 32
SEGMENT = {"sha256": DIGEST, "bytes": 9, "frames": 8}


@pytest.fixture
def records(tmp_path: Path) -> Records:
    (tmp_path / "commits").mkdir()
    return Records(tmp_path, "this film")


def test_a_committed_stage_is_complete(records: Records) -> None:
    """What was committed is complete with its facts; its neighbours are not."""
    records.commit("latents", 3, digest=DIGEST, seconds=2)
    assert records.complete("latents", 3)
    assert not records.complete("latents", 4)
    assert not records.complete("steps", 3)
    facts = records.read("latents", 3)
    assert facts is not None
    assert (facts["digest"], facts["seconds"], facts["state"], facts["clip"]) == (
        DIGEST,
        2,
        "done",
        3,
    )


def test_a_stage_without_clips_has_one_record(records: Records) -> None:
    """A record can stand for the whole run."""
    records.commit("soundtrack", sha256=DIGEST, bytes=9)
    assert records.complete("soundtrack")
    assert (records.folder / "soundtrack.json").exists()


def test_a_withdrawn_record_is_gone(records: Records) -> None:
    """The work is to be done again; withdrawing twice is fine."""
    records.commit("latents", 3, digest=DIGEST)
    records.withdraw("latents", 3)
    records.withdraw("latents", 3)
    assert records.read("latents", 3) is None


def test_a_pruned_record_keeps_what_it_knew(records: Records) -> None:
    """Pruned is not complete; the digest stays, and the way to make it again is there."""
    records.commit("frames", 3, digest=DIGEST)
    records.prune("frames", 3, remake="longtake resume")
    facts = records.read("frames", 3)
    assert facts is not None
    assert (facts["digest"], facts["state"], facts["remake"]) == (
        DIGEST,
        "pruned",
        "longtake resume",
    )
    assert not records.complete("frames", 3)


def test_no_single_flipped_bit_passes() -> None:
    """Each bit of a record is vouched for."""
    line = seal_facts({"stage": "latents", "clip": 3, "digest": "é"})
    assert unseal_facts(line) == {"stage": "latents", "clip": 3, "digest": "é"}
    for place in range(len(line) * 8):
        damaged = bytearray(line)
        damaged[place // 8] ^= 1 << place % 8
        assert unseal_facts(bytes(damaged)) is None, place


def test_no_torn_record_passes(records: Records) -> None:
    """Cut anywhere, also to nothing, it is no record; it is not an error either."""
    records.commit("latents", 3, digest=DIGEST)
    path = records.folder / "latents.00003.json"
    line = path.read_bytes()
    for length in range(len(line)):
        path.write_bytes(line[:length])
        assert not records.complete("latents", 3)


def test_a_record_of_another_film_or_clip_vouches_for_nothing(
    records: Records, tmp_path: Path
) -> None:
    """A record copied to another name, or into another run, is no record there."""
    records.commit("latents", 3, digest=DIGEST)
    line = (records.folder / "latents.00003.json").read_bytes()
    (records.folder / "latents.00004.json").write_bytes(line)
    assert not records.complete("latents", 4)
    assert not Records(tmp_path, "another film").complete("latents", 3)


def test_the_complete_clips_of_a_stage_are_listed_in_order(records: Records) -> None:
    """Only those that are complete, of that stage; also beyond 99 999."""
    for clip in (100_000, 2, 11):
        records.commit("segment", clip, **SEGMENT)
    records.commit("frames", 1, digest=DIGEST)
    records.prune("segment", 11, remake="longtake resume")
    assert records.clips("segment") == [2, 100_000]


@pytest.mark.parametrize(
    "harm",
    [
        {"stage": None},
        {"clip": "3"},
        {"state": None},
        {"state": "made"},
        {"digest": None},
        {"digest": "../../../etc/passwd"},
        {"digest": 7},
        {"more": [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]},
    ],
    ids=str,
)
def test_a_sealed_record_that_cannot_be_is_no_record(
    records: Records, harm: dict[str, object]
) -> None:
    """Whoever can write a record can seal it: each of its fields is looked at, too. None stands for a field that is missing."""
    facts = {"stage": "latents", "clip": 3, "run": "this film", "state": "done", "digest": DIGEST}
    path = records.path("latents", 3)
    path.write_bytes(seal_facts(facts))
    assert records.complete("latents", 3)
    harmed = {name: value for name, value in {**facts, **harm}.items() if value is not None}
    path.write_bytes(seal_facts(harmed))
    assert records.read("latents", 3) is None
    assert records.flaw("latents", 3)


def test_deep_and_large_records_are_no_records(records: Records) -> None:
    """Neither a hundred thousand lists in each other nor a file of no end is read."""
    path = records.path("latents", 3)
    body = b'{"stage":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    path.write_bytes(body[:-1] + SEAL + _compute_seal(body) + b'"}\n')
    assert records.read("latents", 3) is None
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert records.read("latents", 3) is None
    assert "larger" in str(records.flaw("latents", 3))


def test_a_record_that_is_a_link_is_refused(records: Records, tmp_path: Path) -> None:
    """It is named, and neither read nor written through."""
    other = tmp_path / "other.json"
    other.write_bytes(b"mine")
    records.path("latents", 3).symlink_to(other)
    with pytest.raises(LinkInRun, match=r"latents\.00003\.json in it is a symbolic link"):
        records.read("latents", 3)
    with pytest.raises(LinkInRun):
        records.commit("latents", 3, digest=DIGEST)
    assert other.read_bytes() == b"mine"
