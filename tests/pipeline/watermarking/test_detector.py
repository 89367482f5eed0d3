"""What is found in a film's file, whatever was done to it, and what is said of one that has nothing."""

from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.bench.watermark_attacks import (
    Attack,
    attack_film,
    decode_film,
    encode_film,
    to_frames,
)
from pipeline.watermarking.detector import FilmIds, find_ids
from storage.errors import BadFilm
from storage.segments import EncoderConfig, encode_h264
from storage.watermark import mark_frames

Byte = NDArray[np.uint8]
ONE, OTHER = "41434d450000", "0123456789ab"


def presenter(frames: int) -> Byte:
    """A bright head that sways before a gradient [frame, y, x, rgb]."""
    y, x = np.mgrid[:256, :256]
    film = []
    for number in range(frames):
        head = ((x - 128 - 6 * np.sin(number / 9)) ** 2 + (y - 120) ** 2) < 70**2
        film.append(np.where(head[..., None], (220, 180, 150), np.stack([x // 2, 90 + y // 4, 160 - x // 3], -1)))  # fmt: skip
    return np.stack(film).astype(np.uint8)


def encode(frames: Byte) -> bytes:
    """As a segment is encoded."""
    return encode_h264(frames, EncoderConfig(25, 18, "veryfast"))


@pytest.fixture(scope="module")
def marked() -> bytes:
    """A clip with the one id."""
    return encode(mark_frames(presenter(48), ONE))


def look(tmp_path: Path, film: bytes, name: str = "film.mp4") -> FilmIds:
    """What is found in a file."""
    path = tmp_path / name
    path.write_bytes(film)
    return find_ids(path)


@pytest.mark.parametrize(
    "attack",
    [
        Attack("as it is"),
        Attack("all three", size=0.75, bits=0.5),
        Attack("half a second", lambda frames: frames[5:17]),
        Attack("stretched", lambda frames: frames[:, :, ::2]),
    ],
)
def test_the_id_is_found(tmp_path: Path, marked: bytes, attack: Attack):
    """Every bit of it, in all of the film."""
    seen = look(tmp_path, attack_film(marked, attack))
    assert [stretch.id for stretch in seen.found] == [ONE]
    assert (seen.found[0].first, seen.found[0].until) == (0, seen.seconds)
    assert seen.found[0].chance < 1e-9


def test_nothing_is_found_where_nothing_is(tmp_path: Path):
    """In a clip without a watermark, and in one without colours."""
    plain = presenter(48)
    for frames in (plain, plain[..., :1].repeat(3, -1)):
        seen = look(tmp_path, encode(frames))
        assert (seen.found, seen.frames) == ((), 48)


def test_each_stretch_is_found(tmp_path: Path):
    """Films that are joined, each of which begins with a key frame: from when to when which id is there, to a second."""
    plain = presenter(75)
    parts = (mark_frames(plain, ONE), plain, mark_frames(plain, OTHER))
    seen = look(tmp_path, encode_film(to_frames(np.concatenate(parts)), {"crf": "23", "g": "75"}))
    one, other = seen.found
    assert (one.id, other.id) == (ONE, OTHER)
    for stretch, first, until in ((one, 0, 3), (other, 6, 9)):
        assert abs(stretch.first - first) <= 1
        assert abs(stretch.until - until) <= 1


def test_a_mirrored_film_and_a_picture_of_it_are_known(tmp_path: Path, marked: bytes):
    """Right and left exchanged; one frame as a PNG, of another size."""
    frames = decode_film(marked)
    (found,) = look(tmp_path, encode(frames[:, :, ::-1])).found
    assert (found.id, found.mirrored, found.text) == (ONE, True, "ACME")
    Image.fromarray(frames[7]).resize((600, 600)).save(tmp_path / "shot.png")
    (found,) = find_ids(tmp_path / "shot.png").found
    assert found.id == ONE


def sound_alone() -> bytes:
    """An mp4 without a picture."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def test_what_is_no_film_is_refused(tmp_path: Path, marked: bytes):
    """Text, an empty file, half a film, sound alone: one line each."""
    for broken in (b"no film at all", b"", marked[: len(marked) // 2], sound_alone()):
        with pytest.raises(BadFilm):
            look(tmp_path, broken)
