"""What libav is given to read is that one file, and no more of it than a film can have."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from storage.errors import BadSound
from storage.media_file import MOST_PIXELS, open_media
from storage.pcm import decode_sound
from tests.wavefile import write_wave

SIDE = 8400


@pytest.fixture(scope="session")
def picture_bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of one black frame as PNG: a quarter of a megabyte, and 212 when it is decoded."""
    assert SIDE * SIDE > MOST_PIXELS
    path = tmp_path_factory.mktemp("bomb") / "film.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("png", rate=25)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "rgb24"
        frame = av.VideoFrame(SIDE, SIDE, "rgb24")
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_frame_without_end_is_not_decoded(picture_bomb: Path):
    """Neither to see what the file is, nor to show it."""
    with pytest.raises(av.FFmpegError), open_media(picture_bomb, "mp4") as container:
        list(container.decode(video=0))


def test_a_playlist_leads_nowhere(tmp_path: Path):
    """A film or a sound that is a list of others: none of them is opened."""
    other = tmp_path / "other.wav"
    other.write_bytes(b"RIFF")
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:{}\n#EXT-X-ENDLIST\n"
    for name in ("video.mp4", "audio.wav", "list.m3u8"):
        path = tmp_path / name
        path.write_text(text.format(other), encoding="utf-8")
        with pytest.raises((av.FFmpegError, OSError)), open_media(path) as container:
            list(container.demux())
        with pytest.raises(BadSound):
            list(decode_sound(path))


def test_tags_in_any_encoding_are_no_fault(tmp_path: Path):
    """A WAV with a title in Latin-1, as old programs write it, is heard like one without."""
    plain, titled = tmp_path / "plain.wav", tmp_path / "titled.wav"
    write_wave(plain, 1.0)
    title = b"INFOINAM" + struct.pack("<I", 6) + b"caf\xe9\0\0"
    data = plain.read_bytes() + b"LIST" + struct.pack("<I", len(title)) + title
    titled.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    with open_media(titled) as container:
        assert container.metadata["title"] == "caf\ufffd"
    heard, shown = (
        np.concatenate([block.samples for block in decode_sound(path)], 1)
        for path in (titled, plain)
    )
    assert np.array_equal(heard, shown)
