"""What Prometheus scrapes: Luigi's own counters and the film's figures, from this process and from luigid."""

import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import api
from pipeline.sinks.address import read_address
from pipeline.sinks.connect import attach_sinks
from tasks.request import Request
from tests.pipeline.sinks.conftest import free_port

pytest.importorskip("prometheus_client")
Call = Callable[..., tuple[int, str, str]]
Sample = tuple[str, frozenset[tuple[str, str]]]


def scrape(port: int) -> dict[Sample, float]:
    """Every sample of the page, as Prometheus' own parser reads it."""
    from prometheus_client.parser import text_string_to_metric_families

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return {
        (each.name, frozenset(each.labels.items())): each.value
        for family in families
        for each in family.samples
    }


def of(name: str, **labels: str) -> Sample:
    """The name of a sample."""
    return name, frozenset(labels.items())


def test_it_is_scraped_while_a_film_is_made(
    face: Path, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """In the midst of the last of 19 clips, with no luigid: clips, time left, stages, the card, and Luigi's counters."""
    monkeypatch.setenv("FAKE_CARD", "93000000000 143771000000 71 98")
    pages: list[dict[Sample, float]] = []
    port = free_port()

    def look(clip: int, _clips: int) -> None:
        if clip in {0, 18}:
            pages.append(scrape(port))

    with attach_sinks([read_address(f"prometheus://:{port}", "--here")]):
        api.new(Request(face, speech, run=tmp_path / "x", infer_frames=12), look)
    first, last = pages
    assert last[of("longtake_clips")] == 19
    assert last[of("longtake_clips_done")] == 19
    assert last[of("longtake_left_seconds")] == 0
    assert last[of("longtake_clip_seconds")] > 0
    assert last[of("longtake_stage_seconds", stage="denoise")] > 0
    assert last[of("longtake_events_total", event="clip_published")] == 19
    assert last[of("longtake_device_temperature_celsius")] == 71
    assert last[of("longtake_device_memory_used_bytes")] == 93e9

    def grown(what: str, family: str) -> float:
        sample = of(f"luigi_task_{what}_total", family=family)
        return last[sample] - first.get(sample, 0)

    assert grown("started", "DecodeClip") == 18
    assert grown("done", "DecodeClip") == 18
    assert grown("done", "ExtractAudio") >= 16


def test_luigis_counters_outlive_its_schedulers(face: Path, tmp_path: Path):
    """Luigi makes a scheduler for each window of 25 clips: 32 clips of three windows are counted on and not anew."""
    from wavefile import write_wave

    sound = tmp_path / "long.wav"
    write_wave(sound, 15.0)
    port = free_port()
    counts: list[float] = []

    def look(_clip: int, _clips: int) -> None:
        counts.append(scrape(port)[of("luigi_task_started_total", family="DecodeClip")])

    with attach_sinks([read_address(f"prometheus://127.0.0.1:{port}", "--here")]):
        api.new(Request(face, sound, run=tmp_path / "x", infer_frames=12), look)
    assert [each - counts[0] for each in counts] == list(range(32))


def test_the_page_is_there_as_long_as_the_command(tmp_path: Path):
    """Its port is free again afterwards; one that is taken stops nothing."""
    port = free_port()
    address = read_address(f"prometheus://127.0.0.1:{port}", "--here")
    for _ in range(2):
        with attach_sinks([address]):
            assert scrape(port)[of("longtake_clips")] == 0
    with pytest.raises(OSError, match="refused"):
        scrape(port)
    with attach_sinks([address, address]):
        assert scrape(port)[of("longtake_clips")] == 0
