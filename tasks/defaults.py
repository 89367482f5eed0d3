"""What a request leaves open, filled in: sides, seed, length, the spec, the settings."""

import math
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from fractions import Fraction
from pathlib import Path
from secrets import randbelow
from typing import TYPE_CHECKING, Any

from model import registry
from model.avatar import Options
from storage.label import label_margin, measure_label
from storage.label_words import PLACES
from storage.spec import Settings, Spec
from storage.watermark_id import AUTO, ID_DIGITS, LEAST_SIDE, spell_id
from tasks.face_search import find_told_face
from tasks.media import Media
from tasks.prompt_script import build_script
from tasks.request import Request, require_option
from tasks.speakers import build_speakers, build_turns
from tasks.timeline import count_clips, count_frames

if TYPE_CHECKING:
    from model.avatar import ModelTraits


DEFAULT_SEED = 420


SEED_COUNT = 1 << 31
"""A seed that is drawn is below this."""


CRF, PRESET = 18, "veryfast"
ENCODER_THREADS, LARGE_PICTURE = 4, 512 * 320
"""Threads of the encoder, for pictures from so many pixels on: a clip of 704x384 would else take it longer than four cards take to denoise one. Smaller ones are encoded no sooner."""


def merge_settings(
    request: Request, present: Settings, sources: Mapping[str, str]
) -> tuple[Settings, dict[str, str]]:
    """The settings with what was given put in, and where each came from."""
    names = [each.name for each in fields(Settings)]
    asked = {name: getattr(request, name) for name in names}
    # A path is kept as text, and whole: `resume` may be called in another folder.
    given = {
        name: str(value.absolute()) if isinstance(value, Path) else value
        for name, value in asked.items()
        if value is not None
    }
    # Where the film goes is remembered for `resume`; where a part went is not, or the whole film would land there.
    if request.start_clip is not None:
        given.pop("output_file", None)
    came = {name: request.sources.get(name, "given") for name in given}
    whole = {**sources, **{name: sources.get(name, "default") for name in names}, **came}
    return Settings.from_mapping(asdict(present) | given), whole


def build_spec(
    request: Request, traits: "ModelTraits", media: "Media", *, weights: str | None = None
) -> Spec:
    """What decides the pixels, every default filled in; but for a face that is to be looked for, which is no part of what the film is found by."""
    width, height = film_sides(request, traits)
    clips, frames = film_length(request, traits, media.seconds)
    if (digest := weights) is None:
        digest = registry.weights_digest(traits.name, build_model_options(request))
    spec = Spec(
        model=traits.name,
        weights=digest,
        image=media.image,
        audio=media.audio,
        prompt=request.prompt or "",
        seed=choose_seed(request),
        width=width,
        height=height,
        crop=crop_of(request),
        fps=traits.fps,
        frames=frames,
        clips=clips,
        clip_frames=traits.clip_frames,
        clip_latents=traits.clip_latents,
        block_frames=traits.block_frames,
        frames_per_latent=traits.frames_per_latent,
        latent_channels=traits.latent_channels,
        latent_width=traits.latent_width,
        latent_height=traits.latent_height,
        steps=traits.steps,
        audio_layers=traits.audio_layers,
        audio_channels=traits.audio_channels,
        sample_rate=traits.sample_rate,
        crf=CRF,
        preset=PRESET,
        encoder_threads=choose_encoder_threads(width, height),
        motion_latents=traits.motion_latents,
        guidance=traits.guidance,
        audio_lead=request.audio_lead or 0,
        whole_audio=traits.hears_whole,
        precision=traits.precision,
        face_boxes=find_told_face(request, traits, media),
        script=build_script(request, traits, media.seconds, frames),
        negative_prompt=request.negative_prompt or "",
        pose=media.pose,
        pose_stride=media.poses.stride if media.poses else 0,
        speakers=build_speakers(request, traits, media),
        turns=build_turns(request, traits, media),
        **asdict(media.sound.reading),
        **build_label(request, width, height, traits.fps),
    )
    return replace(spec, watermark=choose_watermark(request, spec))


def choose_encoder_threads(width: int, height: int) -> int:
    """The encoder's threads for frames of this size; 0: the one of old."""
    return ENCODER_THREADS if width * height >= LARGE_PICTURE else 0


def build_label(request: Request, width: int, height: int, fps: int) -> dict[str, Any]:
    """What the spec says of the label; nothing where there is none. Raises BadOption where it is wider than the film."""
    words = request.label
    if words is None:
        for name in ("label_place", "label_seconds"):
            flag, value = f"--{name.replace('_', '-')}", getattr(request, name)
            require_option(value is None, flag, value, "there is no --label")
        return {}
    wide, room = measure_label(words, width, height)[0], width - 2 * label_margin(width, height)
    reason = (
        f"it would be {wide} pixels wide, and there is room for {room}: fewer letters are needed"
    )
    require_option(wide <= room, "--label", words, reason)
    frames = math.ceil((request.label_seconds or 0) * fps)
    place = request.label_place or PLACES[0]
    return {"label": words, "label_place": place, "label_frames": frames}


def choose_watermark(request: Request, spec: Spec) -> str:
    """The id of the watermark: the one that is asked for, or the beginning of the digest of the film without one; empty where there is none. Raises BadOption where the film is too small for it."""
    asked = request.watermark or ""
    side = min(spec.width, spec.height)
    reason = f"in a film of {side} pixels it would be lost: {LEAST_SIDE} on the shorter side are needed (--size)"
    told = asked if asked in {"", AUTO} else spell_id(asked) or asked
    require_option(not asked or side >= LEAST_SIDE, "--watermark", told, reason)
    # A seed that is drawn is no part of what the run is found by.
    named = replace(spec, seed=-1) if request.base_seed == -1 else spec
    return named.digest[:ID_DIGITS] if asked == AUTO else asked


def build_model_options(request: Request, width: int = 0, height: int = 0) -> "Options":
    """What is asked of the model itself, for a film of this size."""
    return Options(
        width,
        height,
        request.infer_frames or 0,
        request.sample_steps or 0,
        request.guidance or "",
        request.weights or "",
        request.lora or "",
        request.whole_audio or False,
        request.precision or "",
        request.negative_prompt or "",
        max(1, len(request.speaker or ())),
    )


def film_length(request: Request, traits: "ModelTraits", seconds: Fraction) -> tuple[int, int]:
    """Clips and frames: as long as the sound, unless fewer clips are asked for (a part is one of the whole)."""
    frames = count_frames(seconds, traits.fps)
    if request.num_clip is not None and request.start_clip is None:
        frames = min(frames, request.num_clip * traits.clip_frames)
    return count_clips(frames, traits.clip_frames), frames


def film_sides(request: Request, traits: "ModelTraits") -> tuple[int, int]:
    """Width and height of the film."""
    width, height = request.width, request.height
    return (
        traits.default_width if width is None else width,
        traits.default_height if height is None else height,
    )


def crop_of(request: Request) -> str:
    """How the picture fits; the centre is where `cover` looks anyhow."""
    return "cover" if request.crop in {None, "centre"} else str(request.crop)


def choose_seed(request: Request) -> int:
    """The seed; -1 draws one."""
    if request.base_seed is None:
        return DEFAULT_SEED
    return randbelow(SEED_COUNT) if request.base_seed == -1 else request.base_seed
