"""--speaker as a person types it: `left.wav@face:1`, `right.wav@310,80,60,40`, `left.wav@mask.png`; without a sound before the @, `@face:1`, where --turns says who has the soundtrack."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

_FACE = re.compile(r"face:([0-9]{1,4})")
_NUMBERS = re.compile(r" *-?[0-9.]+( *, *-?[0-9.]+)+ *")
FORMS = "SOUND@face:2, SOUND@x,y,w,h or SOUND@mask.png"


@dataclass(frozen=True)
class AskedSpeaker:
    """One --speaker."""

    word: str
    sound: Path | None
    """None: it has turns of the soundtrack."""
    place: str

    def with_sound(self, sound: Path) -> "AskedSpeaker":
        """A speaker at this place with another sound, where this one has a sound of its own."""
        return (
            self if self.sound is None else replace(self, word=f"{sound}@{self.place}", sound=sound)
        )

    @property
    def face(self) -> int | None:
        """The number of its face, counted from 1; None where the place is told otherwise."""
        found = _FACE.fullmatch(self.place)
        return int(found[1]) if found else None

    @property
    def boxes(self) -> str | None:
        """The numbers of a box, or of three: mouth and eyes; None where the place is told otherwise."""
        return self.place if _NUMBERS.fullmatch(self.place) else None

    @property
    def mask(self) -> Path | None:
        """The picture that shows its place; None where the place is told otherwise."""
        return Path(self.place) if self.face is None and self.boxes is None else None


def split_words(word: str) -> tuple[str, ...]:
    """Several speakers in one word, with semicolons, as where a flag can be given but once. Raises ValueError."""
    words = tuple(each.strip() for each in word.split(";") if each.strip())
    for each in words:
        read_speaker(each)
    return words


def read_speaker(word: str) -> AskedSpeaker:
    """A speaker out of its word. Raises ValueError."""
    sound, at, place = word.rpartition("@")
    if not at or not place:
        raise ValueError(f"it says no place in the picture: {FORMS} is needed")
    return AskedSpeaker(word, Path(sound) if sound else None, place)


def find_more_inputs(words: Sequence[str]) -> Mapping[str, Path]:
    """The files that the speakers are made of, beside the first sound, by the name of the run's copy."""
    asked = [read_speaker(word) for word in words]
    sounds = {f"audio{n}": each.sound for n, each in enumerate(asked, 1) if each.sound and n > 1}
    masks = {f"mask{n}": each.mask for n, each in enumerate(asked, 1) if each.mask}
    return sounds | masks
