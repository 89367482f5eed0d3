"""What is frozen in run.json: the spec, which decides the pixels, and the settings, which never do."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cached_property
from typing import Annotated, Any, Self

from storage.film_title import LONGEST_TITLE
from storage.label_words import LONGEST_LABEL, PLACES
from storage.schema import (
    NONE,
    EitherOf,
    ListOf,
    Number,
    OneOf,
    TableWith,
    Text,
    Unfit,
    Whole,
    check_value,
    checks_of,
)
from storage.seed_history import (
    DIGEST,
    LARGEST_SEED,
    MOST_CLIPS,
    Dub,
    History,
    Take,
    build_history,
    cut_history,
    find_joins,
    find_softened,
    find_sound,
)
from storage.speaker import (
    SPEAKERS,
    TURNS,
    Reading,
    Speaker,
    build_speakers,
    check_speakers,
)
from storage.watermark_id import ID_DIGITS

CARRY_FIRST = 8
"""The clip that the first carry stands before, where nothing is known yet of its cost."""

STALL_TIMES = 10
"""How many times its usual time a stage may take before it is held for hung."""
STALL_PATIENCE = 4
"""How many limits where nothing is usual yet: the first of its kind, and whatever loads a model."""

ADDED_LATER = {"whole_audio", "takes", "precision", "silence", "mix", "gain", "face_boxes"}.union(
    {"label", "label_place", "label_frames", "script", "negative_prompt", "pose"},
    {"pose_stride", "speakers", "turns", "watermark", "encoder_threads"},
)


CROPS = ("cover", "top", "bottom", "left", "right", "centre", "contain", "exact")
"""How the picture fits the frame (storage/picture.py)."""
LONGEST_SIDE = 8192
"""Of a film: no model here was ever seen near it, and a mistyped size would ask for all memory."""
LONGEST_PROMPT = 100_000
"""Characters."""
LONGEST_SCRIPT = 1 << 20
"""Characters of all prompts of a film."""
MOST_TAKES = 256
"""Retakes of retakes."""
_TAKE_LATER = ("soften", "dub")
"""Fields of a take that are younger than the first takes."""
_TAKE = TableWith(
    {name: check for name, check in checks_of(Take).items() if name not in _TAKE_LATER},
    {name: checks_of(Take)[name] for name in _TAKE_LATER},
)
MOST_CLIP_BYTES = 1 << 31
"""Of one clip in one of the arrays."""
_SHA256 = Text(64, DIGEST)
_SIDE, _COUNT, _PATH = Whole(1, LONGEST_SIDE), Whole(1, 4096), Text(4096)
_TRUTH = OneOf((False, True))
MOST_STRIDE = 4096
"""Frames of a pose video to one of the film."""
_SIZE = Whole(0, 1 << 62)


@dataclass(frozen=True)
class Spec:
    """Everything that decides the pixels of one film. No floats: its JSON, and so its digest, is one on every machine."""

    model: Annotated[str, Text(64, "[a-z0-9][a-z0-9-]*")]
    weights: Annotated[str, Text(128)]
    """SHA-256 over the model's weight files."""
    image: Annotated[str, _SHA256]
    """SHA-256 of the picture's file."""
    audio: Annotated[str, _SHA256]
    """SHA-256 of the soundtrack's file."""
    prompt: Annotated[str, Text(LONGEST_PROMPT)]
    seed: Annotated[int, Whole(0, LARGEST_SEED)]
    width: Annotated[int, _SIDE]
    height: Annotated[int, _SIDE]
    crop: Annotated[str, OneOf(CROPS)]
    """How the picture fits (storage/picture.py): cover, contain, exact, or the side that is kept."""
    fps: Annotated[int, Whole(1, 240)]
    frames: Annotated[int, Whole(1, 1 << 32)]
    """Frames of the whole film, exactly."""
    clips: Annotated[int, Whole(1, MOST_CLIPS)]
    clip_frames: Annotated[int, _COUNT]
    clip_latents: Annotated[int, _COUNT]
    block_frames: Annotated[int, _COUNT]
    frames_per_latent: Annotated[int, _COUNT]
    latent_channels: Annotated[int, _COUNT]
    latent_width: Annotated[int, _SIDE]
    latent_height: Annotated[int, _SIDE]
    steps: Annotated[int, Whole(1, 1000)]
    audio_layers: Annotated[int, _COUNT]
    audio_channels: Annotated[int, Whole(1, 65536)]
    sample_rate: Annotated[int, Whole(1, 768_000)]
    """Of the sound that the model hears."""
    crf: Annotated[int, Whole(0, 51)]
    preset: Annotated[str, Text(16, "[a-z]*")]
    motion_latents: Annotated[int, Whole(0, 4096)] = 0
    """Latents that a clip takes from the decoded clip before it."""
    guidance: Annotated[str, Text(16, r"[0-9.e+-]*")] = ""
    """A decimal number; empty where there is no guidance."""
    audio_lead: Annotated[int, Whole(-MOST_CLIPS, MOST_CLIPS)] = 0
    """Frames by which the sound leads the picture."""
    whole_audio: Annotated[bool, _TRUTH] = False
    """Each clip is heard with the whole sound, not with a window of it."""
    takes: Annotated[tuple[Take, ...], ListOf(_TAKE, MOST_TAKES)] = ()
    """Clips that were made again with another seed, in the order in which that was done; each names the film that it was taken from."""
    precision: Annotated[str, OneOf(("", "fp8"))] = ""
    """fp8, or empty: the model's own."""
    silence: Annotated[int, Whole(0, 1 << 28)] = 0
    mix: Annotated[str, OneOf(("", "left", "right", "turned"))] = ""
    gain: Annotated[int, Whole(0, 100_000)] = 0
    """These three: how the soundtrack is read (Reading)."""
    face_boxes: Annotated[str, Text(256, r"(-?[0-9.]+(,-?[0-9.]+){11})?")] = ""
    """Where mouth, left and right eye are in the picture's file, upright: x, y, width, height in its pixels, each after the other (model/pocket/face_boxes.py); empty for models that need no face, and for films begun before one did."""
    label: Annotated[str, Text(LONGEST_LABEL)] = ""
    """Words that stand in the picture (storage/label.py); empty: none do."""
    label_place: Annotated[str, OneOf(("", *PLACES))] = ""
    label_frames: Annotated[int, Whole(0, 1 << 32)] = 0
    """Frames, from the first on, that show them; 0: all."""
    watermark: Annotated[str, Text(ID_DIGITS, r"([0-9a-f]{12})?")] = ""
    """The id that is hidden in every clip (storage/watermark.py); empty: none is."""
    encoder_threads: Annotated[int, Whole(0, 16)] = 0
    """Threads of x264, whose bits depend on their number; 0: one."""

    script: Annotated[
        str, Text(LONGEST_SCRIPT, r"([0-9]{1,9}(:[0-9]{1,18})?( [0-9]{1,3}){3} [^\n]*\n)*")
    ] = ""
    """From which block of latents on which prompt holds, a line each (model/prompt_schedule.py); empty: `prompt` holds throughout."""
    negative_prompt: Annotated[str, Text(LONGEST_PROMPT)] = ""
    """What guidance leads away from, in words."""
    pose: Annotated[str, Text(64, rf"({DIGEST})?")] = ""
    """SHA-256 of the pose video's file; empty where nothing but sound and words moves the body."""
    pose_stride: Annotated[int, Whole(0, MOST_STRIDE)] = 0
    """Every so many-th frame of it is taken."""
    speakers: Annotated[tuple[Speaker, ...], SPEAKERS] = ()
    """All speakers, where there are several; `audio` and how it is read are then the first one's, or those of the sound that they share."""
    turns: Annotated[str, TURNS] = ""
    """From which sample (at sample_rate) of the shared sound to which which speaker is heard, a line each (storage/speaker.py)."""

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """A spec as JSON has it; raises Unfit, which names the field."""
        checks = checks_of(cls)
        TableWith(
            {each.name: checks[each.name] for each in fields(cls) if each.default is MISSING},
            checks,
        )(facts)
        if unknown := facts.keys() - checks.keys():
            raise Unfit(f"{min(unknown)} is of a later version")
        takes = tuple(map(Take.from_facts, facts.get("takes", ())))
        speakers = build_speakers(facts.get("speakers", ()))
        spec = cls(**{**facts, "takes": takes, "speakers": speakers})
        spec.check()
        return spec

    def check(self) -> None:
        """Raise Unfit where a field is out of its bounds, or the fields do not go together."""
        for name, check in checks_of(type(self)).items():
            value = getattr(self, name)
            tables = name in {"takes", "speakers"}
            check_value(name, [asdict(each) for each in value] if tables else value, check)
        check_speakers(self.speakers, self.turns, self.audio)
        if self.clips != -(-self.frames // self.clip_frames):
            raise Unfit(f"{self.frames} frames are not {self.clips} clips of {self.clip_frames}")
        if self.sample_rate < self.fps:
            raise Unfit(f"{self.sample_rate} samples a second are less than one a frame")
        if (size := self.largest_chunk) > MOST_CLIP_BYTES:
            raise Unfit(f"one clip takes {size} bytes, and {MOST_CLIP_BYTES} can be held")

    @property
    def largest_chunk(self) -> int:
        """Bytes of one clip in the array that takes the most."""
        latents = 4 * self.latent_channels * self.latent_height * self.latent_width
        frames = 3 * self.clip_frames * self.height * self.width
        features = 4 * self.audio_layers * self.audio_channels * self.clip_frames
        features *= self.speaker_count
        steps = latents * self.steps * self.clip_latents
        return max(frames, features, steps, latents * self.motion_latents)

    @property
    def canonical(self) -> str:
        """The one JSON text that stands for this spec: keys sorted, no spaces."""
        # A field younger than the first runs is there only where it says something: their digests stay.
        told = {
            name: value for name, value in asdict(self).items() if value or name not in ADDED_LATER
        }
        for take in told.get("takes", ()):
            for name in _TAKE_LATER:
                if not take[name]:
                    del take[name]
        return json.dumps(told, sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, hex."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def reading(self) -> Reading:
        """How the soundtrack is read."""
        return Reading(self.silence, self.mix, self.gain)

    @property
    def speaker_count(self) -> int:
        """How many people speak."""
        return max(1, len(self.speakers))

    @property
    def sounds(self) -> Mapping[str, tuple[str, Reading]]:
        """The hash of each sound's file and how it is read, by the name of its copy: `audio`, of several speakers with sounds of their own `audio2` … too."""
        others = self.speakers[1:] if not self.turns else ()
        more = {f"audio{n}": (each.audio, each.reading) for n, each in enumerate(others, 2)}
        return {"audio": (self.audio, self.reading), **more}

    @property
    def input_digests(self) -> Mapping[str, str]:
        """The hash of every file that the film is made of, by the name of its copy."""
        masks = {f"mask{n}": each.mask for n, each in enumerate(self.speakers, 1) if each.mask}
        sounds = {name: digest for name, (digest, _) in self.sounds.items()}
        pose = {"pose": self.pose} if self.pose else {}
        dubs = {f"dub{number}": dub.audio for number, dub in self.dubs.items()}
        return {"image": self.image, **sounds, **masks, **pose, **dubs}

    @property
    def samples_per_frame(self) -> int:
        """Samples of sound (at sample_rate) to one frame of film."""
        return self.sample_rate // self.fps

    @property
    def largest_piece(self) -> int:
        """Bytes that no piece of a carry exceeds. The keys and values of one layer take 46 kB a latent pixel in the largest model."""
        return (64 << 20) + (1 << 16) * self.latent_height * self.latent_width

    def seed_history(self, clip: int) -> History:
        """The seeds that a clip came of (storage/seed_history.py)."""
        return build_history(self.seed, self.takes, clip)

    def history_before(self, clip: int) -> History:
        """The seeds of all that a clip came of, without its own."""
        return cut_history(self.seed_history(clip), clip)

    @cached_property
    def joins(self) -> tuple[int, ...]:
        """The clips that do not follow the one before them: an older take goes on there."""
        return tuple(find_joins(self.seed, self.takes, self.clips))

    @cached_property
    def cuts(self) -> tuple[int, ...]:
        """The joins at which the decoder does not go on from the clip before: it has the past of the older take."""
        last = {take.until: take for take in self.takes}
        return tuple(clip for clip in self.joins if not last[clip].redecode)

    @cached_property
    def softened(self) -> Mapping[int, int]:
        """How many of a clip's last latents are led back to those of the older take that goes on after it, by clip."""
        return dict(find_softened(self.seed, self.takes, self.clips))

    @cached_property
    def contexts(self) -> tuple[int, ...]:
        """The clips of which it is kept what stood before them in an older take: joins, and what softened clips were led back to."""
        return tuple(sorted({*self.joins, *(clip + 1 for clip in self.softened)}))

    def sound_of(self, clip: int) -> int:
        """Which sound a clip of the film was made to (storage/seed_history.py, Origin)."""
        return find_sound(self.takes, clip)

    @cached_property
    def dubs(self) -> Mapping[int, Dub]:
        """What was dubbed over the film's sound, by the number of the sound that came of it."""
        return {number: take.dub for number, take in enumerate(self.takes, 1) if take.dub}

    def cut_before(self, clip: int) -> int:
        """The last cut at or before a clip; 0 where there is none."""
        return max((cut for cut in self.cuts if cut <= clip), default=0)

    def clip_span(self, clip: int) -> range:
        """The film's frames that a clip holds, end excluded; the last clip is cut where the film ends."""
        start = clip * self.clip_frames
        return range(start, min(start + self.clip_frames, self.frames))

    def frames_in(self, clip: int) -> int:
        """The number of frames of the film in a clip."""
        return len(self.clip_span(clip))


@dataclass(frozen=True)
class Settings:
    """All that never decides a bit: order, room, patience. Where each came from stands beside it, in `sources`."""

    ahead: Annotated[int, Whole(0, 1000)] = 2
    """Clips that the denoiser may run ahead of what is published."""
    clip_batch_size: Annotated[int, Whole(1, 1000)] = 1
    offline: Annotated[bool, _TRUTH] = False
    keep_frames: Annotated[str, Text(9, r"auto|all|none|[0-9]+")] = "auto"
    """auto, all, none or a number of clips."""
    keep_steps: Annotated[str, Text(9, r"all|none|[0-9]+")] = "all"
    """all, none or a number of clips."""
    carry_every: Annotated[int, Whole(-1, MOST_CLIPS)] = -1
    """Clips between two carries; -1: as few as cost 2 % of the time, 0: none are written."""
    carry_anchors: Annotated[int, Whole(0, MOST_CLIPS)] = 0
    """Every how many-th carry is kept for retakes; 0 keeps none. Where carry_every is -1 or 0 it counts in eights."""
    retry_limit: Annotated[int, Whole(1, MOST_CLIPS)] = 3
    retry_delay: Annotated[float, Number(0, 86_400)] = 1.0
    """Seconds before the second try; before each later one twice as many, a minute at most."""
    stall_limit: Annotated[float, Number(0, 31_536_000)] = 900.0
    """Seconds without a move after which a stage is held for hung (tasks/watchdog.py); 0: never."""
    disk_budget: Annotated[int | None, EitherOf((NONE, _SIZE))] = None
    """Bytes that frames may take when keep_frames is auto."""
    weights: Annotated[str, _PATH] = ""
    """The folder of published weights; the spec has their digest."""
    lora: Annotated[str, _PATH] = ""
    """The LoRA's file, where it does not lie with them."""
    device: Annotated[str, OneOf(("auto", "cpu", "cuda"))] = "auto"
    """auto, cpu or cuda."""
    offload_model: Annotated[bool | None, OneOf((None, False, True))] = None
    """Whether parts that are not in use wait on the host; None: as the card's memory needs it."""
    device_memory: Annotated[int | None, EitherOf((NONE, _SIZE))] = None
    """Bytes of the device that may be used; None: all that is free."""
    on_low_memory: Annotated[str, OneOf(("refuse", "step-down"))] = "refuse"
    """refuse or step-down: what happens, once, where the device has no room for the film's size."""
    asked_size: Annotated[str, Text(32)] = ""
    """The size that was asked for, where the film is smaller for want of memory."""
    gpus: Annotated[str, Text(256, r"([0-9]+(,[0-9]+)*)?")] = ""
    """How many cards, or the numbers of those, that the denoiser is shared out over; on a CPU as many processes. Empty: one."""
    parallel: Annotated[str, OneOf(("auto", "steps", "layers", "heads"))] = "auto"
    """What is shared out: denoising steps, layers, the heads of each block, or what the cards' memory asks for."""
    output_file: Annotated[str | None, EitherOf((NONE, _PATH))] = None
    title: Annotated[str, Text(LONGEST_TITLE)] = ""
    """The film's, as its file has it. Empty in runs that are older than titles: their films are called as their folders are."""
    producer: Annotated[str, Text(LONGEST_TITLE)] = ""
    """Who answers for the film, as its marks name it; empty: longtake."""
    live: Annotated[bool, _TRUTH] = False
    """An HLS playlist of the film is kept while it is made (storage/live_film.py)."""
    grow: Annotated[bool, _TRUTH] = False
    """The same, and one fragmented mp4 that grows."""

    @property
    def anchor_clips(self) -> int:
        """Carries that stand before a multiple of this are never deleted; 0: there are none such."""
        return self.carry_anchors * (self.carry_every if self.carry_every > 0 else CARRY_FIRST)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """The settings out of a mapping; a name of a later version is passed over, one not given has its default. Raises Unfit."""
        checks = checks_of(cls)
        TableWith({}, checks)(values)
        return cls(**{name: value for name, value in values.items() if name in checks})
