"""The preview of a VAE, fitted: from pictures through its encoder to the closest matrix."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.tools import fit_preview
from model.tools.fit_preview import (
    NormalEquations,
    VaeSubject,
    draw_lesson,
    fit_matrix,
    main,
    wan_subject,
)
from model.vae.preview import read_preview
from model.weights import checkpoint
from tests.model.published import published


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fit_preview, "SIZE", 64)


def mix(frames: torch.Tensor) -> torch.Tensor:
    """A VAE that can be undone: the mean colour of each square of 8×8 in every fourth frame, in four channels."""
    small = torch.nn.functional.avg_pool3d(frames, (1, 8, 8))[:, :, 2::4]
    return torch.cat([small[:, :1] + small[:, 1:2], small[:, 1:], small[:, :1] * 2], 1)


def test_what_is_linear_is_found_whole():
    """Of latents that hold the mean colours, the preview gives these back."""
    subject = VaeSubject(mix, 4, 4, 1, 1, "a test")
    preview, psnr = fit_matrix(subject, [lambda n=n: draw_lesson(n) for n in range(10)])
    assert psnr > 40
    assert preview.says == "a linear map fitted to a test"
    latent, picture = next(subject.pairs(draw_lesson(99)))
    shown = preview.paint(latent[:, None])[0] / 127.5 - 1
    assert np.abs(shown - picture).max() < 0.02


def test_the_equations_do_not_grow():
    """However much is learnt."""
    equations = NormalEquations(3)
    for _ in range(3):
        equations.learn(np.ones((2, 4, 4), np.float32), np.zeros((8, 8, 3), np.float32))
    assert np.shape(equations.left) == (19, 19)
    assert np.shape(equations.right) == (19, 12)


def test_a_wan_vae_is_fitted_from_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A small one of random weights in the published layout: every latent has its frame, and the file is read beside the weights."""
    folder = published(tmp_path).folder
    subject = wan_subject(folder / checkpoint.VAE)
    found = list(subject.pairs(draw_lesson(0)))
    assert len(found) == 1 + 3
    assert {(latent.shape, picture.shape) for latent, picture in found} == {
        ((16, 8, 8), (16, 16, 3))
    }
    (tmp_path / "mine").mkdir()
    Image.new("RGB", (90, 70), "green").save(tmp_path / "mine" / "one.jpg")
    words = ["--vae", str(folder / checkpoint.VAE), "--out", str(folder / "preview.safetensors")]
    main([*words, "--lessons", "4", "--pictures", str(tmp_path / "mine")])
    assert "unseen lessons" in capsys.readouterr().out
    assert read_preview(folder / "preview.safetensors").reads(16, 8, 8)
