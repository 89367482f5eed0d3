"""Where a face's mouth and eyes are in a picture, as boxes: told by flags, found by model/pocket/face_finder.py, or read from a run. Light: no library is loaded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.errors import BadOption

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels; x and y are the left and the upper edge, pixel 0 reaching from 0 to 1."""

MOUTH_FLAG, EYES_FLAG, FACE_FLAG = "--mouth", "--eyes", "--face"
MOST_OVERLAP = 0.5
"""Of the narrower eye's width: two eyes that cover each other more are one eye said twice."""
MOST_COVERED = 0.25
"""Of an eye's area: a mouth that covers more of one is told wrong."""


@dataclass(frozen=True)
class FaceBoxes:
    """Mouth and eyes of one face, in pixels of one picture; left is the eye with the smaller x."""

    mouth: Box
    left_eye: Box
    right_eye: Box

    @classmethod
    def from_options(cls, mouth: str, eyes: str) -> "FaceBoxes":
        """The boxes out of the words of --mouth (`x,y,w,h`) and --eyes (two such); the eyes in either order. Raises ValueError."""
        left, right = sorted(parse_boxes(eyes, 2))
        return cls(parse_boxes(mouth, 1)[0], left, right)

    @classmethod
    def from_text(cls, text: str) -> "FaceBoxes":
        """The boxes out of twelve numbers with commas, as `str` writes them. Raises ValueError."""
        return cls(*parse_boxes(text, 3))

    @classmethod
    def from_array(cls, array: "NDArray[np.float32]") -> "FaceBoxes":
        """The boxes out of an array [mouth, left eye, right eye; x, y, width, height]."""
        mouth, left, right = (tuple(map(float, row)) for row in array)
        return cls(mouth, left, right)  # type: ignore[arg-type] # of four numbers each

    def __iter__(self) -> Iterator[Box]:
        """Mouth, left eye, right eye."""
        return iter((self.mouth, self.left_eye, self.right_eye))

    def __str__(self) -> str:
        """Twelve numbers with commas: mouth, left eye, right eye."""
        return ",".join(map(format_box, self))

    @property
    def eyes(self) -> tuple[Box, Box]:
        """The left one and the right one."""
        return self.left_eye, self.right_eye

    @property
    def eyes_text(self) -> str:
        """The eyes as the word of --eyes."""
        return ",".join(map(format_box, self.eyes))

    def to_array(self) -> "NDArray[np.float32]":
        """float32 [mouth, left eye, right eye; x, y, width, height]."""
        import numpy as np

        return np.array(tuple(self), np.float32)

    def map_boxes(self, change: Callable[[Box], Box]) -> "FaceBoxes":
        """The boxes, each put through `change`: from the file's pixels to the film's (`PictureFit.to_film` of storage/picture.py), or back. Left stays left."""
        return FaceBoxes(*map(change, self))

    def check(self, width: int, height: int) -> None:
        """Raise BadOption, naming the flag, where the boxes are no face of a picture of this size."""
        if (found := self.find_flaw(width, height)) is not None:
            flag, flaw = found
            word = format_box(self.mouth) if flag == MOUTH_FLAG else self.eyes_text
            raise BadOption(flag, word, flaw)

    def find_flaw(self, width: int, height: int) -> tuple[str, str] | None:
        """Why the boxes are no face of a picture of this size: the flag that says what is wrong, and the reason."""
        for flag, box in zip((MOUTH_FLAG, EYES_FLAG, EYES_FLAG), self, strict=True):
            if (flaw := find_box_flaw(box, width, height)) is not None:
                return flag, flaw
        left, right = self.left_eye, self.right_eye
        if left[0] + left[2] - right[0] > MOST_OVERLAP * min(left[2], right[2]):
            return EYES_FLAG, "the two eyes are at one place"
        if not self.is_upright:
            return EYES_FLAG, "one eye lies above the other; turn the picture upright first"
        if not self.has_mouth_below:
            return MOUTH_FLAG, f"it does not lie below the eyes ({self.eyes_text}); a picture must be upright"  # fmt: skip
        if any(measure_overlap(self.mouth, eye) > MOST_COVERED * eye[2] * eye[3] for eye in self.eyes):  # fmt: skip
            return MOUTH_FLAG, f"it lies over an eye ({self.eyes_text}); a box goes round the lips alone"  # fmt: skip
        return None

    @property
    def is_upright(self) -> bool:
        """Whether the eyes are rather beside than above each other."""
        across, down = (b - a for a, b in zip(*map(find_middle, self.eyes), strict=True))
        return abs(down) <= across

    @property
    def has_mouth_below(self) -> bool:
        """Whether the mouth begins below the middle of the eyes, and lies no farther beside them than they are from each other."""
        (left, upper), (right, lower) = map(find_middle, self.eyes)
        beside = abs(find_middle(self.mouth)[0] - (left + right) / 2)
        return self.mouth[1] > (upper + lower) / 2 and beside <= 1.5 * (right - left)


def parse_boxes(text: str, count: int) -> tuple[Box, ...]:
    """So many boxes out of four numbers each, with commas. Raises ValueError with what is needed."""
    words = text.replace(" ", "").split(",")
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) != 4 * count or not all(abs(each) < 1e6 for each in numbers):
        needed = ",".join(["x,y,w,h"] * count)
        raise ValueError(f"{4 * count} numbers are needed, {needed} in the picture's pixels")
    return tuple(zip(*[iter(numbers)] * 4, strict=True))


def format_box(box: Box) -> str:
    """A box as `x,y,w,h`, with at most two decimals."""
    return ",".join(f"{round(each, 2) + 0:.10g}" for each in box)


def find_box_flaw(box: Box, width: int, height: int) -> str | None:
    """Why a box is none of a picture of this size, in words; None where it is one."""
    x, y, across, down = box
    if across <= 0 or down <= 0:
        return "width and height, the third and fourth number of a box, must be above 0"
    if x < 0 or y < 0 or x + across > width or y + down > height:
        return f"the box {format_box(box)} is not inside of the picture, which has {width}×{height} pixels"
    return None


def clip_box(box: Box, width: int, height: int) -> Box:
    """The part of a box that lies in a picture of this size; of a box beside it, a width or a height of 0."""
    left, top = min(max(box[0], 0), width), min(max(box[1], 0), height)
    right, bottom = min(max(box[0] + box[2], 0), width), min(max(box[1] + box[3], 0), height)
    return left, top, right - left, bottom - top


def measure_overlap(one: Box, other: Box) -> float:
    """The area that two boxes share."""
    (x, y, width, height), (left, top, across, down) = one, other
    shared = min(x + width, left + across) - max(x, left), min(y + height, top + down) - max(y, top)
    return max(0.0, shared[0]) * max(0.0, shared[1])


def find_middle(box: Box) -> tuple[float, float]:
    """The middle of a box (x, y)."""
    return box[0] + box[2] / 2, box[1] + box[3] / 2
