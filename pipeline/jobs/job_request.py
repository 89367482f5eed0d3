"""What is asked of a folder of jobs, with values as text, as a form or a web request has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class JobRequest:
    """A picture, a sound and the flags of `longtake new`, for one film."""

    picture: Path
    """It is copied when it is submitted, so it may go afterwards."""
    sound: Path
    """A sound, or a film with one; copied as well."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """Value as text by the flag's name in `pipeline.options.flags.FLAGS` (`sample-steps`: `4`; underscores will do). Of a flag that takes no word `yes` or `no`. An empty value is none.

    Not `run`, `output-dir`, `output-file`, `image`, `audio` and `title`: a job has its own of these. `live` is on unless it says `no`.
    """
    extras: Mapping[str, Path] = field(default_factory=dict)
    """Further files, by the names of EXTRA_FILES (input_words.py): a script, a table of turns, poses, the sounds of further speakers."""
    speakers: tuple[str, ...] = ()
    """Where in the picture each of several speakers is: `face:2`, or numbers. The first one's sound is `sound`."""
    title: str = ""
    """What people call the film; it is shown, and stands in the film's file, where it is given. Else the file has the name of the sound's."""
