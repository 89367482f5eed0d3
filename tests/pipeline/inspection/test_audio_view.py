"""What the model hears of a clip, beside the wave."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.inspection.audio_view import view_audio
from storage.errors import BadOption
from storage.run import Run

Call = Callable[..., tuple[int, str, str]]


def test_features_stand_beside_the_sound(face: Path, speech: Path, longtake: Call):
    """The clip's own span of the sound, frame by frame, and each layer; layers that follow the loudness say so."""
    assert longtake("new", face, speech, "--run", "x")[0] == 0
    code, out, err = longtake("inspect", "x", "--clip", "2", "--audio", "--json")
    assert code == 0, err
    found, run = json.loads(out), Run.open(Path("x"))
    assert found["seconds"] == pytest.approx(2 * 48 / 25)
    sound = run.sound.read(2 * 48 * 640, 3 * 48 * 640).reshape(48, 640).astype(np.float64)
    assert found["loudness"] == pytest.approx(np.sqrt((sound**2).mean(1)), abs=1e-5)
    assert [layer["layer"] for layer in found["layers"]] == [0, 1]
    assert found["layers"][0]["mean"] == pytest.approx(float(run.audio.read(2)[0].mean()), abs=1e-6)
    with Image.open(found["picture"]) as picture:
        assert picture.width == 1200
    assert Path("x-clip2-audio.png").is_file()


def test_nan_in_a_layer_is_counted_and_drawn(run: Run, tmp_path: Path):
    """It spoils neither the figures nor the picture."""
    audio = run.audio.read(0).copy()
    audio[1, 0, :5] = np.nan
    run.records.withdraw("audio", 0)
    run.audio.publish(0, audio)
    found = view_audio(run, 0, tmp_path / "heard.png")
    assert [layer.nan for layer in found.layers] == [0, 5]
    assert np.isfinite(found.layers[1].mean)


def test_a_clip_beyond_the_film_is_refused(run: Run):
    """As everywhere."""
    with pytest.raises(BadOption, match="5 clips, counted from 0"):
        view_audio(run, 5)
