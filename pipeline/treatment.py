"""What was done to the picture and the sound that were given, in words: a line each, none where nothing was."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.picture import Treatment
    from tasks.request import Media


def lines_about(media: "Media") -> Iterator[str]:
    """A line about each that was changed."""
    if done := list(_done(media.picture)):
        picture = media.picture
        yield f"The picture ({picture.width}×{picture.height}): {'; '.join(done)}"


def _done(picture: "Treatment") -> Iterator[str]:
    if picture.cut:
        yield _cut(picture)
    if picture.added:
        yield f"its edges are repeated on {picture.added:.0%} of the film"
    if picture.turned:
        yield "turned as its EXIF data say"
    if picture.exif_broken:
        yield "its EXIF data are damaged, so it was not turned"
    if picture.flattened:
        yield "what is transparent stands before white"
    if picture.frames > 1:
        yield f"the first of its {picture.frames} frames is taken"
    if picture.profile:
        yield f"its colours were converted from {picture.profile} to sRGB"
    if picture.profile_broken:
        yield "its colour profile is damaged and was left out"


def _cut(picture: "Treatment") -> str:
    """`44% of it is cut off at the top and the bottom alike (--crop top or --crop bottom keeps that side, --crop contain all of it)`."""
    sides = list(picture.cut)
    share = f"{sum(picture.cut.values()):.0%} of it is cut off at the"
    if len(sides) == 1:
        return f"{share} {sides[0]} (--crop contain shows all of it)"
    ways = " or ".join(f"--crop {side}" for side in sides)
    return f"{share} {' and the '.join(sides)} alike ({ways} keeps that side, --crop contain all of it)"
