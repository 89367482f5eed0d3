"""Every knob, declared once, as an `Option` of GROUPS.

Out of this table come the flags of the command line and their help, LONGTAKE_… of the environment, longtake.toml, the
parameters of Luigi's LongVideo, the fields of a Request, the checks of all these, and docs/flags.md.
What run.json keeps of a knob:
- decides no pixel: a field `name: Annotated[type, Check] = default` of `Settings` (storage/spec.py), of the same name; read
  it from `run.settings.NAME`, never from the request: that of a resume has only what was typed. A path is kept as text
  (`Text(4096)`).
- decides pixels: `decides="pixels"`, a field of `Spec` (storage/spec.py) whose default is empty (0, False, "") and means the
  film as it was, its name in ADDED_LATER, its value in `build_spec` (tasks/defaults.py); read it from `run.spec.NAME`.
- neither: no field; it holds for one command.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from model.pocket.face_boxes import format_box, parse_boxes
from model.sharding.launcher_env import parse_gpus
from storage.errors import BadSize
from storage.film_title import LONGEST_TITLE, clean_title
from storage.label_words import LANGUAGES, LONGEST_LABEL, PLACES
from storage.remote.address import is_url, make_working_folder, read_url
from storage.schema import is_utf8
from storage.spec import CROPS, LONGEST_PROMPT
from storage.watermark_id import AUTO, parse_id
from tasks.speaker_words import split_words


@dataclass(frozen=True)
class Kind:
    """How the word of an option is read, and what stands for it in a help screen."""

    metavar: str
    read: Callable[[str], Any] = str
    """Raises ValueError with what is needed."""


@dataclass(frozen=True)
class Alias:
    """Another flag for an option; the published programs' own, all of them."""

    flag: str
    help: str = ""
    """Empty: the same as the option."""
    value: object = None
    """What it stands for, where it takes no word."""


@dataclass(frozen=True)
class Option:
    """One knob: by its name a field of the Request and a parameter of LongVideo; flag, variable and key of longtake.toml are spelled after `flag`."""

    name: str
    help: str
    """One sentence."""
    kind: Kind
    flag: str = ""
    """As the flag is spelled, where that is not the name with dashes."""
    aliases: tuple[Alias, ...] = ()
    value: object = None
    """What the flag stands for, where it takes no word."""
    bounds: tuple[float, float] | None = None
    """The least and the most that a number may be."""
    words: tuple[str, ...] = ()
    """All that may be said (of a KEPT: besides a number)."""
    longest: int = 0
    """Characters at the most, which are UTF-8: it is written into the run."""
    models: tuple[str, ...] = ()
    """Those that know it; empty: all."""
    unknown: str = ""
    """Why the others do not."""
    decides: Literal["pixels", "last bits", "nothing"] = "nothing"
    """What of the film; `last bits`: another value gives a film that looks the same and is not the same to the byte."""
    published: bool = False
    """In the command lines of Live Avatar or Wan2.2, or in articles about them."""
    one_film: bool = False
    """It says nothing of another film: neither the environment nor longtake.toml has it."""
    repeats: bool = False
    """It may be given several times; its value is a tuple."""
    cli_only: bool = False
    """The command line settles it: no field of the Request, and Luigi does not know it."""

    @property
    def spelling(self) -> str:
        """The flag, without the dashes in front."""
        return self.flag or self.name.replace("_", "-")

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the Request that it fills."""
        return ("width", "height") if self.kind is SIZE else (self.name,)

    def read(self, word: str) -> Any:
        """The value that a word stands for; raises ValueError with what is needed, BadSize."""
        value = self.kind.read(word)
        self.check(value)
        return value

    def check(self, value: Any) -> None:
        """Raise ValueError with what is needed, unless the value can be had."""
        if self.bounds and not self.bounds[0] <= value <= self.bounds[1]:
            raise ValueError(f"a number from {self.bounds[0]} to {self.bounds[1]} is needed")
        if self.longest and not is_utf8(str(value)):
            raise ValueError("it is no UTF-8 text")
        if self.longest and len(str(value)) > self.longest:
            raise ValueError(f"at most {self.longest} characters are possible")
        if self.kind is KEPT and is_count(value):
            return
        if self.kind is CARDS:
            read_gpus(value)
        if self.words and value not in self.words:
            words = ", ".join(self.words)
            either = f"{words} or a number of clips" if self.kind is KEPT else f"one of {words}"
            raise ValueError(f"{either} is needed")


def is_count(word: str) -> bool:
    """Whether a word is a number of clips that a run can have."""
    return word.isdecimal() and word.isascii() and len(word) < 10


def read_whole(word: str) -> int:
    """A whole number."""
    try:
        return int(word)
    except ValueError:
        raise ValueError("a whole number is needed") from None


def read_spacing(word: str) -> int:
    """A number of clips; `auto` is -1."""
    return -1 if word == "auto" else read_whole(word)


def read_number(word: str) -> float:
    """A number of seconds."""
    try:
        return float(word)
    except ValueError:
        raise ValueError("a number is needed") from None


def read_decimal(word: str) -> str:
    """A decimal number from 0 to 100, as text: `4.50` is `4.5`. The spec holds no floats."""
    try:
        value = float(word)
    except ValueError:
        value = -1
    if not 0 <= value <= 100:
        raise ValueError("a number from 0 to 100 is needed, such as 4.5")
    return f"{value:g}"


def read_path(word: str) -> Path:
    """A path; not the empty one, which an unset variable of a script makes and Python takes for the working directory."""
    if not word:
        raise ValueError("a path is needed, and it is empty")
    return Path(word)


def read_title(word: str) -> str:
    """Text on one line; not of blanks alone, which no player shows."""
    if clean_title(word) != word[:LONGEST_TITLE] or not word:
        raise ValueError("one line of printable text is needed, without blanks around it")
    return word


def read_label(word: str) -> str:
    """The words of a label; a language stands for its usual ones."""
    from storage.label import find_undrawable

    words = LANGUAGES.get(word, word)
    if clean_title(words) != words or not words:
        raise ValueError("one line of printable text is needed, without blanks around it")
    if letters := find_undrawable(words):
        raise ValueError(f"only Latin letters without accents and 生成 can be drawn, not {letters}")
    return words


def read_label_seconds(word: str) -> float:
    """Seconds; `all` is 0."""
    seconds = 0.0 if word == "all" else read_number(word)
    if word != "all" and not seconds >= SHORTEST_LABEL:
        raise ValueError(f"all is needed, or {SHORTEST_LABEL} seconds or more")
    return seconds


def read_watermark(word: str) -> str:
    """An id in twelve hexadecimal digits; `auto` stays, as the film is not yet known."""
    return word if word == AUTO else parse_id(word)


def read_truth(word: str) -> bool:
    """True or False."""
    if word.lower() not in {"true", "false", "1", "0", "yes", "no"}:
        raise ValueError("True or False is needed")
    return word.lower() in {"true", "1", "yes"}


def read_size(word: str) -> tuple[int, int]:
    """Width and height out of `704*384`, `704x384` or `704×384`; raises BadSize."""
    sides = word.lower().replace("x", "*").replace("×", "*").split("*")
    if len(sides) != 2 or not all(side.strip().isdecimal() for side in sides):
        raise BadSize(word, "width*height is needed, such as 256*256")
    return int(sides[0]), int(sides[1])


def read_mouth(word: str) -> str:
    """One box, as text that is the same however it was written."""
    return ",".join(map(format_box, parse_boxes(word, 1)))


def read_eyes(word: str) -> str:
    """Two boxes, as text."""
    return ",".join(map(format_box, sorted(parse_boxes(word, 2))))


def read_crop(word: str) -> str:
    """How the picture fits."""
    if word == "face":
        words = "say where it is: top, centre, bottom, left or right"
        raise ValueError(f"nothing is cut round the face; {words}")
    return word


def read_run(word: str) -> Path:
    """A run's folder; of one at a URL (s3://bucket/films/x) its working folder on this machine."""
    return make_working_folder(read_url(word)) if is_url(word) else read_path(word)


def read_gpus(word: str) -> str:
    """How many cards, or their numbers, as text."""
    try:
        parse_gpus(word)
    except ValueError:
        raise ValueError(
            "how many, such as 4, or numbers of cards, such as 0,2, are needed"
        ) from None
    return word


def read_bytes(word: str) -> int:
    """Bytes, at least one, out of `500MB`, `20GB` or a plain number of bytes; GB = 1e9."""
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    upper = word.upper().replace(" ", "")
    factor = units.get(upper[-2:], 1)
    try:
        size = int(float(upper[:-2] if factor > 1 else upper) * factor)
    except (ValueError, OverflowError):  # inf
        size = 0
    if size < 1:
        raise ValueError("a size such as 20GB is needed")
    return size


TEXT, NAME, HOW, KEPT = Kind("TEXT"), Kind("NAME"), Kind("HOW"), Kind("WHICH")
FILE, FOLDER, RUN = Kind("FILE", read_path), Kind("DIR", read_path), Kind("DIR or URL", read_run)
WHOLE, SPACING, SECONDS = (
    Kind("N", read_whole),
    Kind("N", read_spacing),
    Kind("SECONDS", read_number),
)
DECIMAL, BYTES, SIZE = Kind("N", read_decimal), Kind("SIZE", read_bytes), Kind("W*H", read_size)
TRUTH = Kind("TRUTH", read_truth)
CARDS = Kind("N or A,B", read_gpus)
MOUTH, EYES = Kind("X,Y,W,H", read_mouth), Kind("X,Y,W,H,X,Y,W,H", read_eyes)
SHORTEST_LABEL = 2
"""Seconds, as GB 45438-2025 asks for."""
SWITCH = Kind("", read_truth)
"""Said or not, without a word."""
LARGE = ("live-avatar", "wan-s2v")
_PATH = 4096
_NO_FACE = "it looks at the picture as a whole"
_NO_CARD = "it needs none of a card"

# A row is two or three lines, and no more: it is read as a table.
# fmt: off
GROUPS: dict[str, tuple[Option, ...]] = {
    "the film": (
        Option("image", "The picture, as the first argument.", FILE, decides="pixels", published=True, one_film=True),
        Option("audio", "The soundtrack, or a film that has one; the same as the second argument.", FILE, decides="pixels", published=True,
               one_film=True),
        Option("prompt", "What the film shows, in words; of pocket's presenter: expression, gaze, nods, liveliness.", TEXT, longest=LONGEST_PROMPT, decides="pixels", published=True),
        Option("script", "From when to when which prompt, a .toml, .json, .csv or .srt (docs/script.md); --prompt holds where it says nothing.", FILE,
               longest=_PATH, decides="pixels", one_film=True),
        Option("model", "Who draws it: pocket, live-avatar or wan-s2v.", NAME, decides="pixels"),
        Option("size", "Width*height of the film (256*256).", SIZE, decides="pixels", published=True),
        Option("pose_video", "A film of skeletons that moves the body; of the large models (docs/pose.md).", FILE, longest=_PATH,
               decides="pixels", published=True, one_film=True),
        Option("size_as_area", "Take --size for an area and fill it in the picture's shape, as published.", SWITCH, value=True,
               decides="pixels", cli_only=True),
        Option("crop", "How the picture fits: cover cuts both sides alike, top, centre, bottom, left and right say what is kept, contain shows"
               " all, exact changes nothing.", Kind("HOW", read_crop), words=CROPS, decides="pixels"),
        Option("mouth", "Where the mouth is in the picture's file, in pixels (it is looked for).", MOUTH, models=("pocket",),
               unknown=_NO_FACE, decides="pixels"),
        Option("eyes", "Where its two eyes are, in pixels (they are looked for).", EYES, models=("pocket",), unknown=_NO_FACE,
               decides="pixels"),
        Option("face", "Which face speaks where several are found (1, the largest).", WHOLE, bounds=(1, 1000), models=("pocket",),
               unknown=_NO_FACE, decides="pixels"),
        Option("speaker", "One of several who speak, a flag for each: its sound, and face:N as --face counts, a box, or for large models a mask; docs/speakers.md.",
               Kind("SOUND@PLACE", split_words), decides="pixels", one_film=True, repeats=True),
        Option("turns", "Who of several speakers has the one soundtrack from when to when: a .csv of from,until,speaker; they are then --speaker @PLACE.",
               FILE, longest=_PATH, decides="pixels", one_film=True),
        Option("title", "What the film is called in its file (the sound's file name).", Kind("TEXT", read_title), longest=LONGEST_TITLE,
               one_film=True),
        Option("producer", "Who answers for the film, by name or code, in the AIGC field of GB 45438-2025 (longtake).", Kind("TEXT", read_title),
               longest=LONGEST_TITLE),
        Option("label", "Words to be seen in the picture, or en (AI-generated) or zh (AI 生成).", Kind("WORDS", read_label), longest=LONGEST_LABEL,
               decides="pixels"),
        Option("label_place", "The corner of the label (bottom-right).", HOW, words=PLACES, decides="pixels"),
        Option("label_seconds", "For how long the label is seen, from the start: 2 or more, or all (the default).",
               Kind("N", read_label_seconds), bounds=(0, 10**6), decides="pixels"),
        Option("watermark", "Hide an id in the picture, for `longtake whose` to find: auto (the film's own), up to 6 letters, or 12 hexadecimal digits.",
               Kind("ID", read_watermark), decides="pixels"),
        Option("num_clip", "At most this many clips; the sound may end before.", WHOLE, bounds=(1, 10**9), decides="pixels", published=True),
        Option("start_clip", "Only from this clip on (counted from 0): a part of the film, to --output-file.", WHOLE, bounds=(0, 10**9),
               published=True, one_film=True),
        Option("infer_frames", "Frames of a clip (48).", WHOLE, bounds=(1, 1200), decides="pixels", published=True),
        Option("sample_steps", "Denoising steps (4).", WHOLE, bounds=(1, 1000), decides="pixels", published=True),
        Option("base_seed", "The seed; -1 draws one.", WHOLE, bounds=(-1, (1 << 63) - 1), decides="pixels", published=True),
        Option("accept_short_audio", "Take a sound that is cut off as long as it is.", SWITCH, value=True, one_film=True),
        # A second of either; nobody's lips are further off.
        Option("audio_lead", "Frames by which the sound leads the picture (0).", WHOLE, bounds=(-25, 25), decides="pixels"),
    ),
    "where it goes": (
        Option("run", "The run's folder (runs/ and the film's hash), or a URL: s3://, gs://, az://, file:// (docs/cluster.md).", RUN, longest=_PATH, one_film=True),
        Option("output_dir", "The run's folder too; a second film in it gets a folder of its own there.", FOLDER, longest=_PATH,
               published=True, aliases=(Alias("save-dir"),)),
        Option("output_file", "Also put the film here.", FILE, longest=_PATH, published=True, aliases=(Alias("save-file"),)),
        Option("live", "Keep the film playable while it is made: an HLS playlist, RUN/live/film.m3u8.", SWITCH, value=True),
        Option("grow", "The same, and one mp4 that grows, RUN/live/film.mp4.", SWITCH, value=True),
        Option("overwrite", "--output-file may replace a file.", SWITCH, value=True, one_film=True),
    ),
    "the large models": (
        Option("weights", "The folder of the published weights (or owner/name, as the hub calls it).", Kind("DIR"), longest=_PATH,
               models=LARGE, unknown="its own weights are in the package", decides="pixels", aliases=(Alias("ckpt-dir"),)),
        Option("lora", "liveavatar.safetensors, where it does not lie with the weights.", Kind("FILE"), flag="lora-path-dmd", longest=_PATH,
               models=LARGE[:1], unknown="live-avatar always has its LoRA, the others have none", decides="pixels", published=True),
        Option("guidance", "How much prompt and sound are followed (4.5); for wan-s2v.", DECIMAL, flag="sample-guide-scale",
               models=LARGE[1:], unknown="it was distilled without guidance", decides="pixels", published=True),
        Option("negative_prompt", "What guidance leads away from, in words (nothing); for wan-s2v.", TEXT, longest=LONGEST_PROMPT, decides="pixels"),
        Option("whole_audio", "Hear the whole sound for every clip, as published, and not a window; slow where it is long.", SWITCH,
               value=True, models=LARGE, unknown="it hears no further than its margin", decides="pixels"),
        Option("precision", "Linear layers and attention in eight bits: half the memory, a third quicker, other last bits.", HOW, flag="fp8",
               value="fp8", words=("fp8",), models=LARGE, unknown="two CPU cores are slower in eight bits", decides="pixels", published=True),
        Option("device", "auto, cpu or cuda.", NAME, words=("auto", "cpu", "cuda"), models=LARGE, unknown="it is at home on a CPU",
               decides="last bits"),
        Option("device_memory", "What may be used of the card, such as 60GB (all that is free).", BYTES, bounds=(1, 10**15), models=LARGE,
               unknown=_NO_CARD),
        Option("on_low_memory", "Where the card has no room for the size: refuse, or step-down to a smaller one.", HOW,
               words=("refuse", "step-down"), models=LARGE, unknown=_NO_CARD, decides="pixels"),
        Option("offload_model", "Parts that are not in use wait on the host: True or False; the same bytes.", TRUTH, models=LARGE,
               unknown="a placement, and two CPU cores have nothing to place", published=True),
    ),
    "several cards": (
        Option("gpus", "Share the denoiser out over so many cards, or over these (0,2); on a CPU over processes; the same bytes, but for --parallel heads.", CARDS),
        Option("parallel", "What is shared out: steps (each card has the whole model), layers (each has a part of it), heads (each has the whole model and a part of every block; other last bits) or auto, by memory.", HOW,
               words=("auto", "steps", "layers", "heads"), decides="last bits"),
    ),
    "order and speed": (
        Option("offline", "Denoise everything first, then decode; the same bytes.", SWITCH, value=True,
               aliases=(Alias("enable-online-decode", "Decode each clip as soon as it is denoised; the default.", value=False),)),
        Option("ahead", "How many clips the denoiser may run ahead of the disk (2).", WHOLE, bounds=(0, 1000)),
        Option("clip_batch_size", "At most this many clips wait for the decoder; the same bytes for each.", WHOLE, bounds=(1, 1000),
               published=True),
        Option("threads", "CPU threads of the denoiser and of the decoder; decides the last bits.", WHOLE, bounds=(1, 1024),
               decides="last bits"),
        Option("accept_joint", "Go on with a run that another machine or version began.", SWITCH, value=True, decides="last bits",
               one_film=True),
        Option("retry_limit", "Tries a clip (3).", WHOLE, bounds=(1, 1000)),
        Option("retry_delay", "Seconds before the second try (1); before each later one twice as many.", SECONDS, bounds=(0, 86_400)),
        Option("stall_limit", "Seconds without a move after which a device is held for hung (900; 0: never).", SECONDS, bounds=(0, 31_536_000)),
    ),
    "what stays on disk": (
        Option("keep_frames", "Raw frames to keep: auto, all, none or a number of clips.", KEPT, words=("auto", "all", "none")),
        Option("keep_steps", "Latents of every step to keep: all, none or a number of clips.", KEPT, words=("all", "none")),
        Option("disk_budget", "What the run may take, such as 20GB: raw frames stay if all of it fits (half of what is free).", BYTES,
               bounds=(1, 10**18)),
        Option("carry_every", "Clips between two state checkpoints of the denoiser; auto, by what they cost (the default), or 0 for none.",
               SPACING, bounds=(-1, 10**6)),
        Option("carry_anchors", "Keep every N-th state checkpoint for retakes (0: none).", WHOLE, bounds=(0, 10**6)),
    ),
}
# fmt: on
"""In the order of the help."""
OPTIONS = {option.name: option for group in GROUPS.values() for option in group}
"""All of them by name."""
