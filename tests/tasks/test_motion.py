"""Films whose next clip is made from the decoded one (wan-s2v's order): all that goes from clip to clip are motion latents."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.errors import BadOption
from storage.run import Run
from tasks.film import make_film
from tasks.film_part import FilmPart
from tasks.request import Request
from tasks.resolve import freeze_run, resolve_request

Ask = Callable[..., Request]
FRAMES = 250
PATTERNS = ("latents/c.*", "motion/c.*", "frames/c.*", "segments/*", "video.mp4")


@pytest.fixture(autouse=True)
def _motion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_MOTION", "3")


def bytes_of(run: Run) -> dict[str, str]:
    """The digest of every file that the film consists of."""
    paths = sorted(path for pattern in PATTERNS for path in run.root.glob(pattern))
    return {
        str(path.relative_to(run.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


@pytest.fixture
def begun(ask: Ask) -> Run:
    """A run that is not made yet."""
    return freeze_run(ask(FRAMES / 25, infer_frames=12))


def test_each_clip_leaves_motion_and_no_carry(begun: Run) -> None:
    """Motion latents are an array of the run, one chunk a clip; rings, and so carries, there are none."""
    make_film(begun)
    assert all(begun.motion.complete(clip) for clip in range(begun.spec.clips))
    assert begun.motion.read(3).shape == (2, 3, 2, 2)
    assert begun.carry.newest(begun.spec.clips) is None


def test_in_parts_and_out_of_order_of_asking_it_is_the_same_film(
    begun: Run, ask: Ask, tmp_path: Path
) -> None:
    """A part made first, then the whole: the bytes of a film made at once."""
    make_film(begun)
    pieces = freeze_run(ask(FRAMES / 25, infer_frames=12, run=tmp_path / "parts", ahead=5))
    make_film(pieces, FilmPart(first_clip=4, clips=3))
    make_film(pieces)
    assert {k: v for k, v in bytes_of(pieces).items() if "mp4" not in k or "segments" in k} == {
        k: v for k, v in bytes_of(begun).items() if "mp4" not in k or "segments" in k
    }


@pytest.mark.parametrize("frames", ["all", "none"])
def test_lost_motion_is_decoded_again(ask: Ask, frames: str) -> None:
    """Motion that is gone or cut comes back, bit for bit, from the latents, whether frames are kept or not; nothing is denoised."""
    begun = freeze_run(ask(FRAMES / 25, infer_frames=12, keep_frames=frames))
    make_film(begun)
    before = bytes_of(begun)
    latents = [begun.latents.chunk_path(clip).stat().st_mtime_ns for clip in range(21)]
    begun.motion.chunk_path(7).unlink()
    broken = begun.motion.chunk_path(8)
    broken.write_bytes(broken.read_bytes()[1:])
    make_film(begun)
    assert bytes_of(begun) == before
    assert latents == [begun.latents.chunk_path(clip).stat().st_mtime_ns for clip in range(21)]


def test_a_lost_latent_is_denoised_from_the_motion_before_it(begun: Run) -> None:
    """No replay from the start: motion latents are all that a clip needs of its past."""
    make_film(begun)
    before = bytes_of(begun)
    begun.latents.withdraw(9)
    begun.latents.chunk_path(9).unlink()
    make_film(begun)
    assert bytes_of(begun) == before


def test_offline_is_refused_with_the_reason(ask: Ask) -> None:
    """Decoding cannot wait where the next clip needs the decoded one."""
    with pytest.raises(BadOption, match="decoded one before it"):
        resolve_request(ask(2, offline=True))
