"""The linear preview: latents as pictures without torch, close to what the VAE makes of them."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from model import registry
from model.avatar import Options
from model.vae import preview
from model.vae.preview import (
    LinearPreview,
    cut_squares,
    gather_neighbours,
    join_squares,
    read_preview,
    save_preview,
)
from model.wan.latent_colours import published_preview
from model.weights import checkpoint

ROOT = Path(__file__).parents[3]


def test_squares_come_apart_and_together():
    """`join` undoes `cut`, whatever the sides."""
    picture = np.arange(6 * 8 * 3, dtype=np.float32).reshape(6, 8, 3)
    assert np.array_equal(join_squares(cut_squares(picture, 3, 4), 3, 4), picture)


def test_a_latent_pixel_is_seen_with_its_neighbours():
    """Nine times the channels and one; by itself the channels and one."""
    latent = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    seen = gather_neighbours(latent, 3)
    assert seen.shape == (12, 19)
    middle = seen[1 * 4 + 1]
    assert list(middle[8:10]) == list(latent[:, 1, 1])
    assert list(middle[:2]) == list(latent[:, 0, 0])
    assert list(gather_neighbours(latent, 1)[5]) == [*latent[:, 1, 1], 1]


def test_a_preview_comes_back_from_its_file(tmp_path: Path):
    """Up to halves of a float, which no picture shows."""
    one = LinearPreview(np.linspace(-1, 1, 19 * 12, dtype=np.float32).reshape(19, 12), 3, "a test")
    save_preview(one, tmp_path / "p.safetensors", psnr=1.0)
    again = read_preview(tmp_path / "p.safetensors")
    assert (again.around, again.says) == (3, "a test")
    assert again.reads(2, 5, 4)
    assert not again.reads(3, 5, 4)
    assert np.allclose(again.matrix, one.matrix, atol=1e-3)


def test_what_is_no_number_is_painted_as_nothing():
    """NaN and infinity spoil no other pixel."""
    one = published_preview()
    latents = np.zeros((16, 1, 4, 4), np.float32)
    whole = one.paint(latents)
    latents[3, 0, 0, 0], latents[4, 0, 3, 3] = np.nan, np.inf
    assert np.array_equal(one.paint(latents), whole)


def test_a_fitted_preview_beside_the_weights_comes_first(tmp_path: Path):
    """The published figures serve where there is none; a name that nobody knows has nothing."""
    told = registry.read_preview("wan-s2v", Options(weights=str(tmp_path)))
    assert told is not None
    assert "published figures" in told.says
    inside = tmp_path / checkpoint.FOLDER
    inside.mkdir()
    save_preview(LinearPreview(np.zeros((17, 12), np.float32), 1, "fitted"), inside / preview.FILE)
    fitted = registry.read_preview("live-avatar", Options(weights=str(tmp_path)))
    assert fitted is not None
    assert fitted.says == "fitted"
    assert registry.read_preview("nobody", Options()) is None


def test_a_preview_needs_no_torch():
    """In a process of its own."""
    code = "import sys; from model import registry; from model.avatar import Options; assert registry.read_preview('pocket', Options()); assert registry.read_preview('wan-s2v', Options()); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
