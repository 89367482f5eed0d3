"""The speech encoder: a clip hears from its window what it hears in the whole file, but for what is far away."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from model.avatar import AudioWindow
from model.encoders.wav2vec2 import MARGIN, SAMPLE_RATE, FilmRate, Wav2VecEncoder
from storage.errors import ModelError, OtherWeights, WeightsDamaged, WeightsMissing
from storage.soundtrack import stream_sound
from tests.model.parity.audio_features import extract_whole
from tests.model.wrong_library import WrongLibrary

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "data" / "parity" / "audio_features"
LIVE, SLOW = FilmRate(25, 48), FilmRate(16, 80)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the published one, small and with random weights."""
    folder = tmp_path_factory.mktemp("wav2vec2")
    told = json.loads(GOLDEN.with_suffix(".json").read_text())
    (folder / "config.json").write_text(json.dumps(told["wav2vec2_config"]))
    tensors = load_file(GOLDEN.with_suffix(".safetensors"))
    weights = {k.removeprefix("weights."): v for k, v in tensors.items() if k[:8] == "weights."}
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def encoder(published: Path) -> Wav2VecEncoder:
    return Wav2VecEncoder.read(published, torch.float32)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """The three soundtracks one after the other, twice: a minute."""
    names = ("harbour", "tea", "mercado") * 2
    pieces = [stream_sound(ROOT / "examples" / f"{name}.wav", SAMPLE_RATE) for name in names]
    return np.concatenate([block for piece in pieces for block in piece]).astype(np.float32)


def listen(sound: np.ndarray, clip: int, pace: FilmRate, margin: int = MARGIN) -> AudioWindow:
    """A clip's window of a sound, silence beyond its ends."""
    span = pace.clip_frames * SAMPLE_RATE // pace.fps
    first = clip * span
    wide = np.pad(sound, (margin, margin + first + span))
    window = wide[first : first + span + 2 * margin]
    assert len(window) == span + 2 * margin
    moments = float(sound.mean(dtype=np.float64)), float(sound.var(dtype=np.float64))
    return AudioWindow(window, first, len(sound), *moments)


def far(made: np.ndarray, truth: np.ndarray) -> float:
    """Relative difference."""
    return float(np.linalg.norm(made - truth) / np.linalg.norm(truth))


@pytest.mark.parametrize("pace", [LIVE, SLOW], ids=["25 fps", "16 fps"])
def test_the_window_nears_the_whole_as_its_margin_grows(
    pace: FilmRate, encoder: Wav2VecEncoder, speech: np.ndarray
):
    """Every doubling of the margin brings the features nearer to the whole file's (`-s` prints how near), and a margin over everything gives them."""
    whole, differences = extract_whole(encoder, speech, pace), []
    clips = range(0, len(speech) * pace.fps // SAMPLE_RATE // pace.clip_frames, 4)
    for seconds in (1, 2, 4, 8):
        made = [
            encoder.extract_clip(listen(speech, clip, pace, seconds * SAMPLE_RATE), pace)
            for clip in clips
        ]
        truth = [whole[..., clip * pace.clip_frames :][..., : pace.clip_frames] for clip in clips]
        pair = np.stack(made), np.stack(truth)
        layers = [far(*(each[:, layer] for each in pair)) for layer in (0, 12, -1)]
        differences.append(far(*pair))
        told = " ".join(f"{each:.1e}" for each in (*layers, differences[-1]))
        print(f"\n{pace.fps} fps, {seconds} s, layers 0, 12, last, all: {told}", end="")
        if seconds >= 2:
            assert layers[0] < 1e-5, "what does not look far is the same"
    assert differences == sorted(differences, reverse=True)
    assert differences[2] < 0.1
    everything = encoder.extract_clip(listen(speech, 8, pace, len(speech)), pace)
    assert far(everything, truth[2]) < 1e-5


def test_neighbours_agree_where_they_meet(encoder: Wav2VecEncoder, speech: np.ndarray):
    """A frame that two windows hear is the same frame of the whole film in both."""
    for pace in (LIVE, SLOW):
        longer = FilmRate(pace.fps, pace.clip_frames + 4)
        span, more = (each.clip_frames * SAMPLE_RATE // pace.fps for each in (pace, longer))
        before = listen(speech, 1, pace)
        wide = np.pad(speech, MARGIN)[span : span + more + 2 * MARGIN]
        seen = encoder.extract_clip(
            AudioWindow(wide, span, *(before.samples, before.mean, before.variance)), longer
        )
        after = encoder.extract_clip(listen(speech, 2, pace), pace)
        told = seen[..., -4:], after[..., :4]
        print(f"\n{pace.fps} fps: the frames at a seam differ by {far(*told):.1e}", end="")
        assert far(told[0][0], told[1][0]) < 1e-5
        assert far(*told) < 0.1
        assert far(seen[0, :, -4:], after[0, :, 1:5]) > 0.1, "a frame off would be seen"


def test_a_clip_has_its_shape_and_silence_follows_the_sound(
    encoder: Wav2VecEncoder, speech: np.ndarray
):
    """All clips have one shape; past the end there are zeros, in the same frames as in the whole file."""
    sound = speech[: 5 * SAMPLE_RATE]
    for pace in (LIVE, SLOW):
        whole = extract_whole(encoder, sound, pace)
        for clip in range(4):
            made = encoder.extract_clip(listen(sound, clip, pace), pace)
            assert made.shape == (25, whole.shape[1], pace.clip_frames)
            assert made.dtype == np.float32
            truth = whole[..., clip * pace.clip_frames :][..., : pace.clip_frames]
            there = np.zeros(pace.clip_frames, bool)
            there[: truth.shape[-1]] = truth.any((0, 1))
            assert (made.any((0, 1)) == there).all()


@pytest.mark.parametrize("samples", [1, 160, 399, 400, 719, 720, 800, 1280])
def test_a_very_short_sound_is_heard(samples: int, encoder: Wav2VecEncoder, speech: np.ndarray):
    """From one sample on there is one frame or more, then zeros; 800 samples are 0.05 seconds."""
    sound = speech[SAMPLE_RATE : SAMPLE_RATE + samples]
    made = encoder.extract_clip(listen(sound, 0, LIVE), LIVE)
    there = made.any((0, 1))
    assert np.isfinite(made).all()
    assert there[0]
    assert not there[3:].any()
    assert np.allclose(made, extract_whole(encoder, sound, LIVE), atol=1e-5)


def test_states_are_those_of_stock(encoder: Wav2VecEncoder, published: Path, speech: np.ndarray):
    """transformers' Wav2Vec2Model has the same hidden states, but for the last, which the video models know behind the norm."""
    from transformers import Wav2Vec2Model

    stock = Wav2Vec2Model.from_pretrained(published).eval()
    sound = torch.from_numpy(speech[: 3 * SAMPLE_RATE])
    with torch.inference_mode():
        heard = stock(sound[None], output_hidden_states=True)
        made = encoder.model(sound)
    truth = torch.cat([*heard.hidden_states[:-1], heard.last_hidden_state])
    assert made.shape == truth.shape
    assert torch.allclose(made, truth, atol=1e-5)


def test_silence_is_finite(encoder: Wav2VecEncoder):
    """A sound without any variance has features too."""
    made = encoder.extract_clip(listen(np.zeros(SAMPLE_RATE, np.float32), 0, LIVE), LIVE)
    assert np.isfinite(made).all()


def test_the_same_window_gives_the_same_bits(encoder: Wav2VecEncoder, speech: np.ndarray):
    """What a clip hears does not depend on what was heard before."""
    first = encoder.extract_clip(listen(speech, 5, LIVE), LIVE)
    encoder.extract_clip(listen(speech, 0, SLOW), SLOW)
    assert (encoder.extract_clip(listen(speech, 5, LIVE), LIVE) == first).all()


def test_half_the_precision_hears_much_the_same(published: Path, speech: np.ndarray):
    """The dtype is the caller's: in bfloat16 the features are still float32 arrays, and near."""
    made = [
        Wav2VecEncoder.read(published, dtype).extract_clip(listen(speech, 3, LIVE), LIVE)
        for dtype in (torch.float32, torch.bfloat16)
    ]
    assert made[1].dtype == np.float32
    assert 1e-4 < far(made[1], made[0]) < 0.1


def test_half_the_precision_hears_beside_a_wrong_library(
    published: Path, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    """With AMX, where oneDNN's convolutions of few channels are wrong in bfloat16, the features are near all the same; they were off by .83."""
    monkeypatch.setattr("model.device.processor.uses_amx", lambda: True)
    heard = listen(speech, 3, LIVE)
    truth = Wav2VecEncoder.read(published, torch.float32).extract_clip(heard, LIVE)
    with WrongLibrary("conv1d", 0.0):
        made = Wav2VecEncoder.read(published, torch.bfloat16).extract_clip(heard, LIVE)
    assert 1e-4 < far(made, truth) < 0.1


def test_both_published_files_read_alike(published: Path, tmp_path: Path, speech: np.ndarray):
    """pytorch_model.bin gives what model.safetensors gives, with the names of older and of newer torch."""
    weights = load_file(published / "model.safetensors")
    newer = {
        name.removeprefix("wav2vec2.")
        .replace("weight_g", "parametrizations.weight.original0")
        .replace("weight_v", "parametrizations.weight.original1"): held
        for name, held in weights.items()
        if name.startswith("wav2vec2.")
    }
    shutil.copy(published / "config.json", tmp_path)
    heard = listen(speech[:SAMPLE_RATE], 0, LIVE)
    truth = Wav2VecEncoder.read(published, torch.float32).extract_clip(heard, LIVE)
    for state in (weights, newer):
        torch.save(state, tmp_path / "pytorch_model.bin")
        assert (
            Wav2VecEncoder.read(tmp_path, torch.float32).extract_clip(heard, LIVE) == truth
        ).all()


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    """A copy, to be spoilt."""
    return Path(shutil.copytree(published, tmp_path / "there"))


def without(name: str, folder: Path) -> None:
    (folder / name).unlink()


def torn(name: str, folder: Path) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) * 2 // 3])


def lacking(name: str, folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop(name)
    save_file(weights, folder / "model.safetensors")


def wider(name: str, folder: Path) -> None:
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(told | {name: told[name] * 2}))


def wordy(name: str, folder: Path) -> None:
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(told | {name: "large"}))


@pytest.mark.parametrize(
    ("spoil", "name", "kind", "said"),
    [
        (without, "config.json", WeightsMissing, "config.json"),
        (without, "model.safetensors", WeightsMissing, "model.safetensors"),
        (torn, "config.json", WeightsDamaged, "config.json"),
        (torn, "model.safetensors", WeightsDamaged, "model.safetensors"),
        (lacking, "wav2vec2.encoder.layer_norm.bias", OtherWeights, "encoder.layer_norm.bias"),
        (wordy, "hidden_size", OtherWeights, "configuration"),
        (wordy, "feat_extract_norm", OtherWeights, "feat_extract_norm is large, not layer"),
        (wider, "intermediate_size", OtherWeights, "intermediate_dense"),
        (wider, "num_hidden_layers", OtherWeights, "encoder.layers.24"),
    ],
)
def test_a_file_that_is_not_right_is_told(spoil, name, kind, said, folder):
    """Missing, torn and another model's files each raise their own error, which names the file or the tensor."""
    spoil(name, folder)
    with pytest.raises(ModelError) as raised:
        Wav2VecEncoder.read(folder, torch.float32)
    assert type(raised.value) is kind
    assert said in str(raised.value)
    assert str(folder) in str(raised.value)
