"""The finished beginning of a film, joined at any time: no lock and no model; the run gets a note of what was written elsewhere, or the record of its own film."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.results import FinishedFilm
from storage.digest import find_file_flaw, hash_file
from storage.dubbing import encode_film_sound
from storage.errors import BadOutput, NotMade
from storage.film_file import film_span, mux_film
from storage.names import VIDEO, is_film_of
from storage.output_file import FILM, OutputFile, SourceRun
from storage.remote.address import name_run
from storage.run_paths import path_inside
from storage.scratch import private_folder, scratch_folder

if TYPE_CHECKING:
    from storage.run import Run


def mux_finished(
    run: "Run", *, partial: bool, output_file: Path | None, overwrite: bool
) -> FinishedFilm:
    """Publish the film of all clips, or of the longest finished beginning; raises NotMade where there is nothing to join, BadOutput."""
    spec = run.spec
    clips = sum(1 for _ in takewhile(lambda clip: _has_segment(run, clip), range(spec.clips)))
    if clips == 0:
        raise NotMade(f"The first clip of {name_run(run.root)}")
    if clips < spec.clips and not partial:
        raise NotMade(f"Clip {clips} of {name_run(run.root)} (--partial joins those before it)")
    target = output_file or path_inside(run.root, "partial.mp4" if partial else VIDEO)
    frames = min(clips * spec.clip_frames, spec.frames)
    film = FinishedFilm(target, run.root, clips, frames, spec.fps)
    if is_film_of(run.root, target):
        if clips < spec.clips:
            raise BadOutput(target, "it is the whole film's place; name another file")
        if not _is_joined(run):
            _mux_to(run, run.video_path, film)
            _renew_record(run)
        return film
    maker = SourceRun(run.root, spec)
    content = maker.film if clips == spec.clips else None
    output = OutputFile(target, FILM, maker, (), overwrite, content)
    output.check()
    if not output.is_done:
        with output.write() as draft:
            _mux_to(run, draft, film)
    return film


def _renew_record(run: "Run") -> None:
    """Vouch for the film anew where it was vouched for: the title of a run that is older than titles is the folder's name, so that of a moved run has other bytes."""
    if run.records.vouched("video") is not None:
        size = run.video_path.stat().st_size
        run.records.commit("video", sha256=hash_file(run.video_path), bytes=size)


def _mux_to(run: "Run", target: Path, film: FinishedFilm) -> None:
    span = film_span(run, film.frames)
    with _soundtrack_file(run) as sound:
        segments = (run.verified_path("segment", clip) for clip in range(film.clips))
        mux_film(target, segments, sound, span)


def _is_joined(run: "Run") -> bool:
    facts = run.records.vouched("video")
    return (
        facts is not None
        and find_file_flaw(run.video_path, facts["bytes"], facts["sha256"]) is None
    )


def _has_segment(run: "Run", clip: int) -> bool:
    return run.records.complete("segment", clip) and run.segment_path(clip).is_file()


@contextmanager
def _soundtrack_file(run: "Run") -> Iterator[Path]:
    """The run's encoded sound; encoded into a scratch folder for this once where the run has not come so far."""
    if run.records.complete("soundtrack") and run.soundtrack_path.is_file():
        yield run.verified_path("soundtrack")
        return
    with scratch_folder(private_folder(), "mux") as folder:
        sound = folder / "soundtrack.m4a"
        run.check_inputs()
        encode_film_sound(run.film_sound(), sound)
        yield sound
