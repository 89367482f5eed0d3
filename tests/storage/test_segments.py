"""storage/segments.py: one clip is one closed group of pictures, the same bytes every time, in the right colours."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from recording import numbered, see

from storage.run_beginning import NewRun
from storage.segments import EncoderConfig, encode_h264, encode_segment
from tests.film_facts import inspect_film

CONFIG = EncoderConfig(25, 18, "veryfast")


def moving(frames: int = 12, side: int = 64) -> np.ndarray:
    """A bright disc that wanders over a slope of colours."""
    y, x = np.mgrid[:side, :side]
    slope = np.stack([40 + 2 * x, 60 + 2 * y, 200 - x - y], axis=-1)
    discs = [((x - 20 - frame) ** 2 + (y - 30) ** 2 < 120)[..., None] for frame in range(frames)]
    return np.stack([np.where(disc, (220, 180, 150), slope) for disc in discs]).astype(np.uint8)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("count", [1, 2, 3, 47, 48])
def test_a_segment_holds_its_frames_in_time(tmp_path: Path, count: int, threads: int) -> None:
    """The last clip may be a single frame; the first frame stands at 0."""
    encode_segment(tmp_path / "0.mp4", numbered(5, count), replace(CONFIG, threads=threads))
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
    digest = encode_segment(tmp_path / "0.mp4", moving(), CONFIG)
    assert digest == hashlib.sha256((tmp_path / "0.mp4").read_bytes()).hexdigest()


@pytest.mark.parametrize("threads", [1, 4])
def test_a_segment_is_the_same_bytes_every_time(tmp_path: Path, threads: int) -> None:
    """Here twice, and in another process that has one processor, whichever number of threads there is."""
    np.save(tmp_path / "frames.npy", moving(48))
    again = (
        "import os, sys, numpy; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); from pathlib import Path; "
        "from storage.segments import EncoderConfig, encode_segment; "
        f"print(encode_segment(Path(sys.argv[2]), numpy.load(sys.argv[1]), EncoderConfig(25, 18, 'veryfast', {threads})))"
    )
    other = subprocess.run(
        [sys.executable, "-c", again, tmp_path / "frames.npy", tmp_path / "1.mp4"],
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = (encode_h264(moving(48), replace(CONFIG, threads=threads)) for _ in range(2))
    assert first == second
    assert other.stdout.strip() == hashlib.sha256(first).hexdigest()


def test_one_thread_gives_the_bytes_of_runs_that_name_none(start: NewRun) -> None:
    """A run that was begun when there was one thread goes on with it."""
    assert EncoderConfig.of_spec(start.spec).threads == 1
    assert EncoderConfig.of_spec(replace(start.spec, encoder_threads=4)).threads == 4


def test_frames_may_lie_in_memory_in_any_way(tmp_path: Path) -> None:
    """A view turned from [t, c, y, x] gives the same bytes."""
    frames = moving()
    turned = np.ascontiguousarray(frames.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert encode_h264(turned, CONFIG) == encode_h264(frames, CONFIG)


def test_short_and_long_segments_share_their_parameters(tmp_path: Path) -> None:
    """One set describes the whole film."""
    import av

    extradata = set()
    for count in (1, 2, 12):
        encode_segment(tmp_path / "0.mp4", moving(count), CONFIG)
        with av.open(str(tmp_path / "0.mp4")) as container:
            extradata.add(container.streams.video[0].codec_context.extradata)
    assert len(extradata) == 1


def test_colours_are_those_of_the_frames(tmp_path: Path) -> None:
    """Tagged and converted as BT.709 in studio range, without a tint: less than one level on the mean of any channel."""
    import av
    from av.video.reformatter import Interpolation, VideoReformatter

    rounding = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    encode_segment(tmp_path / "0.mp4", moving(), EncoderConfig(25, 10, "veryfast"))
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
        encode_segment(tmp_path / "0.mp4", moving()[:, :63], CONFIG)
    assert not list(tmp_path.iterdir())
