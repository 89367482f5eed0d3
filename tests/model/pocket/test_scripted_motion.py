"""A film of pocket whose prompt changes: when the motion follows, and that it goes on from anywhere to the bit."""

import numpy as np
import pytest
import torch

from model import avatar, loader
from model.avatar import Options
from model.motion_columns import MOTION
from model.pocket.avatar import PocketAvatar
from model.pocket.face_boxes import FaceBoxes
from model.pocket.motion_curves import decode_curves
from model.pocket.training.samples import read_samples
from model.prompt_schedule import PromptChange, format_changes

CLIPS, BLOCKS = 3, 4
CHANGE = 5
"""The block from which on she is sad: the second of the second clip."""
BLOCK_FRAMES = 12
FACE = FaceBoxes((20, 60, 16, 8), (14, 30, 8, 6), (36, 30, 8, 6))
PICTURE = np.broadcast_to(np.linspace(0, 255, 96, dtype=np.uint8)[:, None, None], (96, 64, 3)).copy()  # fmt: skip
HAPPY, SAD = "She is very happy.", "She is very sad."


@pytest.fixture(scope="module")
def pocket() -> PocketAvatar:
    return loader.load_model("pocket", Options(64, 96), avatar.DeviceConfig())


@pytest.fixture(scope="module")
def heard(pocket: PocketAvatar) -> list[np.ndarray]:
    traits = pocket.traits
    span, margin = traits.clip_frames * traits.samples_per_frame, traits.audio_margin
    sound = np.pad(np.resize(read_samples()[0].sound, CLIPS * span), margin)
    windows = (sound[clip * span : (clip + 1) * span + 2 * margin] for clip in range(CLIPS))
    return [pocket.extract_audio(avatar.AudioWindow(each)) for each in windows]


def play(pocket: PocketAvatar, heard: list[np.ndarray], fade: int | None) -> list[np.ndarray]:
    """The latents of the clips of a happy film that grows sad with so many blocks of fade; None: it stays happy."""
    denoiser = pocket.denoiser(encode(pocket, fade), 5)
    return [denoiser.denoise(each).latents for each in heard]


def encode(pocket: PocketAvatar, fade: int | None) -> avatar.Named:
    changes = [] if fade is None else [PromptChange(CHANGE, fade, 100, 100, SAD)]
    return pocket.encode_inputs(PICTURE, HAPPY, FACE, format_changes(changes))


def smile_of(film: list[np.ndarray]) -> np.ndarray:
    """How far the corners of the mouth are up, frame by frame."""
    curves = decode_curves(torch.from_numpy(np.concatenate(film, 1))[None])[0]
    return curves[:, MOTION.index("smile")].numpy()


@pytest.mark.parametrize("fade", [0, 2])
def test_a_change_begins_with_its_block_and_not_before(pocket, heard, fade) -> None:
    """Up to its block the film is to the bit the one without it, and from its first latent on it is not; the smile falls within that block, and has turned over four blocks later. A fade is slower."""
    happy, film = play(pocket, heard, None), play(pocket, heard, fade)
    same = np.concatenate(happy, 1) == np.concatenate(film, 1)
    latents = 3 * CHANGE
    assert same[:, :latents].all()
    assert not same[:, latents].all()
    frame = CHANGE * BLOCK_FRAMES
    fallen = smile_of(happy) - smile_of(film)
    within = fallen[frame : frame + BLOCK_FRAMES].max()
    if fade:
        assert 0 < within < (smile_of(happy) - smile_of(play(pocket, heard, 0)))[frame : frame + BLOCK_FRAMES].max()  # fmt: skip
    else:
        assert within > 0.1
        assert smile_of(film)[frame + 4 * BLOCK_FRAMES :].mean() < 0 < smile_of(film)[:frame].mean()


def test_a_film_goes_on_in_the_midst_of_a_fade(pocket, heard) -> None:
    """What a denoiser takes up from another's state is to the bit what that makes: a clip's prompts are told by its number alone."""
    whole, resumed = (pocket.denoiser(encode(pocket, 6), 5) for _ in range(2))
    for each in heard[:2]:
        whole.denoise(each)
    resumed.restore(2, [(name, bits.copy()) for name, bits in whole.carry()])
    assert np.array_equal(resumed.denoise(heard[2]).latents, whole.denoise(heard[2]).latents)


def test_a_script_without_changes_changes_nothing(pocket) -> None:
    """The inputs are those of a film without one, so those of older runs stay what they are."""
    plain, scripted = pocket.encode_inputs(PICTURE, HAPPY, FACE), encode(pocket, None)
    assert plain.keys() == scripted.keys()
    assert all(np.array_equal(plain[name], scripted[name]) for name in plain)
