"""A schematic face does what the latents' curves say, and of noise it is a cloud."""

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from model.motion_columns import MOTION
from model.pocket.curve_layout import CURVES, EYES, FRAMES, HEAD, MOUTH, ZONES
from model.pocket.curve_preview import FRAME, LAYERS, SIZE, CurvePreview, read_zone
from model.pocket.motion_curves import decode_curves, encode_curves

Picture = np.ndarray
CALM = {"width": 0.5}


def latents_of(**curves: float) -> np.ndarray:
    """One latent [c, 1, h, w] of a face that stands so."""
    motion = torch.zeros(1, FRAMES, len(MOTION))
    for name, value in (CALM | curves).items():
        motion[..., MOTION.index(name)] = value
    return encode_curves(motion)[0].numpy()


def draw(**curves: float) -> Picture:
    """Its picture."""
    return CurvePreview().paint(latents_of(**curves))[0].astype(np.float32)


def spots(picture: Picture, *layers: str) -> np.ndarray:
    """Places [n, (y, x)] of the pixels that have about the colour of one of these layers, from the middle, in half pictures."""
    apart = [np.abs(picture - np.array(LAYERS[layer])).sum(-1) for layer in layers]
    return (np.argwhere(np.min(apart, 0) < 40) + 0.5) * 2 / SIZE - 1


def area(layer: str) -> Callable[[Picture], float]:
    """How many pixels have its colour."""
    return lambda picture: float(len(spots(picture, layer)))


def middle(layer: str, axis: int) -> Callable[[Picture], float]:
    """Where they are in the mean."""
    return lambda picture: float(spots(picture, layer)[:, axis].mean())


def brows(picture: Picture) -> np.ndarray:
    """Places of the brows: above the lids, which have their colour."""
    line = spots(picture, "line")
    return line[line[:, 0] < -0.22]


def slant(picture: Picture) -> float:
    """How far the inner ends of the brows are above the outer ones."""
    y, x = brows(picture).T
    inner = np.abs(x) < 0.25
    return float(y[~inner].mean() - y[inner].mean())


def lean(picture: Picture) -> float:
    """How far the top of the head is to the right of the chin."""
    y, x = spots(picture, "skin").T
    return float(x[y < y.min() + 0.2].mean() - x[y > y.max() - 0.2].mean())


def corners(picture: Picture) -> float:
    """How far the corners of the mouth are above its middle."""
    y, x = spots(picture, "lip", "inside").T
    near = np.abs(x) < 0.1
    return float(y[near].mean() - y[np.abs(x) > 0.15].mean())


def mouth_width(picture: Picture) -> float:
    """From corner to corner."""
    return float(np.ptp(spots(picture, "lip", "inside")[:, 1]))


MOVES: dict[str, tuple[float, float, Callable[[Picture], float]]] = {
    "dx": (-0.02, 0.02, middle("skin", 1)),
    "dy": (-0.02, 0.02, middle("skin", 0)),
    "tilt": (-0.02, 0.02, lean),
    "scale": (-0.01, 0.01, area("skin")),
    "blink": (1.0, 0.0, area("white")),
    "squint": (1.0, -1.0, area("white")),
    "gaze_x": (-0.6, 0.6, middle("iris", 1)),
    "gaze_y": (-0.6, 0.6, middle("iris", 0)),
    "brow": (1.0, -0.5, lambda picture: float(brows(picture)[:, 0].mean())),
    "brow_slant": (-0.6, 0.6, slant),
    "smile": (-0.7, 0.7, corners),
    "aperture": (0.1, 0.8, area("inside")),
    "width": (0.0, 1.0, mouth_width),
    "rounding": (1.0, 0.0, mouth_width),
}


@pytest.mark.parametrize("name", MOTION)
def test_each_curve_moves_what_it_should(name: str) -> None:
    """The head to the right, down, over and nearer; lids, irises and brows; the mouth's corners, opening and width."""
    low, high, measure = MOVES[name]
    less, calm, more = (measure(draw(**{name: value})) for value in (low, (low + high) / 2, high))
    assert less < calm < more
    assert more - less > 0.04


@pytest.mark.parametrize(
    ("name", "rows"),
    [("blink", (-0.35, 0.1)), ("gaze_x", (-0.3, 0.1)), ("brow", (-0.7, -0.1)), ("aperture", (0.2, 0.8)), ("smile", (0.2, 0.8))],
)  # fmt: skip
def test_a_curve_moves_nothing_else(name: str, rows: tuple[float, float]) -> None:
    """What is above and below its part stays as it is."""
    changed = np.abs(draw(**{name: 0.9}) - draw()).sum(-1) > 0
    y = np.argwhere(changed)[:, 0] * 2 / SIZE - 1
    assert rows[0] < y.min() < y.max() < rows[1]


def test_the_curves_are_those_that_a_decoder_reads() -> None:
    """Of latents that are alike in their zones, at the frame that is drawn, with the same bounds."""
    told = np.random.default_rng(0).normal(0, 2, (16, 1, 3)).astype(np.float32)
    latents = told[..., np.array(ZONES)]
    curves = decode_curves(torch.from_numpy(latents)[None])[0, FRAME]
    for zone in (HEAD, EYES, MOUTH):
        for name, values in read_zone(latents[:, 0], zone).items():
            assert np.allclose(values, float(curves[MOTION.index(name)]), atol=1e-4)


def test_noise_is_a_cloud_that_clears() -> None:
    """As the noise goes, more and more of the picture is as dark as the lines of a face; the cloud is seen, too."""
    noise = np.random.default_rng(0).normal(0, 1, (16, 8, 8, 8)).astype(np.float32)
    whole = latents_of(aperture=0.6)

    def dark(part: float) -> float:
        pictures = CurvePreview().paint(np.sqrt(1 - part**2) * whole + part * noise)
        return float((pictures.mean(-1) < 110).mean())

    pure, half, late, none = (dark(part) for part in (1.0, 0.75, 0.3, 0.0))
    assert pure < half < late < none
    assert pure < 0.1 * none
    assert np.ptp(CurvePreview().paint(noise), axis=(1, 2, 3)).min() > 60


def test_one_pixel_that_is_no_number_makes_its_part_a_little_paler() -> None:
    """It is one of eight that draw the mouth."""
    latents = latents_of(aperture=0.5)
    latents[3, 0, 4, 2] = np.nan
    paler = np.abs(CurvePreview().paint(latents)[0] - draw(aperture=0.5))
    assert 0 < paler.max() <= 255 / 8


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("zone", "channel", "gone", "left"),
    [
        (HEAD, 0, "skin", "iris"),
        (EYES, 0, "iris", "line"),
        (EYES, 4, "iris", "white"),
        (MOUTH, 5, "lip", "iris"),
    ],
    ids=["head", "lids", "gaze", "mouth"],
)
def test_what_is_no_number_is_painted_as_nothing(
    zone: int, channel: int, gone: str, left: str, bad: float
) -> None:
    """A part that nobody tells is missing, and another is where it was."""
    latents = latents_of()
    latents[channel, 0, np.array(ZONES) == zone] = bad
    picture = CurvePreview().paint(latents)[0].astype(np.float32)
    assert not len(spots(picture, gone))
    assert len(spots(picture, left)) > 20
    latents[:] = bad
    assert (CurvePreview().paint(latents) == LAYERS["paper"]).all()


def test_a_face_does_what_a_face_can() -> None:
    """Latents beyond all measure are drawn without a warning, as the farthest that a curve may go."""
    preview = CurvePreview()
    far = latents_of()
    far[4, 0, np.array(ZONES) == MOUTH] = 3e38
    most = CURVES["aperture"].highest
    assert area("inside")(preview.paint(far)[0]) == area("inside")(draw(aperture=most))
    assert preview.paint(np.full((16, 2, 8, 8), -3e38, np.float32)).shape == (2, SIZE, SIZE, 3)


def test_only_pockets_latents_are_read() -> None:
    """Those of films that were made before are no curves, and have another size."""
    preview = CurvePreview()
    assert preview.reads(16, 8, 8)
    assert not preview.reads(16, 16, 16)
    assert not preview.reads(3, 8, 8)


def test_a_picture_takes_milliseconds() -> None:
    """Of processor time, of noise as well: a clip of four steps has 48 of them."""
    noise = np.random.default_rng(0).normal(0, 1, (16, 4, 8, 8)).astype(np.float32)
    taken = []
    for _ in range(5):
        start = time.process_time()
        CurvePreview().paint(noise)
        taken.append((time.process_time() - start) / 4)
    assert min(taken) < 0.025
