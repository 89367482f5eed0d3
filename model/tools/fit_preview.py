"""Fit the linear preview of latents: python -m model.tools.fit_preview --vae FILE --out FILE [--pictures DIR] [--lessons N].

Pictures go through the encoder; the matrix that comes closest from their latents back to them, in the mean square, is the preview. It learns from drawn
presenters and soft fields of colour; --pictures adds your own, which a VAE of photographs should have. With `--out WEIGHTS/preview.safetensors`
`longtake inspect` takes it for every film of those weights.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.vae.preview import LinearPreview, cut_squares, gather_neighbours, save_preview

SIZE, FRAMES = 256, 12
DAMPING = 1e-4
"""Of the mean square of what is seen: nobody's colours hang on a channel that hardly moves."""
EVERY = 5
"""One lesson of so many is not learnt from but judged by."""

Encode = Callable[[Tensor], Tensor]


Pairs = Iterator[tuple[np.ndarray, np.ndarray]]
"""Latent frames [c, h, w], each with what is to be shown of it [y, x, rgb], -1 to 1."""


@dataclass(frozen=True)
class VaeSubject:
    """A VAE of pictures: what is shown of a latent frame is the frame in its middle."""

    encode: Encode
    """Frames [1, 3, t, y, x] in -1..1 → normalised latents [1, c, k, h, w]."""
    first: int
    """Frames of a stream's first latent."""
    frames: int
    """Of every other."""
    around: int
    side: int
    """Pixels of the preview along a latent pixel."""
    name: str

    def pairs(self, frames: Tensor) -> Pairs:
        """Each latent frame with the frame in its middle, at the preview's size."""
        # A stream whose first latent has one frame takes one and whole latents.
        whole = frames[:, :, : frames.shape[2] // self.frames * self.frames]
        whole = torch.cat([whole[:, :, :1], whole], 2) if self.first == 1 else whole
        with torch.inference_mode():
            latents = self.encode(whole)[0]
        size = [self.side * side for side in latents.shape[-2:]]
        small = F.interpolate(whole[0].transpose(0, 1), size, mode="area")
        for index, latent in enumerate(latents.unbind(1)):
            start = max(0, self.first + (index - 1) * self.frames)
            middle = start + (self.frames // 2 if index or self.first > 1 else 0)
            yield latent.float().numpy(), small[middle].permute(1, 2, 0).numpy()


class NormalEquations:
    """The normal equations, lesson by lesson: memory does not grow."""

    def __init__(self, around: int) -> None:
        self.around = around
        self.left: np.ndarray | float = 0.0
        self.right: np.ndarray | float = 0.0

    def learn(self, latent: np.ndarray, picture: np.ndarray) -> None:
        """A latent frame [c, h, w] and what it is a picture of [y, x, rgb], -1 to 1."""
        seen = gather_neighbours(latent, self.around).astype(np.float64)
        self.left = self.left + seen.T @ seen
        self.right = self.right + seen.T @ cut_squares(picture, *latent.shape[1:])

    def solve(self, says: str) -> LinearPreview:
        """The matrix."""
        size = len(np.asarray(self.left))
        damped = self.left + DAMPING * np.trace(self.left) / size * np.eye(size)
        matrix = np.linalg.solve(damped, np.asarray(self.right))
        return LinearPreview(matrix.astype(np.float32), self.around, says)


def wan_subject(path: Path) -> VaeSubject:
    """A VAE of Wan 2.1's making, out of its published file."""
    from model.vae import wan_vae

    loaded = wan_vae.load_vae(path, torch.float32)
    return VaeSubject(loaded.encode, 1, loaded.frames_per_latent, 3, 2, path.name)


def draw_lesson(lesson: int) -> Tensor:
    """Frames [1, 3, t, y, x] in -1..1: mostly a drawn presenter, now and then in other colours; or a soft field of colour that stands still."""
    from model.pocket.training.motion import draw_motion
    from model.pocket.training.train_warping import draw_chatter
    from model.presenters.face import draw_identities, render_faces

    chance = torch.Generator().manual_seed(lesson)
    if lesson % 4 == 3:
        field = torch.randn(1, 3, 6, 6, generator=chance)
        soft = F.interpolate(field, (SIZE, SIZE), mode="bicubic").clamp(-1, 1)
        return soft[:, :, None].expand(-1, -1, FRAMES, -1, -1)
    motion = draw_motion(1, FRAMES, draw_chatter(1, FRAMES, chance), chance)
    frames = render_faces(draw_identities(1, chance), motion, SIZE).transpose(1, 2) * 2 - 1
    colours = torch.randperm(3, generator=chance) if lesson % 4 == 2 else torch.arange(3)
    return frames[:, colours]


def list_photographs(folder: Path) -> list[Path]:
    """The pictures in a folder."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".png", ".jpg", ".jpeg"})


def still_film(path: Path) -> Tensor:
    """A picture standing still, cut to a square: frames [1, 3, t, y, x]."""
    from PIL import Image, ImageOps

    with Image.open(path) as picture:
        fitted = ImageOps.fit(picture.convert("RGB"), (SIZE, SIZE))
    still = torch.from_numpy(np.asarray(fitted).copy()).permute(2, 0, 1).float() / 127.5 - 1
    return still[None, :, None].expand(-1, -1, FRAMES, -1, -1)


def fit_matrix(
    subject: VaeSubject, films: Sequence[Callable[[], Tensor]]
) -> tuple[LinearPreview, float]:
    """The preview, and how close it comes to films that it has not seen: PSNR in dB, at its own size."""
    equations = NormalEquations(subject.around)
    judged = [film for index, film in enumerate(films) if index % EVERY == EVERY - 1]
    for film in (film for index, film in enumerate(films) if index % EVERY < EVERY - 1):
        for latent, picture in subject.pairs(film()):
            equations.learn(latent, picture)
    preview = equations.solve(f"a linear map fitted to {subject.name}")
    errors = [
        np.square(preview.paint(latent[:, None])[0] / 255 - (picture + 1) / 2).mean()
        for film in judged
        for latent, picture in subject.pairs(film())
    ]
    return preview, float(-10 * np.log10(np.mean(errors)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit it, write it, say how close it comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vae", required=True, help="a file such as Wan2.1_VAE.pth")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, help="a folder of PNG and JPEG, to learn from too")
    parser.add_argument("--lessons", type=int, default=160, help="drawn ones; one in five judges")
    given = parser.parse_args(arguments)
    films = [lambda n=n: draw_lesson(n) for n in range(given.lessons)]
    films += [
        lambda p=p: still_film(p)
        for p in (list_photographs(given.pictures) if given.pictures else ())
    ]
    preview, psnr = fit_matrix(wan_subject(Path(given.vae)), films)
    save_preview(preview, given.out, lessons=len(films), psnr=round(psnr, 2))
    size = given.out.stat().st_size
    print(f"{given.out}: {psnr:.1f} dB on {len(films) // EVERY} unseen lessons, {size} bytes")


if __name__ == "__main__":
    main()
