"""Which clips of a run are made, and where the film of them goes beside it."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from storage.names import is_film_of
from storage.output_file import FILM, OutputFile, SourceRun
from storage.remote.address import name_run
from storage.run_paths import path_inside
from storage.spec import Spec


@dataclass(frozen=True)
class FilmPart:
    """The clips to make of a run: all of them, unless said otherwise."""

    first_clip: int = 0
    clips: int | None = None
    """None: to the film's end."""
    output_file: Path | None = None
    """Also put the film (or the part) here."""
    overwrite: bool = False
    """Whatever lies there, but for an input or a file of a run."""
    inputs: tuple[Path, ...] = ()
    """Files that are read; beside the run's own, which are known by their hashes."""
    accept_joint: bool = False
    threads: int | None = None
    """None: as many as the run was begun with."""
    alone: bool = False
    """One task asked for by itself: nothing is made ahead of it."""

    def span(self, clips: int) -> range:
        """The clips of this part, of so many in all."""
        stop = clips if self.clips is None else min(clips, self.first_clip + self.clips)
        return range(self.first_clip, stop)

    def output(self, root: Path, spec: Spec) -> OutputFile | None:
        """Where the film, or the part of it, goes beside the run in `root`; None: nowhere."""
        span, maker = self.span(spec.clips), SourceRun(root, spec)
        whole = len(span) == spec.clips
        if whole and (self.output_file is None or is_film_of(root, self.output_file)):
            return None
        own = f"part.{span.start:05d}-{span.stop - 1:05d}.mp4"
        path = self.output_file or path_inside(root, own)
        content = maker.film if whole else None
        return OutputFile(path, FILM, maker, self.inputs, self.overwrite, content)

    def resume_command(self, root: Path) -> str:
        """What goes on with the run, and puts the film where it is to go."""
        words = ["longtake", "resume", name_run(root)]
        if self.output_file is not None:
            words += ["--output-file", str(self.output_file)]
            words += ["--overwrite"] if self.overwrite else []
        return shlex.join(words)
