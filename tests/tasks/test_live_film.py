"""A film that is watched while it is made, killed, resumed and retaken; what a player is given."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from storage.dubbing import encode_film_sound
from storage.errors import WorkFailed
from storage.run import Run
from storage.strays import find_strays
from tasks import live_film
from tasks.events import listen_to_events
from tasks.film import make_film
from tasks.request import Request
from tasks.retake import RetakeRequest, plan_retake
from tasks.retake_setup import begin_retake
from tests import forked
from tests.waiting import LONG, held, wait_until

TESTS = Path(__file__).parents[1]
Begin = Callable[..., Run]
Ask = Callable[..., Request]


def live_files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "live").iterdir())}


def entries_of(root: Path) -> list[str]:
    lines = (root / "live/film.m3u8").read_text().splitlines()
    return [line for line in lines if line.endswith(".m4s")]


def times_of(path: Path) -> dict[str, list[Fraction]]:
    """The times of all packets of a film or a playlist, by stream."""
    found: dict[str, list[Fraction]] = {"video": [], "audio": []}
    with av.open(str(path)) as film:
        for packet in film.demux():
            if packet.dts is not None:
                found[packet.stream.type].append(packet.pts * packet.time_base)
    return found


def events_of(root: Path, name: str) -> list[dict[str, object]]:
    lines = (root / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == name]


def test_playlist_of_a_whole_film(begin: Begin) -> None:
    """The playlist is VOD and ended, names each clip once, and plays every frame and packet of sound at its time."""
    run = begin(5.2, live=True)
    make_film(run)
    text = (run.root / "live/film.m3u8").read_text()
    assert text.startswith("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n")
    assert "#EXT-X-PLAYLIST-TYPE:VOD\n" in text
    assert text.endswith("#EXT-X-ENDLIST\n")
    assert [name[:5] for name in entries_of(run.root)] == [
        f"{n:05d}" for n in range(run.spec.clips)
    ]
    seconds = [float(line[8:-1]) for line in text.splitlines() if line.startswith("#EXTINF:")]
    assert sum(seconds) == pytest.approx(run.spec.frames / run.spec.fps, abs=1e-4)
    found = times_of(run.root / "live/film.m3u8")
    assert found["video"] == [Fraction(n, run.spec.fps) for n in range(run.spec.frames)]
    assert found["audio"] == [time for time in times_of(run.video_path)["audio"] if time >= 0]
    assert not events_of(run.root, "by_product_failed")
    assert len(events_of(run.root, "live_finished")) == 1


def test_growing_film_is_header_and_fragments(begin: Begin) -> None:
    """`--grow` keeps one mp4 as well: the header and the fragments in a row, with the frames of the film."""
    run = begin(5.2, grow=True)
    make_film(run)
    files = live_files(run.root)
    parts = [files["init.mp4"], *(files[name] for name in entries_of(run.root))]
    assert files["film.mp4"] == b"".join(parts)
    assert len(times_of(run.root / "live/film.mp4")["video"]) == run.spec.frames
    (run.root / "live/notes.txt").touch()
    assert [path.name for path in find_strays(run)] == ["notes.txt"]


def test_no_live_film_unless_asked(begin: Begin) -> None:
    """Without the flags there is no such folder."""
    run = begin()
    make_film(run)
    assert not (run.root / "live").exists()


def test_each_clip_is_in_the_playlist_when_it_is_published(begin: Begin) -> None:
    """When a clip is told as published the one before it is in the playlist, which is an open event; so it is never more than a clip behind."""
    run = begin(5.2, live=True)
    seen: list[tuple[int, int, bool]] = []

    def look(event: str, facts: dict[str, object]) -> None:
        if event == "clip_published":
            text = (run.root / "live/film.m3u8").read_text()
            opened = "TYPE:EVENT" in text and "ENDLIST" not in text
            seen.append((int(str(facts["clip"])), len(entries_of(run.root)), opened))

    # The soundtrack is there: the encoder's thread is another test's.
    make_film(run)
    for clip in range(run.spec.clips):
        run.records.withdraw("segment", clip)
    shutil.rmtree(run.root / "live")
    with listen_to_events(look):
        make_film(Run.open(run.root))
    assert seen == [(clip, clip, True) for clip in range(run.spec.clips)]


def start_film(request: Request, **more: str) -> "subprocess.Popen[str]":
    paths = [str(request.image), str(request.audio), str(request.run), "grow"]
    return forked.Popen(
        [sys.executable, str(TESTS / "fake_make.py"), *paths],
        env={**os.environ, **more},
        cwd=TESTS.parent,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_and_resumed_it_has_the_same_bytes(ask: Ask, tmp_path: Path) -> None:
    """Killed in the middle, the growing film plays up to there; resumed, every file is that of an unbroken run."""
    request, unbroken = ask(infer_frames=12), ask(infer_frames=12, run=tmp_path / "unbroken")
    with held(tmp_path / "hold", "denoise", 9) as fakes:
        process = start_film(request, **fakes)
        wait_until(
            lambda: (request.run / "live/film.m3u8").exists() and len(entries_of(request.run)) > 5,
            of=process,
        )
        process.send_signal(signal.SIGKILL)
        process.communicate()
    there = len(entries_of(request.run))
    assert len(times_of(request.run / "live/film.mp4")["video"]) >= 12 * there
    # With an end of its own: libav would wait for what is to come.
    ended = request.run / "live/ended.m3u8"
    ended.write_text((request.run / "live/film.m3u8").read_text() + "#EXT-X-ENDLIST\n")
    assert times_of(ended)["video"] == [Fraction(n, 25) for n in range(12 * there)]
    ended.unlink()
    for each in (request, unbroken):
        process = start_film(each)
        _, said = process.communicate(timeout=LONG)
        assert process.returncode == 0, said
    assert live_files(request.run) == live_files(unbroken.run)


@pytest.mark.parametrize("harm", ["torn", "zeros", "longer"])
def test_growing_film_is_set_right(begin: Begin, harm: str) -> None:
    """A growing film whose end is torn, lost or too long is that of the fragments again when the run is opened, and so is the playlist."""
    run = begin(5.2, grow=True)
    make_film(run)
    before = live_files(run.root)
    for name in ("film.mp4", "film.m3u8"):
        path = run.root / "live" / name
        content = path.read_bytes()
        half = len(content) // 2
        harmed = {
            "torn": content[:half],
            "zeros": content[:half] + bytes(half),
            "longer": content * 2,
        }
        path.write_bytes(harmed[harm])
    make_film(Run.open(run.root))
    assert live_files(run.root) == before


def test_a_lost_fragment_is_made_again(begin: Begin) -> None:
    """A fragment that is gone is made again with the same bytes, and what followed it as well."""
    run = begin(5.2, grow=True)
    make_film(run)
    before = live_files(run.root)
    (run.root / "live" / entries_of(run.root)[4]).unlink()
    make_film(Run.open(run.root))
    assert live_files(run.root) == before


def test_other_bytes_have_another_name(begin: Begin) -> None:
    """A clip that comes back with other bytes gets a fragment of another name, and the old one goes."""
    run = begin(5.2, live=True)
    make_film(run)
    old = entries_of(run.root)
    facts = run.records.vouched("segment", 3)
    assert facts is not None
    digest = run.records.vouched("segment", 4)
    assert digest is not None
    shutil.copyfile(run.segment_path(4), run.segment_path(3))
    run.records.commit("segment", 3, **{key: digest[key] for key in ("sha256", "bytes", "frames")})
    make_film(Run.open(run.root))
    new = entries_of(run.root)
    assert new[3] != old[3]
    assert new[:3] + new[4:] == old[:3] + old[4:]
    assert not (run.root / "live" / old[3]).exists()


def test_begun_without_it_and_gone_on_with_it(begin: Begin, ask: Ask) -> None:
    """A film that was finished before gets its live film when it is asked for."""
    make_film(begin())
    run = begin()
    run.update_settings(type(run.settings)(**{**vars(run.settings), "live": True}), run.sources)
    make_film(Run.open(run.root))
    assert len(entries_of(run.root)) == run.spec.clips


def test_its_fault_is_told_and_costs_no_clip(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails of it is one event, the film is whole, and the next start makes the rest."""
    run = begin(5.2, live=True)
    real = live_film.write_fragment

    def fail(*given: object) -> object:
        if getattr(given[1], "clip", 0) == 5:
            raise RuntimeError("no more")
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(live_film, "write_fragment", fail)
    make_film(run)
    assert run.records.complete("video")
    told = events_of(run.root, "by_product_failed")
    assert [(event["stage"], event["clip"], event["error"]) for event in told] == [
        ("live", 5, "RuntimeError: no more")
    ]
    assert len(entries_of(run.root)) == 5
    monkeypatch.undo()


def test_a_soundtrack_that_fails_beside_the_film(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the encoder fails beside the film, the film encodes its sound at the end, and the live film follows then."""
    run = begin(5.2, live=True)

    def fail(*_: object) -> int:
        raise RuntimeError("no encoder")

    monkeypatch.setattr(live_film, "encode_film_sound", fail)
    make_film(run)
    assert len(entries_of(run.root)) == run.spec.clips
    assert [event["error"] for event in events_of(run.root, "by_product_failed")] == [
        "RuntimeError: no encoder"
    ]


class HeldEncoder:
    """The real encoder, which stops after so many packets until it is let go, or is told to end."""

    def __init__(self, packets: int) -> None:
        self.left, self.released = packets, threading.Event()

    def encode(self, *given: Any) -> int:
        *before, pulse, tap = given

        def hold(channels: int, packet: bytes) -> None:
            tap(channels, packet)
            self.left -= 1
            while self.left < 0 and not self.released.wait(0.01):
                pulse()

        return encode_film_sound(*before, pulse, hold)


def test_clips_do_not_wait_for_the_whole_soundtrack(
    begin: Begin, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the sound is still encoded, clips are in the playlist as far as it has come; where it is late, the film goes on, and the live film has the same bytes."""
    plain = begin(5.2, live=True)
    make_film(plain)
    run = begin(5.2, live=True, run=tmp_path / "late")
    encoder = HeldEncoder(100)  # four clips of twelve frames, and a bit
    monkeypatch.setattr(live_film, "encode_film_sound", encoder.encode)
    seen: list[int] = []

    def look(event: str, facts: dict[str, object]) -> None:
        if event == "clip_published":
            seen.append(len(entries_of(run.root)))
            if facts["clip"] == run.spec.clips - 1:
                encoder.released.set()

    with listen_to_events(look):
        make_film(run)
    assert 0 < seen[-1] <= 4
    assert not events_of(run.root, "by_product_failed")
    assert live_files(run.root) == live_files(plain.root)


def test_a_film_that_fails_does_not_wait_for_the_soundtrack(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A film that ends by a fault ends its encoder, too, and leaves no half soundtrack."""
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults/denoise.5").write_text("99")
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path / "faults"))
    run = begin(5.2, live=True)
    monkeypatch.setattr(live_film, "encode_film_sound", HeldEncoder(10).encode)
    with pytest.raises(WorkFailed):
        make_film(run)
    assert not [path for path in run.root.rglob("*") if "soundtrack" in path.name]
    assert not [each for each in threading.enumerate() if each.name == "soundtrack"]


def test_a_retake_has_a_live_film_of_its_own(begin: Begin, tmp_path: Path) -> None:
    """A retake of a film that has one begins its own with the shared clips, by the same names; the old one stays as it was."""
    old = begin(5.2, live=True)
    make_film(old)
    before = live_files(old.root)
    wish = RetakeRequest(9, run=tmp_path / "again", seed=7)
    again = begin_retake(plan_retake(old.root, wish))
    seen: list[int] = []

    def look(event: str, _facts: dict[str, object]) -> None:
        if event == "clip_published":
            seen.append(len(entries_of(again.root)))

    with listen_to_events(look):
        make_film(again)
    shared = [name for name in entries_of(old.root) if int(name[:5]) < 9]
    made = entries_of(again.root)
    assert (made[:9], len(made)) == (shared, old.spec.clips)
    assert made[9:] != entries_of(old.root)[9:]
    assert seen[0] == 0
    assert all(later - sooner <= live_film.CATCH_UP for sooner, later in pairwise(seen))
    assert live_files(old.root) == before
