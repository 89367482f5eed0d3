"""The visible label of a film: words in a corner that say what made it, over the first seconds or all of it.

Drawn on the frames just before they are encoded, so no model ever sees it. Its letters are as high as GB 45438-2025 asks for: a twentieth of the
film's shorter side, and a little more.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from storage.spec import Spec

LETTER_SHARE = 0.055
"""Of the shorter side, the height of a capital letter; .05 is asked for."""
PANEL, INK = 150, 240
"""How far the dark panel covers the picture, and the white letters the panel, of 255."""
_FINE = 8
"""Strokes are drawn so many times larger."""
Strokes = tuple[tuple[tuple[float, float], ...], ...]
_STROKES: dict[str, Strokes] = {
    # In a square of one; the built-in font has no such letters.
    "生": (
        ((0.28, 0.06), (0.21, 0.24), (0.08, 0.42)),
        ((0.22, 0.27), (0.90, 0.27)),
        ((0.18, 0.58), (0.86, 0.58)),
        ((0.53, 0.04), (0.53, 0.94)),
        ((0.06, 0.94), (0.96, 0.94)),
    ),
    "成": (
        ((0.16, 0.26), (0.93, 0.26)),
        ((0.17, 0.26), (0.17, 0.62), (0.05, 0.96)),
        ((0.17, 0.50), (0.45, 0.50), (0.44, 0.72), (0.40, 0.80), (0.29, 0.78)),
        ((0.56, 0.04), (0.60, 0.44), (0.70, 0.74), (0.84, 0.93), (0.93, 0.93), (0.96, 0.76)),
        ((0.86, 0.40), (0.74, 0.66), (0.50, 0.94)),
        ((0.72, 0.06), (0.86, 0.17)),
    ),
}


@dataclass(frozen=True)
class Label:
    """What is shown, where, and for how long."""

    words: str
    place: str
    frames: int
    """From the first on; 0: all."""


def label_of(spec: "Spec") -> Label | None:
    """The label of a film; None where it has none."""
    return Label(spec.label, spec.label_place, spec.label_frames) if spec.label else None


def find_undrawable(words: str) -> str:
    """The letters of words that no font here has."""
    font, missing = _find_font(20), _find_font(20).getmask("\uffff")
    return "".join(
        dict.fromkeys(
            each
            for each in words
            if each not in _STROKES and not each.isspace() and _is_same(font.getmask(each), missing)
        )
    )


def measure_label(words: str, width: int, height: int) -> tuple[int, int]:
    """Width and height of the label's panel in a film of this size, in pixels."""
    rows, columns = _render_label(words, min(width, height))[0].shape
    return columns, rows


def label_margin(width: int, height: int) -> int:
    """Pixels between the panel and the edges of the picture."""
    return min(width, height) // 32


def draw_label(frames: "NDArray[np.uint8]", label: Label, first_frame: int) -> "NDArray[np.uint8]":
    """Frames [frame, y, x, rgb] with the label on those that show it; `first_frame`: of the whole film. Others come back as they are."""
    count = len(frames) if not label.frames else min(len(frames), label.frames - first_frame)
    if count <= 0:
        return frames
    height, width = frames.shape[1:3]
    keep, add = _render_label(label.words, min(width, height))
    rows, columns = _find_place(label.place, (height, width), keep.shape)
    drawn = frames.copy()
    under = drawn[:count, rows, columns].astype(np.uint32)
    mixed = (under * keep[..., None] + add[..., None] + 127) // 255
    drawn[:count, rows, columns] = mixed.astype(np.uint8)
    return drawn


def _find_place(place: str, size: tuple[int, int], panel: tuple[int, ...]) -> tuple[slice, slice]:
    margin = label_margin(*size)
    rows = margin if place.startswith("top") else size[0] - margin - panel[0]
    columns = margin if place.endswith("left") else size[1] - margin - panel[1]
    return slice(rows, rows + panel[0]), slice(columns, columns + panel[1])


@lru_cache(maxsize=8)
def _render_label(words: str, side: int) -> "tuple[NDArray[np.uint32], NDArray[np.uint32]]":
    """How much of the picture is kept under the panel [y, x], of 255, and what is added to it, for a film whose shorter side has so many pixels."""
    letter = _count_pixels(side * LETTER_SHARE)
    ink = _render_words(words, letter) * INK // 255
    space = _count_pixels(letter * 0.5)
    ink = np.pad(ink, ((space, space), (space + space // 2, space + space // 2)))
    keep = ((255 - PANEL) * (255 - ink) + 127) // 255
    return keep.astype(np.uint32), (255 * ink).astype(np.uint32)


def _render_words(words: str, letter: int) -> "NDArray[np.uint32]":
    """How far each pixel is ink [y, x], of 255; capitals are `letter` pixels high."""
    font = _find_font(letter)
    pieces = [_render_piece(piece, font, letter) for piece in re.findall("[生成]|[^生成]+", words)]
    return np.concatenate(pieces, axis=1).astype(np.uint32)


def _render_piece(piece: str, font: ImageFont.FreeTypeFont, letter: int) -> "NDArray[np.uint8]":
    """One of our own letters, or a run of the font's, in a strip that is a third of a capital higher than one on both sides."""
    above = _count_pixels(letter / 3)
    rows = letter + 2 * above
    if piece in _STROKES:
        return _render_strokes(_STROKES[piece], rows)
    image = Image.new("L", (_count_pixels(font.getlength(piece)), rows))
    ImageDraw.Draw(image).text((0, above + letter), piece, fill=255, font=font, anchor="ls")
    return np.asarray(image)


def _render_strokes(strokes: Strokes, rows: int) -> "NDArray[np.uint8]":
    side, pen = rows * _FINE, rows * _FINE // 13
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    inner, edge = side * 0.86, side * 0.07
    for stroke in strokes:
        points = [(edge + x * inner, edge + y * inner) for x, y in stroke]
        draw.line(points, fill=255, width=pen, joint="curve")
        for x, y in points:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=255)
    return np.asarray(image.reduce(_FINE))


@lru_cache(maxsize=8)
def _find_font(letter: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font at the smallest size at which a capital is so high."""
    return next(font for font in _fonts_from(letter) if _capital_height(font) >= letter)


def _fonts_from(size: int) -> Iterator[ImageFont.FreeTypeFont]:
    while True:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont), "Pillow is built with FreeType"
        yield font
        size += 1


def _capital_height(font: ImageFont.FreeTypeFont) -> int:
    box = font.getbbox("H", anchor="ls")
    return int(box[3] - box[1])


def _count_pixels(length: float) -> int:
    return int(-(-length // 1))


def _is_same(one: Any, other: Any) -> bool:
    return one.size == other.size and bytes(one) == bytes(other)
