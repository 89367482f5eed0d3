"""Every check that is made before any work: each raises one error that names the thing and the way out."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from model import registry
from model.sharding.plan_choice import require_ranks
from storage.digest import hash_file
from storage.disk import (
    check_writable,
    describe_place,
    describe_shortage,
    format_bytes,
    nearest_existing,
    read_file_system,
)
from storage.errors import (
    BadImage,
    BadInput,
    BadOption,
    BadPoseVideo,
    BadSize,
    BadSound,
    NoSpace,
    NotARun,
    OtherSpec,
    count_noun,
)
from storage.input_files import identify_file
from storage.names import is_run, refuse_conflicting_names
from storage.picture import treat_and_view_picture
from storage.pose_video import probe_pose_video
from storage.remote.address import name_run
from storage.reserve import DiskReserve
from storage.run import Run
from storage.schema import Unfit, is_utf8
from storage.soundtrack import probe_sound
from storage.spec import LONGEST_SIDE, Settings
from storage.spec_words import describe_spec_difference
from tasks.cached_runs import cached_run
from tasks.defaults import build_model_options, crop_of, film_length, film_sides, merge_settings
from tasks.disk_plan import (
    FILES_PER_CLIP,
    FILES_PER_PIECE,
    SPARE_CLIPS,
    DiskPlan,
    OncePerRun,
    count_carries_kept,
    count_live_copies,
    is_copied,
    run_bytes,
)
from tasks.film_part import FilmPart
from tasks.kept import parse_kept
from tasks.loaded_model import device_config_of, model_options_of, model_traits_of
from tasks.media import Media, SpeakerSound
from tasks.options import OPTIONS
from tasks.request import Request, require_option
from tasks.run_folder import follow_run
from tasks.speakers import check_speaker_options
from tasks.timeline import clock_tenths

if TYPE_CHECKING:
    from model.avatar import ModelTraits
    from storage.pose_video import PoseVideo
    from storage.soundtrack import SoundFacts
    from storage.spec import Spec
    from tasks.resolved_request import ResolvedRequest


def check_options(request: Request) -> "ModelTraits":
    """The model's numbers for these options; raises BadOption, BadSize."""
    _check_values(request)
    name = request.model or next(iter(registry.MODELS))
    require_option(
        name in registry.MODELS, "--model", name, f"one of {', '.join(registry.MODELS)} is needed"
    )
    for field in ("weights", "lora") if name == next(iter(registry.MODELS)) else ():
        given = getattr(request, field)
        reason = f"the weights of {name} are in the package: leave it out, or name another --model"
        require_option(not given, option_of(request, field), given, reason)
    plain = registry.describe_model(
        name, replace(build_model_options(request), clip_frames=0, steps=0)
    )
    width, height = film_sides(request, plain)
    _check_size(width, height, plain)
    _check_frames(request.infer_frames or plain.clip_frames, plain)
    reason = f"the next clip of {name} is made from the decoded one before it: leave it out"
    require_option(plain.decodes_offline or not request.offline, "--offline", "asked", reason)
    reason = f"{name} takes no poses: its head moves with the sound. Leave it out, or take --model live-avatar or wan-s2v"
    taken = plain.takes_pose or request.pose_video is None
    require_option(taken, "--pose-video", request.pose_video, reason)
    _check_negative_prompt(request, plain)
    check_speaker_options(request, plain)
    return registry.describe_model(name, build_model_options(request, width, height))


def check_settings(request: Request, run: Run) -> tuple[Settings, dict[str, str]]:
    """The settings of a run that is there with those that were given put in, and where each came from; raises BadOption."""
    _check_values(request)
    reason = (
        f"the next clip of {run.spec.model} is made from the decoded one before it: leave it out"
    )
    require_option(not (run.spec.motion_latents and request.offline), "--offline", "asked", reason)
    merged = merge_settings(request, run.settings, run.sources)
    if request.gpus or request.parallel:
        _check_ranks(run, merged[0])
    check_budget(run.spec, merged[0], model_traits_of(run), inputs_bytes(request))
    return merged


def _check_ranks(run: Run, settings: Settings) -> None:
    """Raise BadOption where the run's model cannot be shared out so: before run.json says that it is."""
    machine = device_config_of(settings, 1)
    if len(machine.gpus) > 1 and model_traits_of(run).layers:
        require_ranks(run.spec.model, model_options_of(run.spec, settings), machine)


def _check_values(request: Request) -> None:
    """Each option by itself, by the table: also those that came from no shell."""
    for option in OPTIONS.values():
        value = getattr(request, option.name, None)
        try:
            if value is not None:
                option.check(value)
        except ValueError as error:
            raise BadOption(option_of(request, option.name), value, str(error)) from None


def option_of(request: Request, name: str) -> str:
    """What a person called this field: the flag, the variable or the file that it came from, else our flag."""
    source, plain = request.sources.get(name, ""), name.replace("_", "-")
    if source.endswith(".toml"):
        return f"{source}: {plain}"
    return source if source.startswith(("--", "LONGTAKE_")) else f"--{plain}"


def _check_negative_prompt(request: Request, traits: "ModelTraits") -> None:
    """Raise BadOption where nothing leads away from it."""
    reason = f"{traits.name} has no guidance, which alone leads away from something: leave it out, or take --model wan-s2v"
    if traits.guidance:
        reason = (
            "without guidance nothing leads away from it: leave it out, or --sample-guide-scale"
        )
    guided = traits.guidance not in {"", "1"}
    words = (request.negative_prompt or "")[:40]
    require_option(guided or not words, option_of(request, "negative_prompt"), words, reason)


def _check_size(width: int, height: int, traits: "ModelTraits") -> None:
    unit = traits.size_multiple
    most = LONGEST_SIDE // unit * unit
    if not all(unit <= side <= most and side % unit == 0 for side in (width, height)):
        near = (min(max(unit, round(side / unit) * unit), most) for side in (width, height))
        nearest = "*".join(map(str, near))
        raise BadSize(
            f"{width}*{height}", f"sides are multiples of {unit} up to {most}, such as {nearest}"
        )


def _check_frames(frames: int, traits: "ModelTraits") -> None:
    block = traits.block_frames
    below, above = frames // block * block, -(-frames // block) * block
    near = f"{below} or {above}" if below else str(above)
    reason = f"clips are whole blocks of {block} frames: take {near}"
    require_option(frames % block == 0, "--infer-frames", frames, reason)


def check_media(request: Request, traits: "ModelTraits") -> Media:
    """What was given, looked at and listened to in whole; raises BadImage, BadSound, BadPoseVideo."""
    width, height = film_sides(request, traits)
    for name, path in request.input_files.items():
        bad = BadSound if name.startswith("audio") else BadImage
        if name != "pose" and not path.is_file():
            raise bad(path, "there is no such file" if not path.exists() else "it is no file")
    identity, crop = identify_file(request.image), crop_of(request)
    (pixels, picture), view = treat_and_view_picture(
        request.image, width=width, height=height, crop=crop
    )
    sound = listen_to(request.audio, request)
    more = (path for name, path in request.more_inputs.items() if name.startswith("audio"))
    others = tuple(SpeakerSound(path, listen_to(path, request), hash_file(path)) for path in more)
    poses = check_pose_video(request, traits, sound)
    image, audio = hash_file(request.image), hash_file(request.audio)
    pose = hash_file(request.pose_video) if request.pose_video else ""
    looked = (picture, pixels, sound, image, audio, identity, traits.name, poses, pose, view)
    return Media(*looked, others)


def listen_to(path: Path, request: Request) -> "SoundFacts":
    """A sound, listened to in whole; raises BadSound, also where it is cut off and was not accepted so."""
    sound = probe_sound(path)
    if sound.cut and not request.accept_short_audio:
        way = "get all of it, or take what is there with --accept-short-audio"
        raise BadSound(path, f"it is cut off: {lengths_of(sound)}; {way}")
    return sound


def check_pose_video(
    request: Request, traits: "ModelTraits", sound: "SoundFacts"
) -> "PoseVideo | None":
    """What the film takes of the pose video, looked at as far as the film goes; raises BadPoseVideo."""
    path, size = request.pose_video, film_sides(request, traits)
    if path is None:
        return None
    frames = film_length(request, traits, sound.seconds)[1]
    poses = probe_pose_video(path, traits.fps, frames)
    if request.crop == "exact" and (poses.width, poses.height) != size:
        words = f"it is {poses.width}×{poses.height} and --crop exact asks for {size[0]}×{size[1]}"
        raise BadPoseVideo(path, f"{words}; use --crop cover or contain")
    return poses


def lengths_of(sound: "SoundFacts") -> str:
    """What is there of a sound that was cut off, and what should be, in words."""
    found = clock_tenths(sound.found)
    if not sound.stated:
        return f"{found} are there, and its end is missing"
    return f"{found} of its {clock_tenths(sound.stated)} are there"


def check_folder(request: Request, root: Path, spec: "Spec") -> "Spec":
    """The spec, with what the folder's run has that no request says (run_folder.follow_run); raises OtherSpec, NotARun, NotWritable, BadInput."""
    try:
        spec.check()
    except Unfit as reason:
        raise BadInput(f"This film cannot be made: {reason}.") from reason
    require_option(
        is_utf8(str(root)), "--run", root, "its path is no UTF-8 text; name another folder"
    )
    if is_run(root):
        there = Run.open(root).spec
        spec = follow_run(spec, there, any_seed=request.base_seed == -1)
        if there != spec:
            raise OtherSpec(name_run(root), describe_spec_difference(there, spec))
    elif root.exists() and not root.is_dir():
        raise NotARun(root, "it is a file")
    else:
        refuse_conflicting_names(root)
    check_writable(root)
    return spec


def check_part(part: FilmPart, spec: "Spec") -> None:
    """The part begins within the film; raises BadOption."""
    reason = f"the film has {count_noun(spec.clips, 'clip')}, counted from 0"
    require_option(part.first_clip < spec.clips, "--start-clip", part.first_clip, reason)


def check_disk_space(resolved: "ResolvedRequest") -> None:
    """The film fits on the disk, with its carries and what is held back for joining; raises NoSpace."""
    root = resolved.root
    needed, files = disk_needed_for(resolved)
    disk = read_file_system(nearest_existing(root))
    if needed > disk.free:
        raise NoSpace(describe_shortage(root, needed))
    if disk.files is not None and files > disk.files:
        words = f"{disk.files} more files can be made, {files} are needed"
        raise NoSpace(f"{describe_place(root)}: {words}")


def disk_needed_for(resolved: "ResolvedRequest") -> tuple[int, int]:
    """Bytes and files that the clips that are not there, the carries and the film will take at the most; of frames by `auto` there are as many as have room."""
    spec, root = resolved.spec, resolved.root
    run = cached_run(str(root)) if is_run(root) else None
    span = resolved.part.span(spec.clips)
    clips = sum(not (run and run.records.complete("segment", clip)) for clip in span)
    if not clips:
        return 0, 0
    needed, files, once = disk_needed_by_clips(resolved, clips)
    if run is None:
        return needed, files
    there = len(run.carry.complete)
    carries = count_carries_kept(spec, resolved.settings, span)
    held = DiskReserve(run.reserve_path).size + min(there, carries) * resolved.traits.carry_bytes
    return max(needed - once["inputs"] - once["run"] - held, 0), files


def disk_needed_by_clips(
    resolved: "ResolvedRequest", clips: int
) -> tuple[int, int, dict[str, int]]:
    """Bytes and files of so many clips of a new run, and of what it has once, by its parts."""
    spec, settings, pieces = resolved.spec, resolved.settings, resolved.traits.carry_pieces
    frames = 0 if settings.keep_frames == "auto" else parse_kept(settings.keep_frames)
    steps = parse_kept(settings.keep_steps)
    live = count_live_copies(settings)
    plan = DiskPlan(spec, frames, steps, seconds=resolved.seconds, live=live)
    carries = count_carries_kept(spec, settings, resolved.part.span(spec.clips))
    once = plan.once(once_per_run(resolved, carries))
    needed = plan.clips(clips) + SPARE_CLIPS * plan.clip + sum(once.values())
    return needed, clips * FILES_PER_CLIP + carries * pieces * FILES_PER_PIECE, once


def once_per_run(resolved: "ResolvedRequest", carries: int) -> OncePerRun:
    """What the run has beside its clips."""
    request, traits = resolved.request, resolved.traits
    inputs = inputs_bytes(request) + traits.encoded_bytes
    copies = int(is_copied(request.output_file, resolved.root))
    return OncePerRun(carries, traits.carry_bytes, traits.carry_pieces, inputs, copies)


def inputs_bytes(request: Request) -> int:
    """Bytes of the files that are copied into the run; 0 for one that is lost."""
    paths = request.input_files.values()
    return sum(path.stat().st_size for path in paths if path.is_file())


def check_budget(spec: "Spec", settings: Settings, traits: "ModelTraits", inputs: int) -> None:
    """What must stay fits the disk budget; raises BadOption."""
    if (budget := settings.disk_budget) is None:
        return
    frames = 0 if settings.keep_frames == "auto" else parse_kept(settings.keep_frames)
    steps, live = parse_kept(settings.keep_steps), count_live_copies(settings)
    least = run_bytes(DiskPlan(spec, frames, steps, live=live), settings, traits, inputs)
    less = [
        f"--keep-{name} none" for name, stay in (("frames", frames), ("steps", steps)) if stay != 0
    ]
    way = f", or less with {' '.join(less)}" if less else ""
    reason = f"the run takes up to {format_bytes(least)}: as much is needed{way}"
    require_option(budget >= least, "--disk-budget", format_bytes(budget), reason)
