"""The sound of a live film as Opus."""

from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.bench.live_sync import make_live_film
from pipeline.push.opus_sound import OpusSound
from storage.live_playlist import HEADER, read_playlist

SECONDS, FIRST = 8, 1
"""From the second clip on, as after a server was gone."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live film with a click in each second."""
    return make_live_film(tmp_path_factory.mktemp("film"), SECONDS, 25).parent


def write_opus(live: Path, target: Path) -> tuple[list[int], list[int]]:
    """The film's sound as Opus, clip by clip and with silence behind each; the times of its packets, and those of silence, in samples."""
    header, times, silent = (live / HEADER).read_bytes(), [], []
    with av.open(str(target), "w", "matroska") as film:
        sound = None
        for name in read_playlist(live)[0][FIRST:]:
            clip = target.with_suffix(".mp4")
            clip.write_bytes(header + (live / name).read_bytes())
            with av.open(str(clip)) as source:
                heard = source.streams.audio[0]
                sound = sound or OpusSound(film, heard)
                for packet in source.demux(heard):
                    if packet.dts is not None:
                        for ready in sound.convert_packet(packet):
                            times.append(round(float(ready.pts * ready.time_base) * 48_000))
                            film.mux(ready)
            silent += [packet.pts for packet in sound.make_silence()]
        assert sound is not None
        film.mux(list(sound.take_rest()))
    return times, silent


def test_it_goes_on_from_clip_to_clip(live: Path, tmp_path: Path) -> None:
    """Packets are 20 ms apart without a gap at a clip's beginning, and each click is where it was."""
    times, _ = write_opus(live, tmp_path / "sound.mka")
    assert set(np.diff(times)) == {960}
    clicks = []
    with av.open(str(tmp_path / "sound.mka")) as film:
        for frame in film.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.3)
            time = float(frame.time) + (loud[0] / frame.rate if len(loud) else 0)
            if len(loud) and (not clicks or time > clicks[-1] + 0.5):
                clicks.append(time)
    assert [round(click) for click in clicks] == list(range(2, SECONDS))
    assert clicks == pytest.approx([round(click) for click in clicks], abs=0.002)


def test_silence_takes_no_time(live: Path, tmp_path: Path) -> None:
    """What keeps a session awake stands a sample behind the packet before, and before the next one."""
    times, silent = write_opus(live, tmp_path / "sound.mka")
    before = [max(time for time in times if time < each) for each in silent]
    assert [each - time for each, time in zip(silent, before, strict=True)] == [1] * len(silent)
