"""storage/segments.py: one clip is one closed group of pictures, the same bytes every time, in the right colours."""

import hashlib
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from recording import numbered, see

from storage.segments import encode_h264, encode_segment
from tests.film_facts import inspect_film

SETTINGS = {"fps": 25, "crf": 18, "preset": "veryfast"}


def moving(frames: int = 12, side: int = 64) -> np.ndarray:
    """A bright disc that wanders over a slope of colours."""
    y, x = np.mgrid[:side, :side]
    slope = np.stack([40 + 2 * x, 60 + 2 * y, 200 - x - y], axis=-1)
    discs = [((x - 20 - frame) ** 2 + (y - 30) ** 2 < 120)[..., None] for frame in range(frames)]
    return np.stack([np.where(disc, (220, 180, 150), slope) for disc in discs]).astype(np.uint8)


@pytest.mark.parametrize("count", [1, 2, 3, 47, 48])
def test_a_segment_holds_its_frames_in_time(tmp_path: Path, count: int) -> None:
    """The last clip may be a single frame; the first frame stands at 0."""
    encode_segment(tmp_path / "0.mp4", numbered(5, count), **SETTINGS)
    assert see(tmp_path / "0.mp4") == (
        list(range(5, 5 + count)),
        [Fraction(frame, 25) for frame in range(count)],
    )
    facts = inspect_film(tmp_path / "0.mp4")
    assert (facts.frames, facts.keyframes, facts.fps, facts.seconds) == (
        count,
        1,
        25,
        Fraction(count, 25),
    )


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    """A record can vouch for what was published."""
    digest = encode_segment(tmp_path / "0.mp4", moving(), **SETTINGS)
    assert digest == hashlib.sha256((tmp_path / "0.mp4").read_bytes()).hexdigest()


def test_a_segment_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    """Here twice, and in another process that may use four threads."""
    np.save(tmp_path / "frames.npy", moving())
    again = (
        "import sys, numpy; from pathlib import Path; from storage.segments import encode_segment; "
        "print(encode_segment(Path(sys.argv[2]), numpy.load(sys.argv[1]), fps=25, crf=18, preset='veryfast'))"
    )
    other = subprocess.run(
        [sys.executable, "-c", again, tmp_path / "frames.npy", tmp_path / "1.mp4"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert encode_h264(moving(), **SETTINGS) == encode_h264(moving(), **SETTINGS)
    assert other.stdout.strip() == hashlib.sha256(encode_h264(moving(), **SETTINGS)).hexdigest()


def test_frames_may_lie_in_memory_in_any_way(tmp_path: Path) -> None:
    """A view turned from [t, c, y, x] gives the same bytes."""
    frames = moving()
    turned = np.ascontiguousarray(frames.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert encode_h264(turned, **SETTINGS) == encode_h264(frames, **SETTINGS)


def test_short_and_long_segments_share_their_parameters(tmp_path: Path) -> None:
    """One set describes the whole film."""
    import av

    extradata = set()
    for count in (1, 2, 12):
        encode_segment(tmp_path / "0.mp4", moving(count), **SETTINGS)
        with av.open(str(tmp_path / "0.mp4")) as container:
            extradata.add(container.streams.video[0].codec_context.extradata)
    assert len(extradata) == 1


def test_colours_are_those_of_the_frames(tmp_path: Path) -> None:
    """Tagged and converted as BT.709 in studio range, without a tint: less than one level on the mean of any channel."""
    import av
    from av.video.reformatter import Interpolation, VideoReformatter

    rounding = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    encode_segment(tmp_path / "0.mp4", moving(), fps=25, crf=10, preset="veryfast")
    with av.open(str(tmp_path / "0.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (
            context.colorspace,
            context.color_primaries,
            context.color_trc,
            context.color_range,
        ) == (1, 1, 1, 1)
        assert context.pix_fmt == "yuv420p"
        shown = [
            VideoReformatter()
            .reformat(
                frame, format="rgb24", src_colorspace=1, src_color_range=1, interpolation=rounding
            )
            .to_ndarray()
            for frame in container.decode(video=0)
        ]
    difference = np.stack(shown).astype(float) - moving()
    assert np.abs(difference.mean(axis=(0, 1, 2))).max() < 1
    assert np.abs(difference).mean() < 2.5


def test_a_failed_encode_leaves_nothing(tmp_path: Path) -> None:
    """Neither the segment nor a draft of it."""
    with pytest.raises(AssertionError, match="halves both sides"):
        encode_segment(tmp_path / "0.mp4", moving()[:, :63], **SETTINGS)
    assert not list(tmp_path.iterdir())
