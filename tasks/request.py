"""What a person asks for, checked in whole before any work and frozen into a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from storage.errors import BadOption, BadSize
from storage.names import is_run
from storage.spec import Settings, Spec
from tasks.film_part import FilmPart
from tasks.run_folder import choose_folder
from tasks.timeline import count_clips, count_frames, format_duration

if TYPE_CHECKING:
    from model.avatar import ModelTraits, Options
    from storage.picture import Treatment
    from storage.run import Run
    from storage.soundtrack import SoundFacts

DEFAULT_SEED = 420
SEED_COUNT = 1 << 31
"""A seed that is drawn is below this."""
CRF, PRESET = 18, "veryfast"


@dataclass(frozen=True)
class Request:
    """All that may be asked for; None is what was not asked, and gets the default."""

    image: Path
    audio: Path
    prompt: str | None = None
    model: str | None = None
    run: Path | None = None
    output_dir: Path | None = None
    """The run's folder too, by its published name; `run` wins."""
    output_file: Path | None = None
    overwrite: bool | None = None
    """The output file may take the place of another."""
    width: int | None = None
    height: int | None = None
    crop: str | None = None
    num_clip: int | None = None
    start_clip: int | None = None
    """Makes this request one for a part: clips start_clip … start_clip + num_clip - 1 of the whole film's run."""
    infer_frames: int | None = None
    sample_steps: int | None = None
    guidance: str | None = None
    """A decimal number, as text: the spec holds no floats."""
    whole_audio: bool | None = None
    """Each clip is heard with the whole sound, not with a window of it."""
    precision: str | None = None
    """fp8: linear layers in eight-bit floats."""
    weights: str | None = None
    """The folder of published weights, or what the hub calls owner/name."""
    lora: str | None = None
    device: str | None = None
    offload_model: bool | None = None
    device_memory: int | None = None
    on_low_memory: str | None = None
    asked_size: str | None = None
    """Filled in where width and height became smaller for want of memory."""
    base_seed: int | None = None
    """-1 draws one (or takes that of the run that is there)."""
    audio_lead: int | None = None
    offline: bool | None = None
    ahead: int | None = None
    clip_batch_size: int | None = None
    threads: int | None = None
    accept_joint: bool | None = None
    accept_short_audio: bool | None = None
    """A sound that is cut off is taken as long as it is."""
    keep_frames: str | None = None
    keep_steps: str | None = None
    disk_budget: int | None = None
    carry_every: int | None = None
    carry_anchors: int | None = None
    retry_limit: int | None = None
    retry_delay: float | None = None
    stall_limit: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each given field came from: flag, environment, file, published flag …"""

    @property
    def part(self) -> FilmPart:
        """Which clips of the run this request is about, and what to do with them."""
        of_whole = self.start_clip is None
        return FilmPart(
            first_clip=self.start_clip or 0,
            clips=None if of_whole else self.num_clip,
            output_file=self.output_file,
            overwrite=bool(self.overwrite),
            inputs=tuple(Path(each) for each in self._read if each),
            accept_joint=bool(self.accept_joint),
            threads=self.threads,
        )

    @property
    def _read(self) -> tuple[Path | str | None, ...]:
        return self.image, self.audio, self.weights, self.lora

    @classmethod
    def from_words(cls, values: Mapping[str, Any], source: str) -> Self:
        """A request out of what a shell was given: `size` as W*H, paths as text; what is empty or False was not given."""
        given: dict[str, Any] = {
            name: value
            for name, value in values.items()
            # By identity: 0 is a number that was given, and equals False.
            if not (value is None or value == "" or (value is False and name != "offload_model"))
        }
        if size := given.pop("size", None):
            given["width"], given["height"] = parse_size(size)
        for name in ("image", "audio", "run", "output_dir", "output_file"):
            if name in given:
                given[name] = Path(given[name])
        return cls(**given, sources=dict.fromkeys(given, source))


def parse_size(words: str) -> tuple[int, int]:
    """Width and height out of 704*384."""
    sides = words.lower().replace("x", "*").replace("×", "*").split("*")
    if len(sides) != 2 or not all(side.strip().isdecimal() for side in sides):
        raise BadSize(words, "width*height is needed, such as 256*256")
    return int(sides[0]), int(sides[1])


@dataclass(frozen=True)
class Media:
    """What was given, as it was found."""

    picture: "Treatment"
    sound: "SoundFacts"


@dataclass
class ResolvedRequest:
    """A request that nothing stands in the way of."""

    request: Request
    spec: Spec
    root: Path
    """Absolute."""
    clips_asked: int | None
    seconds: Fraction
    """Length of the whole sound."""
    media: "Media | None" = None
    """None where a run is at hand, which was asked for before."""

    @cached_property
    def part(self) -> FilmPart:
        """The clips that are asked for."""
        return self.request.part

    @property
    def length(self) -> str:
        """The film's, as h:mm:ss."""
        return format_duration(Fraction(self.spec.frames, self.spec.fps))


def resolve_request(request: Request) -> ResolvedRequest:
    """Check the whole request, before any work and writing nothing; raises the one error that stands in the way."""
    from tasks import preflight
    from tasks.device_memory import fit_to_device

    traits = preflight.check_options(request)
    media = preflight.check_media(request, traits)
    request = fit_to_device(request, traits, media)
    traits = preflight.check_options(request)
    resolved = apply_defaults(request, traits, media)
    preflight.check_disk_space(resolved, traits)
    return resolved


def apply_defaults(
    request: Request, traits: "ModelTraits", media: "Media", *, weights: str | None = None
) -> ResolvedRequest:
    """The request with every default filled in, and every check but those of room. `weights`: their digest, where they are not to be looked at."""
    from tasks import preflight

    spec = build_spec(request, traits, media, weights=weights)
    root = choose_folder(request, spec)
    spec = preflight.check_folder(request, root, spec)
    preflight.check_part(request.part, spec)
    if (output := request.part.output(root, spec)) is not None:
        output.check()
    settings, _ = merge_settings(request, settings_there(root), {})
    preflight.check_budget(spec, settings, traits, preflight.inputs_bytes(request))
    asked = request.num_clip if request.start_clip is None else None
    return ResolvedRequest(request, spec, root, asked, media.sound.seconds, media)


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
    from storage.run import Run
    from tasks.events import emit_event

    if is_run(resolved.root):
        run = Run.open(resolved.root)
        run.restore_inputs(resolved.request.image, resolved.request.audio)
        adopt_settings(run, resolved.request)
    else:
        run = create_run(resolved)
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
    from storage.run import NewRun, Run
    from tasks.session import load_avatar

    request, spec = resolved.request, resolved.spec
    settings, sources = merge_settings(request, Settings(), {})
    avatar = load_avatar(spec, settings, request.threads or 1)
    avatar.require_precision()
    came = {**request.sources, **sources}
    start = NewRun(spec, settings, came, dict(avatar.numerics), request.image, request.audio)
    return Run.create(resolved.root, start)


def adopt_settings(run: "Run", request: Request) -> None:
    """Put the settings that were given in place of the run's; those not given stay."""
    settings, sources = merge_settings(request, run.settings, run.sources)
    if settings != run.settings or dict(sources) != dict(run.sources):
        with run.lock():
            run.update_settings(settings, sources)


def change_settings(run: "Run", values: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    """Put these settings in place of the run's; raises BadOption."""
    from tasks.preflight import check_settings

    request = Request(run.image_path, run.audio_path, **values, sources=sources)
    check_settings(request, run)
    adopt_settings(run, request)


def merge_settings(
    request: Request, present: Settings, sources: Mapping[str, str]
) -> tuple[Settings, dict[str, str]]:
    """The settings with what was given put in, and where each came from."""
    from dataclasses import asdict

    names = [each.name for each in fields(Settings)]
    given = {name: getattr(request, name) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    # Where the film goes is remembered for `resume`; where a part went is not, or the whole film would land there.
    if (target := given.pop("output_file", None)) is not None and request.start_clip is None:
        given["output_file"] = str(target.absolute())
    came = {name: request.sources.get(name, "given") for name in given}
    whole = {**sources, **{name: sources.get(name, "default") for name in names}, **came}
    return Settings.from_mapping(asdict(present) | given), whole


def settings_there(root: Path) -> Settings:
    """Those of the run in a folder; the defaults where there is none."""
    from storage.run import Run

    return Run.open(root).settings if is_run(root) else Settings()


def build_spec(
    request: Request, traits: "ModelTraits", media: "Media", *, weights: str | None = None
) -> Spec:
    """What decides the pixels, every default filled in."""
    from dataclasses import asdict

    from model import avatar
    from storage.digest import hash_file

    width, height = film_sides(request, traits)
    clips, frames = film_length(request, traits, media.sound.seconds)
    if (digest := weights) is None:
        digest = avatar.weights_digest(traits.name, build_model_options(request))
    return Spec(
        model=traits.name,
        weights=digest,
        image=hash_file(request.image),
        audio=hash_file(request.audio),
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
        motion_latents=traits.motion_latents,
        guidance=traits.guidance,
        audio_lead=request.audio_lead or 0,
        whole_audio=traits.hears_whole,
        precision=traits.precision,
        **asdict(media.sound.reading),
    )


def build_model_options(request: Request, width: int = 0, height: int = 0) -> "Options":
    """What is asked of the model itself, for a film of this size."""
    from model.avatar import Options

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
    from secrets import randbelow

    if request.base_seed is None:
        return DEFAULT_SEED
    return randbelow(SEED_COUNT) if request.base_seed == -1 else request.base_seed


def require_option(fits: bool, option: str, value: object, reason: str) -> None:
    """Raise BadOption unless it fits."""
    if not fits:
        raise BadOption(option, value, reason)
