"""Clips of drawn presenters with their rest picture and the boxes of its mouth and eyes, as another hand might have drawn them: what pocket's warping network learns from."""

import math
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor

from model.motion_columns import MOTION
from model.pocket.curve_layout import RELATIVE, RESTED_COLUMNS
from model.pocket.warping_network import identity_grid
from model.presenters.face import eye_boxes, mouth_box, pixel_weights, render_faces

WORTH_STEP = 4
"""Pixels to one weight."""
LIDS = 2.0
"""How much more mouth and eyes are worth while lids are down: what is left of an eye on a lid is faint, and seen at once."""
NARROW = 6.0
"""How much more mouth and eyes are worth where the mouth is narrower than in the picture, by the share that is missing: a line that stays at its old corner is faint, too."""
DARK = 0.35
"""What is added to the brightness of a picture before its mouth and eyes are worth the more, the darker it is: the eye sees ratios."""
BEND = 0.05
"""How far a whole picture is bent, in half pictures."""
JITTER_PLACE, JITTER_SIZE = ((0.07, 0.3), (0.3, 0.6)), ((0.15, 0.25), (0.4, 0.45))
"""How wrong boxes are, of their size, across and down: no detector finds them to the pixel, and one clip in three has boxes as wrong as those of drawings are. A mouth's box that is found lies 0.5 of its half height above to 0.7 below the true one, 0.06 of its half width beside it, and is 0.8 to 1.05 as wide and 0.7 to 1.35 as high (tenths of 30 drawn presenters)."""
FAR_OFF = 1 / 3
MIRRORED = ("dx", "tilt", "gaze_x")
"""Columns of motion that a mirror turns round."""


@dataclass
class DrawnClips:
    """A batch of clips; also a pool of them."""

    rest: Tensor
    """[n, 3, y, x]: the picture, in 0..1."""
    boxes: Tensor
    """[n, 3, 4]: mouth, left and right eye of the picture: centre x, y and half sizes, in half pictures."""
    frames: Tensor
    """[n, t, 3, y, x] in 0..1."""
    worth: Tensor
    """[n, t, 1, y/4, x/4]: what a pixel is worth to a loss: 1, and more on mouth and eyes."""
    curves: Tensor
    """[n, t, MOTION]: how frames differ from the picture in RELATIVE columns, and what the RESTED ones are."""
    own: Tensor
    """[n, RESTED]: what the picture's are; not a number where nobody knows."""

    def take(self, rows: Tensor) -> "DrawnClips":
        """The clips of these rows."""
        return DrawnClips(*(getattr(self, f.name)[rows] for f in fields(self)))


def mirror_clips(clips: DrawnClips, chosen: Tensor) -> DrawnClips:
    """The clips, those that are chosen [n] as a mirror shows them: no mouth's corner is learnt better than the other."""
    swap = clips.boxes[:, (0, 2, 1)] * clips.boxes.new_tensor([-1.0, 1, 1, 1])
    signs = clips.curves.new_tensor([-1.0 if name in MIRRORED else 1.0 for name in MOTION])

    def choose(mirrored: Tensor, plain: Tensor) -> Tensor:
        return torch.where(chosen.view(-1, *(1,) * (plain.ndim - 1)), mirrored, plain)

    return DrawnClips(
        choose(clips.rest.flip(-1), clips.rest),
        choose(swap, clips.boxes),
        choose(clips.frames.flip(-1), clips.frames),
        choose(clips.worth.flip(-1), clips.worth),
        choose(clips.curves * signs, clips.curves),
        choose(clips.own * signs[list(RESTED_COLUMNS)], clips.own),
    )


class ClipRenderer:
    """Draws clips on the device of its generator. Not compiled: that took four minutes of nine, and saved 40 ms of 170 a step."""

    def __init__(self, generator: torch.Generator, size: int = 256) -> None:
        self.generator, self.size = generator, size

    def draw(self, identity: Tensor, rest: Tensor, motion: Tensor) -> DrawnClips:
        """Clips of presenters [n, I] who rest at [n, 1, M] in the picture and move [n, t, M]; half of them bent, some in other colours and light."""
        n, generator = len(identity), self.generator
        pictures = render_faces(identity, torch.cat([rest, motion], 1), self.size)
        found = [mouth_box(identity, rest)[:, :, None], eye_boxes(identity, rest)]
        boxes = torch.cat(found, 2)[:, 0]
        worth = weigh_features(identity, rest, motion, self.size // WORTH_STEP)
        bend = draw_bend(n, self.size, generator)
        bend = bend * (torch.rand(n, 1, 1, 1, generator=generator, device=bend.device) < 0.5)
        pictures, worth = bend_frames(pictures, bend), bend_frames(worth, bend)
        pictures = change_colours(pictures, generator)
        worth = 1 + (worth - 1) / (DARK + pictures[:, :1].mean((2, 3, 4), keepdim=True))
        boxes = jitter_boxes(bend_boxes(boxes, bend), generator)
        curves = compare_motion(motion, rest)
        return DrawnClips(
            pictures[:, 0], boxes, pictures[:, 1:], worth, curves, rest[:, 0, RESTED_COLUMNS]
        )


def weigh_features(identity: Tensor, rest: Tensor, motion: Tensor, size: int) -> Tensor:
    """What pixels [n, t, 1, size, size] are worth: 1, more on mouth and eyes, and most while lids are down or the mouth is narrower than it rests."""
    lids = LIDS * motion[..., MOTION.index("blink")]
    wide, own = (mouth_box(identity, moves)[..., 2] for moves in (motion, rest))
    narrow = NARROW * (1 - wide / own).clamp(0, 0.5)
    more = (1 + lids + narrow)[..., None, None, None]
    return 1 + more * (pixel_weights(identity, motion, size) - 1)


def compare_motion(motion: Tensor, rest: Tensor) -> Tensor:
    """The curves [n, t, MOTION] of motions of presenters whose pictures are at rest [n, 1, MOTION]."""
    relative = motion.new_tensor([float(name in RELATIVE) for name in MOTION])
    return motion - relative * rest


def draw_bend(n: int, size: int, generator: torch.Generator) -> Tensor:
    """Smooth random displacements [n, 2, size/4, size/4] in half pictures."""
    device = generator.device
    keys = torch.randn(n, 2, 5, 5, generator=generator, device=device)
    amount = BEND * torch.rand(n, 1, 1, 1, generator=generator, device=device)
    return F.interpolate(amount * keys, (size // 4, size // 4), mode="bicubic", align_corners=True)


def bend_frames(frames: Tensor, bend: Tensor) -> Tensor:
    """Frames [n, t, c, y, x], each clip bent by its displacement [n, 2, h, w]."""
    _, t, _, height, width = frames.shape
    shift = F.interpolate(bend, (height, width), mode="bilinear", align_corners=False)
    grid = identity_grid(height, width, frames.device) + rearrange(shift, "n c y x -> n y x c")
    many = F.grid_sample(frames.flatten(1, 2), grid, padding_mode="reflection", align_corners=False)
    return many.unflatten(1, (t, -1))


def bend_boxes(boxes: Tensor, bend: Tensor) -> Tensor:
    """Boxes [n, k, 4] around what was within them, after the picture was bent."""
    angle = torch.arange(12, device=boxes.device) * (math.tau / 12)
    round_it = torch.stack([angle.cos(), angle.sin()], -1)
    rim = boxes[:, :, None, :2] + boxes[:, :, None, 2:] * round_it
    moved = rim
    for _ in range(3):  # the picture was sampled at q + bend(q): solve for q
        shift = F.grid_sample(bend, moved, padding_mode="border", align_corners=False)
        moved = rim - rearrange(shift, "n c k p -> n k p c")
    low, high = moved.amin(2), moved.amax(2)
    return torch.cat([(low + high) / 2, (high - low) / 2], -1)


def jitter_boxes(boxes: Tensor, generator: torch.Generator) -> Tensor:
    """Boxes [n, k, 4] as wrong as found ones."""
    draw = 2 * torch.rand(boxes.shape, generator=generator, device=boxes.device) - 1
    far = torch.rand(len(boxes), 1, 1, generator=generator, device=boxes.device) < FAR_OFF
    place, size = draw.chunk(2, -1)
    near_place, far_place = place.new_tensor(JITTER_PLACE)
    near_size, far_size = place.new_tensor(JITTER_SIZE)
    place = place * torch.where(far, far_place, near_place)
    size = size * torch.where(far, far_size, near_size)
    half = boxes[..., 2:]
    return torch.cat([boxes[..., :2] + place * half, half * (1 + size)], -1)


def change_colours(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures [n, t, 3, y, x] in 0..1, some with channels exchanged, some with another contrast and tint; a clip's pictures alike."""
    n, device = len(pictures), pictures.device
    draw = torch.rand(n, 8, 1, 1, 1, generator=generator, device=device)
    order = torch.rand(n, 3, generator=generator, device=device).argsort(1)
    order = torch.where(draw[:, 0, 0, 0] < 0.12, order, torch.arange(3, device=device))
    pictures = pictures.gather(2, order[:, None, :, None, None].expand_as(pictures))
    touched = (draw[:, 1:2] < 0.4).float()
    gain = 1 + touched * (0.9 * draw[:, 2:5].transpose(1, 2) - 0.4)
    shift = touched * 0.25 * (draw[:, 5:8].transpose(1, 2) - 0.5)
    return (pictures * gain + shift).clamp(0, 1)


def list_photographs() -> list[Path]:
    """The photographs that ship with scikit-image, where it is installed; its one portrait is kept for judging."""
    try:
        import skimage  # type: ignore[import-not-found] # a GPU machine may have it; nothing else needs it
    except ImportError:
        return []
    found = sorted((Path(skimage.__file__).parent / "data").glob("*.*"))
    return [p for p in found if p.suffix in {".png", ".jpg", ".jpeg"} and "astronaut" not in p.name]


class PhotographMover:
    """Clips of photographs of which an oval moves as a head does: nothing but motion, of textures that no renderer draws."""

    def __init__(self, size: int, device: torch.device) -> None:
        self.size, self.pictures = (
            size,
            [p.to(device) for p in map(_read_photograph, list_photographs()) if p is not None],
        )

    def draw(self, n: int, motion: Tensor, generator: torch.Generator) -> DrawnClips:
        """Clips in which an oval round some boxes moves as a head [n, t, MOTION] does, and nothing in it acts."""
        rest = torch.stack([self._cut(generator) for _ in range(n)])
        place = torch.rand(n, 3, generator=generator, device=rest.device)
        middle, high = 0.7 * (place[:, :2] - 0.5), 0.22 + 0.35 * place[:, 2:]
        frames = move_ovals(rest, middle, high, motion)
        curves = torch.zeros_like(motion)
        curves[..., :4] = motion[..., :4]
        unknown = curves.new_full((n, len(RESTED_COLUMNS)), torch.nan)
        worth = rest.new_ones(n, motion.shape[1], 1, *(s // WORTH_STEP for s in rest.shape[-2:]))
        return DrawnClips(rest, place_boxes(middle, high), frames, worth, curves, unknown)

    def _cut(self, generator: torch.Generator) -> Tensor:
        pick, zoom, down, right = torch.rand(
            4, generator=generator, device=generator.device
        ).tolist()
        whole = self.pictures[int(pick * len(self.pictures))]
        side = int((0.35 + 0.55 * zoom) * min(whole.shape[1:]))
        top, left = int(down * (whole.shape[1] - side)), int(right * (whole.shape[2] - side))
        part = whole[None, :, top : top + side, left : left + side]
        return F.interpolate(part, (self.size, self.size), mode="bilinear", antialias=True)[
            0
        ].clamp(0, 1)


def place_boxes(middle: Tensor, high: Tensor) -> Tensor:
    """Boxes [n, 3, 4] of mouth and eyes of faces around a middle [n, 2], so far [n, 1] from eyes to mouth."""
    shape = [(0.0, 0.5, 0.35, 0.12), (-0.42, -0.5, 0.22, 0.13), (0.42, -0.5, 0.22, 0.13)]
    boxes = high[:, None] * middle.new_tensor(shape)
    boxes[..., :2] += middle[:, None]
    return boxes


def move_ovals(pictures: Tensor, middle: Tensor, high: Tensor, motion: Tensor) -> Tensor:
    """Frames [n, t, 3, y, x] of pictures in which all within an oval moves as a head [n, t, MOTION], less and less towards its rim."""
    n, t = motion.shape[:2]
    dx, dy, tilt, scale = motion[..., :4].flatten(0, 1)[..., None, None].unbind(1)
    middle, high = (repeat(x, "n c -> (n t) c 1 1", t=t) for x in (middle, high))
    grid = identity_grid(pictures.shape[-2], pictures.shape[-1], pictures.device)
    across, down = grid[..., 0] - middle[:, 0], grid[..., 1] - middle[:, 1]
    reach = ((across / (1.15 * high[:, 0])).square() + (down / (1.6 * high[:, 0])).square()).sqrt()
    inside = ((1.5 - reach) / 0.5).clamp(0, 1)
    inside = inside * inside * (3 - 2 * inside)
    # Where a place of the frame comes from: undo the shift, the turn, the growth.
    neck = 1.25 * high[:, 0]
    right, below = across - dx, down - dy - neck
    cos, sin, shrink = tilt.cos(), tilt.sin(), (-scale).exp()
    from_x = (right * cos + below * sin) * shrink - across
    from_y = (below * cos - right * sin) * shrink + neck - down
    moved = grid + torch.stack([inside * from_x, inside * from_y], -1)
    many = repeat(pictures, "n c y x -> (n t) c y x", t=t)
    frames = F.grid_sample(many, moved, padding_mode="reflection", align_corners=False)
    return frames.clamp(0, 1).unflatten(0, (n, t))


def _read_photograph(path: Path) -> Tensor | None:
    import numpy as np
    from PIL import Image

    try:
        picture = Image.open(path).convert("RGB")
    except OSError:
        return None
    picture.thumbnail((640, 640))
    if min(picture.size) < 240:
        return None
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
