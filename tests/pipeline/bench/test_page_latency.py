"""How soon a clip is seen by who watches a film while it is made."""

import json
import wave
from pathlib import Path

import pytest

from pipeline.bench.page_latency import ClipSeen, compare_clips, describe_clips, repeat_sound


def test_each_clip_has_its_times(tmp_path: Path) -> None:
    """A clip is held when the player has its end, and seen when its first frame is shown; all from when it was published."""
    (tmp_path / "live").mkdir()
    entries = "".join(f"#EXTINF:{seconds},\n{n}.m4s\n" for n, seconds in enumerate((2.0, 1.5)))
    (tmp_path / "live/film.m3u8").write_text(f"#EXTM3U\n{entries}")
    events = [
        {"event": "denoise_started", "time": 1},
        {"event": "clip_published", "clip": 0, "time": 10},
        {"event": "live_extended", "clip": 0, "time": 10.25},
        {"event": "clip_published", "clip": 1, "time": 20},
        {"event": "live_extended", "clip": 1, "time": 20.5},
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in events))
    held = [(1.0, 10.5), (2.0, 11.0), (3.5, 21.0)]
    shown = [(0.0, 11.5), (1.96, 13.5), (2.0, 22.0), (3.4, 23.0)]
    found = compare_clips(tmp_path, held, shown)
    assert found == [ClipSeen(0, 0.25, 1.0, 1.5), ClipSeen(1, 0.5, 1.0, 2.0)]
    assert "on the screen     1.75     2.00" in describe_clips(found)


@pytest.mark.parametrize("seconds", [3, 40])
def test_the_sound_is_as_long_as_asked(tmp_path: Path, seconds: int) -> None:
    """Cut or repeated, it has so many seconds."""
    repeat_sound(tmp_path / "sound.wav", seconds)
    with wave.open(str(tmp_path / "sound.wav"), "rb") as file:
        assert file.getnframes() == seconds * file.getframerate()
