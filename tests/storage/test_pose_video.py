"""A pose video: which frames a film takes of it, in any order, and what is no pose video."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from storage.errors import BadPoseVideo
from storage.picture import read_picture
from storage.pose_video import PoseReader, probe_pose_video
from tests.wavefile import write_wave

SIDE = 32


def write_video(path: Path, frames: int, rate: Fraction | int = 25, step: Callable[[int], int] = lambda n: n) -> Path:  # fmt: skip
    """Frame n is as bright as 4 n says, without loss, and comes at `step(n)` frames of the rate."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "bgr0"
        out.start_encoding()
        for n in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((SIDE, SIDE, 3), 4 * n, np.uint8), "rgb24")
            frame.pts, frame.time_base = step(n), 1 / Fraction(rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def numbers(reader: PoseReader, first: int, count: int) -> list[int]:
    """The numbers of the frames that are read."""
    return (reader.read(first, count)[:, 0, 0, 0] // 4).tolist()


@pytest.mark.parametrize(
    ("rate", "fps", "stride"),
    [(25, 25, 1), (24, 25, 1), (50, 25, 2), (60, 25, 2), (30, 16, 2), (12, 25, 1), (Fraction(30_000, 1001), 16, 2), (40, 16, 2)],
)  # fmt: skip
def test_one_of_so_many_frames_is_taken(
    tmp_path: Path, rate: Fraction | int, fps: int, stride: int
) -> None:
    """By the published rule, which takes 2 of 40 / 16 = 2.5, as Python rounds."""
    path = write_video(tmp_path / "pose.mkv", 12, rate)
    assert probe_pose_video(path, fps, 4).stride == stride
    reader = PoseReader(path, stride, (SIDE, SIDE), "cover")
    assert numbers(reader, 1, 3) == [stride, 2 * stride, 3 * stride]


def test_frames_are_the_same_in_any_order(tmp_path: Path) -> None:
    """On, with a gap, back, beyond the end: always by their number."""
    path = write_video(tmp_path / "pose.mkv", 23)
    reader = PoseReader(path, 2, (SIDE, SIDE), "cover")
    for first, count in ((0, 3), (3, 3), (8, 2), (1, 2), (10, 5), (40, 2), (0, 1)):
        taken = [n for n in range(2 * first, 2 * (first + count), 2) if n < 23]
        assert numbers(reader, first, count) == taken, (first, count)


def test_length_and_pace_are_known_before(tmp_path: Path) -> None:
    """Shorter than the film, as long, longer; and at no even pace."""
    path = write_video(tmp_path / "pose.mkv", 21, 50)
    told = [probe_pose_video(path, 25, film) for film in (12, 11, 10)]
    assert [(each.frames, each.longer, each.uneven) for each in told] == [
        (11, False, False),
        (11, False, False),
        (10, True, False),
    ]
    uneven = write_video(tmp_path / "uneven.mkv", 20, 50, lambda n: n + n // 2)
    assert probe_pose_video(uneven, 25, 12).uneven


@pytest.mark.parametrize("crop", ["cover", "top", "contain"])
def test_frames_are_fitted_as_the_picture_is(tmp_path: Path, crop: str) -> None:
    """To the pixel."""
    noise = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "pose.png")
    frame = PoseReader(tmp_path / "pose.png", 1, (SIDE, SIDE), crop).read(0, 4)
    picture = read_picture(tmp_path / "pose.png", width=SIDE, height=SIDE, crop=crop)
    assert frame.shape == (1, SIDE, SIDE, 3)
    assert np.array_equal(frame[0], picture)


def _cut(folder: Path) -> Path:
    path = write_video(folder / "cut.mp4", 20)
    path.write_bytes(path.read_bytes()[:-200])
    return path


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda at: at / "none.mp4", "there is no such file"),
    "folder": (lambda at: at, "it is no file"),
    "empty": (lambda at: _write(at / "empty.mp4", b""), "Invalid data"),
    "text": (lambda at: _write(at / "pose.mp4", b"no film " * 100), "Invalid data"),
    "sound": (lambda at: _sound(at / "pose.wav"), "it has no picture"),
    "cut off": (_cut, "Invalid data"),
    "without frames": (lambda at: write_video(at / "none.mkv", 0), "End of file"),
}


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _sound(path: Path) -> Path:
    write_wave(path, 0.5)
    return path


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_pose_video_is_told(tmp_path: Path, name: str) -> None:
    make, reason = BAD[name]
    with pytest.raises(BadPoseVideo, match=reason):
        probe_pose_video(make(tmp_path), 25, 100)


def test_a_video_that_is_cut_off_is_as_long_as_it_is(tmp_path: Path) -> None:
    """Libav tells no fault of it; what it says of its length does. Not where the film needs no more of it."""
    path = write_video(tmp_path / "pose.mkv", 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = probe_pose_video(path, 25, 100)
    assert 20 < found.frames < 40
    assert found.missing == pytest.approx(60 / 25 - found.frames / 25, abs=0.05)
    assert probe_pose_video(path, 25, 10).missing == 0
