"""A fake model, small inputs, and nothing left behind between tests."""
# ruff: noqa: E402, I001 - the path is set before what lies on it

from tasks import cached_runs
from tasks import loaded_model
import hashlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pytest
from luigi.setup_logging import InterfaceLogging
from PIL import Image

# The root first: tests/ has folders of the same names as the packages.
sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

import fake_avatar
import soundtracks

from model import registry
from model.pocket import face_finder
from storage.run import Run
from tasks import session
from tasks.request import Request
from tasks.resolve import freeze_run
from wavefile import write_wave

Ask = Callable[..., Request]

_find_faces = face_finder.find_faces
_found: dict[tuple[tuple[int, ...], bytes], list[face_finder.FoundFace]] = {}


@pytest.fixture(autouse=True)
def _looks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real finder, but one look at a picture for all tests: where there is no face it looks from many sides, for seconds."""

    def find(picture: np.ndarray[Any, Any]) -> list[face_finder.FoundFace]:
        key = picture.shape, hashlib.sha256(picture.tobytes()).digest()
        if key not in _found:
            _found[key] = _find_faces(picture)
        return list(_found[key])

    monkeypatch.setattr(face_finder, "find_faces", find)
    monkeypatch.setattr(registry, "_faces", {})  # each test sees what is searched


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fake_avatar.install(monkeypatch)
    soundtracks.install(monkeypatch)
    logging.getLogger("luigi").setLevel(logging.WARNING)
    logging.getLogger("luigi-interface").setLevel(logging.CRITICAL)
    InterfaceLogging._configured = True
    for name in (
        "FAKE_DENOISE",
        "FAKE_DECODE",
        "FAKE_FAIL",
        "FAKE_LOG",
        "FAKE_NUMERICS",
        "FAKE_PROBE",
        "FAKE_WRONG",
        "FAKE_DRIFT",
        "FAKE_MOTION",
        "FAKE_BYTES",
        "FAKE_CARD",
        "FAKE_FACE",
    ):
        monkeypatch.delenv(name, raising=False)
    yield
    for one in tuple(session._sessions.values()):
        one.close()
    loaded_model._loaded.clear()
    cached_runs._runs.clear()
    luigi.Task.clear_instance_cache()


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """A request for a film of so many seconds; further fields by name."""
    image = tmp_path / "face.png"
    Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)).save(image)

    def asked(seconds: float = 10.0, **fields: Any) -> Request:
        audio = tmp_path / f"speech-{seconds}.wav"
        if not audio.exists():
            write_wave(audio, seconds)
        fields.setdefault("run", tmp_path / "run")
        return Request(image=image, audio=audio, **{"retry_delay": 0.0, **fields})

    return asked


@pytest.fixture
def begin(ask: Ask) -> Callable[..., Run]:
    """A run of a film of so many seconds."""

    def begun(seconds: float = 10.0, **fields: Any) -> Run:
        return freeze_run(ask(seconds, **{"infer_frames": 12, **fields}))

    return begun
