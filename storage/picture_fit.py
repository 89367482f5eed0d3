"""How a picture lies in a film's frame: what is cut off, what is enlarged, and where a pixel of the one is in the other."""

from dataclasses import dataclass

Size = tuple[int, int]
"""Width and height."""
Box = tuple[float, float, float, float]
"""x, y, width, height."""

GRAVITY = {
    "cover": (0.5, 0.5),
    "top": (0.5, 0.0),
    "bottom": (0.5, 1.0),
    "left": (0.0, 0.5),
    "right": (1.0, 0.5),
}
"""Ways to fill the frame: how much of what is cut off goes from the left, and from above."""


@dataclass(frozen=True)
class PictureFit:
    """Which part of a picture the film shows, and where."""

    shown: tuple[float, float, float, float]
    """Left, top, right, bottom edge in the picture's pixels."""
    placed: tuple[int, int, int, int]
    """x, y, width, height in the film's pixels; smaller than the film where the picture's edges are repeated round it."""

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the film to one of the picture, across and down."""
        left, top, right, bottom = self.shown
        return self.placed[2] / (right - left), self.placed[3] / (bottom - top)

    def to_film(self, box: Box) -> Box:
        """A box of the picture in the film's pixels, also where the film does not show it."""
        (across, down), (left, top) = self.scale, self.shown[:2]
        x, y, width, height = box
        return (
            self.placed[0] + (x - left) * across,
            self.placed[1] + (y - top) * down,
            width * across,
            height * down,
        )

    def to_picture(self, box: Box) -> Box:
        """A box of the film in the picture's pixels."""
        (across, down), (left, top) = self.scale, self.shown[:2]
        x, y, width, height = box
        return (
            left + (x - self.placed[0]) / across,
            top + (y - self.placed[1]) / down,
            width / across,
            height / down,
        )


def measure_fit(picture: Size, film: Size, crop: str) -> PictureFit:
    """How a picture of this size lies in a film of that size; `crop` is one of GRAVITY, contain or exact."""
    if picture == film or crop == "exact":
        return PictureFit((0, 0, *picture), (0, 0, *film))
    if crop == "contain":
        return _fit_inside(picture, film)
    scale = max(film[0] / picture[0], film[1] / picture[1])
    across, down = GRAVITY[crop]
    left = (picture[0] - film[0] / scale) * across
    top = (picture[1] - film[1] / scale) * down
    right, bottom = left + film[0] / scale, top + film[1] / scale
    shown = (max(left, 0), max(top, 0), min(right, picture[0]), min(bottom, picture[1]))
    return PictureFit(shown, (0, 0, *film))


def _fit_inside(picture: Size, film: Size) -> PictureFit:
    """All of the picture in the middle of the frame."""
    scale = min(film[0] / picture[0], film[1] / picture[1])
    width, height = (
        min(max(round(side * scale), 1), most) for side, most in zip(picture, film, strict=True)
    )
    left, top = (film[0] - width) // 2, (film[1] - height) // 2
    return PictureFit((0, 0, *picture), (left, top, width, height))
