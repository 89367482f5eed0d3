"""The files of a job as words of the command line: picture and sound, a script, and further speakers with their places."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from storage.errors import BadInput
from storage.speaker import MOST_SPEAKERS
from tasks.speaker_words import AskedSpeaker

SCRIPT, TURNS, POSES = "script", "turns", "pose-video"
FURTHER_SOUNDS = tuple(f"sound{n}" for n in range(2, MOST_SPEAKERS + 1))
"""The sound of the second speaker and so on; that of the first one is the film's."""
EXTRA_FILES = (SCRIPT, TURNS, POSES, *FURTHER_SOUNDS)
"""Files that a request may bring beside picture and sound, by the names of their fields."""
SPEAKERS = tuple(f"speaker{n}" for n in range(1, MOST_SPEAKERS + 1))
"""Fields that say where in the picture each speaker is."""


def words_of_inputs(
    picture: Path, sound: Path, extras: Mapping[str, Path], speakers: Sequence[str]
) -> list[str]:
    """The words of `longtake new` for these files, which lie here already; raises BadInput. `speakers`: the place of each."""
    check_extras(extras, speakers)
    files = [f"--{name}={extras[name]}" for name in (SCRIPT, TURNS, POSES) if name in extras]
    own = (None,) * len(speakers) if TURNS in extras else (sound, *map(extras.get, FURTHER_SOUNDS))
    told = zip(speakers, own, strict=False)
    placed = [f"--speaker={each or ''}@{place}" for place, each in told]
    return [f"--image={picture}", f"--audio={sound}", *files, *placed]


def check_extras(extras: Mapping[str, Path], speakers: Sequence[str]) -> None:
    """Raise BadInput where places and sounds of speakers do not go together. A place never names a file: who sends it knows none of the server's."""
    if strange := sorted(set(extras) - set(EXTRA_FILES)):
        raise BadInput(f"A job has no file {strange[0][:40]!r}; {', '.join(EXTRA_FILES)} are known.")  # fmt: skip
    if len(speakers) > MOST_SPEAKERS:
        raise BadInput(f"At most {MOST_SPEAKERS} can speak in one film.")
    for number, place in enumerate(speakers, 1):
        asked = AskedSpeaker("", None, place)
        if len(place) > 200 or (asked.face is None and asked.boxes is None):
            raise BadInput(f"speaker{number} is no place in the picture: face:{number}, x,y,w,h or twelve numbers are needed.")  # fmt: skip
    for number, name in enumerate(FURTHER_SOUNDS, 2):
        if name in extras and TURNS in extras:
            raise BadInput(f"{name}: with turns all share one sound; leave it out.")
        if name in extras and number > len(speakers):
            raise BadInput(f"{name} is nobody's: say in speaker{number} where in the picture its speaker is.")  # fmt: skip
        if name not in extras and TURNS not in extras and number <= len(speakers):
            raise BadInput(f"speaker{number} has no sound: a file {name} is needed, or turns.")


def take_places(fields: dict[str, str]) -> tuple[str, ...]:
    """Take the places of the speakers out of a form's fields; one that is left out before another stays, and is empty."""
    told = [fields.pop(name, "").strip() for name in SPEAKERS]
    while told and not told[-1]:
        told.pop()
    return tuple(told)
