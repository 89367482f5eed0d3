"""A request checked in whole, before any work, and frozen into a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.film_title import title_of_sound
from storage.input_files import identify_file
from storage.live_playlist import HEADER
from storage.names import LIVE, is_run
from storage.publish import remove_path
from storage.run import Run
from storage.run_beginning import NewRun
from storage.run_paths import path_inside
from storage.spec import Settings
from tasks import preflight
from tasks.defaults import build_spec, merge_settings
from tasks.device_memory import fit_to_device
from tasks.events import emit_event
from tasks.face_search import settle_face
from tasks.loaded_model import load_avatar
from tasks.media import Media
from tasks.preflight import check_settings
from tasks.request import Request
from tasks.resolved_request import ResolvedRequest
from tasks.run_folder import choose_folder
from tasks.speakers import check_places

if TYPE_CHECKING:
    from model.avatar import ModelTraits


def resolve_request(request: Request) -> ResolvedRequest:
    """Check the whole request, before any work and writing nothing; raises the one error that stands in the way."""
    traits = preflight.check_options(request)
    media = preflight.check_media(request, traits)
    fitted = fit_to_device(request, traits, media)
    if fitted is not request:
        traits = preflight.check_options(fitted)
    resolved = apply_defaults(fitted, traits, media)
    preflight.check_disk_space(resolved)
    return resolved


def apply_defaults(
    request: Request, traits: "ModelTraits", media: Media, *, weights: str | None = None
) -> ResolvedRequest:
    """The request with every default filled in, and every check but those of room. `weights`: their digest, where they are not to be looked at."""
    spec = build_spec(request, traits, media, weights=weights)
    root = choose_folder(request, spec)
    spec = preflight.check_folder(request, root, spec)
    if spec.speakers and not is_run(root):
        check_places(request, media, spec)
    elif traits.needs_face and not is_run(root):
        spec = settle_face(request, media, spec)
    preflight.check_part(request.part, spec)
    if (output := request.part.output(root, spec)) is not None:
        output.check()
    there = Run.open(root) if is_run(root) else None
    present = (
        (there.settings, there.sources)
        if there
        else (Settings(title=title_of_sound(request.audio)), {})
    )
    settings, sources = merge_settings(request, *present)
    preflight.check_budget(spec, settings, traits, preflight.inputs_bytes(request))
    asked = request.num_clip if request.start_clip is None else None
    found = (traits, settings, sources, media.seconds)
    return ResolvedRequest(request, spec, root, *found, asked, media)


def check_request(request: Request) -> None:
    """Raise the one error that stands in the way (BadInput, RunError), before any work; writes nothing."""
    resolve_request(request)


def find_run_folder(request: Request) -> Path:
    """Where the run of this request lies or will lie: `run`, `output_dir`, or runs/<first 12 of the spec's digest>."""
    return resolve_request(request).root


def freeze_run(request: Request) -> "Run":
    """The run that this request names: created, or opened if it is there; raises OtherSpec if another film is in the folder."""
    return freeze_resolved(resolve_request(request))


def freeze_resolved(resolved: ResolvedRequest) -> "Run":
    """The run of a request that has been checked."""
    request = resolved.request
    if is_run(resolved.root):
        run = Run.open(resolved.root)
        run.restore_inputs(request.input_files)
        adopt_settings(run, *merge_settings(request, run.settings, run.sources))
    else:
        run = create_run(resolved)
    hand_on_picture(run, resolved)
    if run.settings.asked_size and not run.events_path.exists():
        made = f"{run.spec.width}*{run.spec.height}"
        emit_event("size_stepped_down", asked=run.settings.asked_size, made=made)
    if resolved.clips_asked is not None and resolved.clips_asked > run.spec.clips:
        emit_event(
            "clips_cut", asked=resolved.clips_asked, made=run.spec.clips, length=resolved.length
        )
    return run


def create_run(resolved: ResolvedRequest) -> "Run":
    """A new run. The model is loaded first: its numerics are frozen with the spec, and one that cannot be loaded leaves no folder."""
    request, spec, settings = resolved.request, resolved.spec, resolved.settings
    avatar = load_avatar(spec, settings, request.threads or 1)
    avatar.require_precision()
    came = {**request.sources, **resolved.sources}
    numerics, given = dict(avatar.numerics), (request.image, request.audio)
    start = NewRun(spec, settings, came, numerics, *given, more=request.more_inputs)
    return Run.create(resolved.root, start)


def hand_on_picture(run: "Run", resolved: ResolvedRequest) -> None:
    """Spare EncodeInputs to decode the picture again, where it is of the film's size and its file was not touched since."""
    media, spec = resolved.media, run.spec
    if media is None or media.pixels.shape[:2] != (spec.height, spec.width):
        return
    if media.identity is not None and media.identity == identify_file(resolved.request.image):
        run.picture = media.pixels, media.picture


def adopt_settings(run: "Run", settings: Settings, sources: Mapping[str, str]) -> None:
    """Put these in place of the run's, under its lock, if they are others. A film that is marked otherwise is to be joined again."""
    if settings != run.settings or dict(sources) != dict(run.sources):
        with run.lock():
            withdraw_marked_otherwise(run, settings)
            run.update_settings(settings, sources)


def withdraw_marked_otherwise(run: "Run", settings: Settings) -> None:
    """Have the film joined again where it gets another title or producer; and the live film made again, whose header has no title, but all else."""
    now = run.settings
    if (now.title, now.producer) == (settings.title, settings.producer):
        return
    run.records.withdraw("video")
    header, renamed = path_inside(run.root, LIVE, HEADER), now.producer != settings.producer
    if (renamed or not now.title) and header.exists():
        remove_path(
            header
        )  # a header that is gone takes the fragments with it, and all are made again


def change_settings(run: "Run", values: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    """Put these settings in place of the run's; raises BadOption."""
    request = Request(run.image_path, run.audio_path, **values, sources=sources)
    adopt_settings(run, *check_settings(request, run))
