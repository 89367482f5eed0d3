"""Live Avatar's flags and ours: one table, from which come the parser of `new`, its help and docs/flags.md."""

from dataclasses import replace
from pathlib import Path

from pipeline.options.flag import (
    Flag,
    read_bytes,
    read_choice,
    read_crop,
    read_decimal,
    read_kept,
    read_number,
    read_size,
    read_spacing,
    read_truth,
    read_whole,
    write_table,
)

# What a person asks for; in the order of the help.
FILM = (
    Flag("image", "The picture, as the first argument.", ("image",), Path, "FILE", published=True),
    Flag(
        "audio",
        "The soundtrack, or a film that has one; the same as the second argument.",
        ("audio",),
        Path,
        "FILE",
        published=True,
    ),
    Flag("prompt", "What the film shows, in words.", ("prompt",), published=True),
    Flag("model", "Who draws it: pocket, live-avatar or wan-s2v.", ("model",), metavar="NAME"),
    Flag(
        "size",
        "Width*height of the film (256*256).",
        ("width", "height"),
        read_size,
        "W*H",
        published=True,
    ),
    Flag(
        "size-as-area",
        "Take --size for an area and fill it in the picture's shape, as published.",
        ("size_as_area",),
        constant=True,
    ),
    Flag(
        "crop",
        "How the picture fits: cover cuts both sides alike, top, centre, bottom, left and right say what is kept, contain shows all, exact changes nothing.",
        ("crop",),
        read_crop,
        "HOW",
    ),
    Flag(
        "num-clip",
        "At most this many clips; the sound may end before.",
        ("num_clip",),
        read_whole,
        "N",
        published=True,
    ),
    Flag(
        "start-clip",
        "Only from this clip on (counted from 0): a part of the film, to --output-file.",
        ("start_clip",),
        read_whole,
        "N",
        published=True,
    ),
    Flag(
        "infer-frames", "Frames of a clip (48).", ("infer_frames",), read_whole, "N", published=True
    ),
    Flag(
        "sample-steps", "Denoising steps (4).", ("sample_steps",), read_whole, "N", published=True
    ),
    Flag("base-seed", "The seed; -1 draws one.", ("base_seed",), read_whole, "N", published=True),
    Flag(
        "accept-short-audio",
        "Take a sound that is cut off as long as it is.",
        ("accept_short_audio",),
        constant=True,
    ),
    Flag(
        "audio-lead",
        "Frames by which the sound leads the picture (0).",
        ("audio_lead",),
        read_whole,
        "N",
    ),
)
FOLDERS = (
    Flag("run", "The run's folder (runs/ and the film's hash).", ("run",), Path, "DIR"),
    Flag(
        "output-dir",
        "The run's folder too; a second film in it gets a folder of its own there.",
        ("output_dir",),
        Path,
        "DIR",
        published=True,
    ),
    Flag("output-file", "Also put the film here.", ("output_file",), Path, "FILE", published=True),
    Flag("overwrite", "--output-file may replace a file.", ("overwrite",), constant=True),
    Flag("save-dir", "The same as --output-dir.", ("output_dir",), Path, "DIR", published=True),
    Flag("save-file", "The same as --output-file.", ("output_file",), Path, "FILE", published=True),
)
ORDER = (
    Flag(
        "enable-online-decode",
        "Decode each clip as soon as it is denoised; the default.",
        ("offline",),
        constant=False,
        published=True,
    ),
    Flag(
        "offline",
        "Denoise everything first, then decode; the same bytes.",
        ("offline",),
        constant=True,
    ),
    Flag(
        "ahead",
        "How many clips the denoiser may run ahead of the disk (2).",
        ("ahead",),
        read_whole,
        "N",
    ),
    Flag(
        "clip-batch-size",
        "At most this many clips wait for the decoder; the same bytes for each.",
        ("clip_batch_size",),
        read_whole,
        "N",
        published=True,
    ),
    Flag(
        "threads",
        "CPU threads of the denoiser and of the decoder; decides the last bits.",
        ("threads",),
        read_whole,
        "N",
    ),
    Flag(
        "accept-joint",
        "Go on with a run that another machine or version began.",
        ("accept_joint",),
        constant=True,
    ),
    Flag("retry-limit", "Tries a clip (3).", ("retry_limit",), read_whole, "N"),
    Flag(
        "retry-delay",
        "Seconds before the second try (1); before each later one twice as many.",
        ("retry_delay",),
        read_number,
        "SECONDS",
    ),
    Flag(
        "stall-limit",
        "Seconds without a move after which a device is held for hung (900; 0: never).",
        ("stall_limit",),
        read_number,
        "SECONDS",
    ),
)
DISK = (
    Flag(
        "keep-frames",
        "Raw frames to keep: auto, all, none or a number of clips.",
        ("keep_frames",),
        read_kept("auto", "all", "none"),
        "WHICH",
    ),
    Flag(
        "keep-steps",
        "Latents of every step to keep: all, none or a number of clips.",
        ("keep_steps",),
        read_kept("all", "none"),
        "WHICH",
    ),
    Flag(
        "disk-budget",
        "What the run may take, such as 20GB: raw frames stay if all of it fits (half of what is free).",
        ("disk_budget",),
        read_bytes,
        "SIZE",
    ),
    Flag(
        "carry-every",
        "Clips between two saved states of the denoiser; auto, by what they cost (the default), or 0 for none.",
        ("carry_every",),
        read_spacing,
        "N",
    ),
    Flag(
        "carry-anchors",
        "Keep every N-th saved state for retakes (0: none).",
        ("carry_anchors",),
        read_whole,
        "N",
    ),
)

WEIGHTS = (
    Flag(
        "weights",
        "The folder of the published weights (or owner/name, as the hub calls it).",
        ("weights",),
        metavar="DIR",
    ),
    Flag("ckpt-dir", "The same as --weights.", ("weights",), metavar="DIR", published=True),
    Flag(
        "lora-path-dmd",
        "liveavatar.safetensors, where it does not lie with the weights.",
        ("lora",),
        metavar="FILE",
        published=True,
    ),
    Flag(
        "sample-guide-scale",
        "How much prompt and sound are followed (4.5); for wan-s2v.",
        ("guidance",),
        read_decimal,
        "N",
        published=True,
    ),
    Flag(
        "whole-audio",
        "Hear the whole sound for every clip, as published, and not a window; slow where it is long.",
        ("whole_audio",),
        constant=True,
    ),
    Flag(
        "fp8",
        "Linear layers and attention in eight bits: half the memory, a third quicker, other last bits.",
        ("precision",),
        constant="fp8",
        published=True,
    ),
    Flag("device", "auto, cpu or cuda.", ("device",), read_choice("auto", "cpu", "cuda"), "NAME"),
    Flag(
        "device-memory",
        "What may be used of the card, such as 60GB (all that is free).",
        ("device_memory",),
        read_bytes,
        "SIZE",
    ),
    Flag(
        "on-low-memory",
        "Where the card has no room for the size: refuse, or step-down to a smaller one.",
        ("on_low_memory",),
        read_choice("refuse", "step-down"),
        "HOW",
    ),
    Flag(
        "offload-model",
        "Parts that are not in use wait on the host: True or False; the same bytes.",
        ("offload_model",),
        read_truth,
        "TRUTH",
        published=True,
    ),
)

_PLACED = (
    "longtake places the parts by itself, on one device; --offload-model is what there is to say"
)
_LORA = "live-avatar always has its LoRA, the others have none"
_NO_SPEECH = "longtake makes no speech; make the sound first and pass it as --audio"
_NO_REWRITING = "no prompt is rewritten here; pass the words that you want as --prompt"
_NO_EFFECT = "it is read and never used where it was published, too"
_ANIMATE = "it belongs to Wan2.2-Animate, which turns a film into another; longtake starts from one picture"
_NO_PAGE = "there is no page yet; start the film with `longtake new`"


def _ignored_flag(name: str, did: str, reason: str, *, takes: bool = True) -> Flag:
    return Flag(name, did, constant=None if takes else True, published=True, ignored=reason)


def _dropped_flag(
    name: str, did: str, reason: str, *, takes: bool = True, free: tuple[str, ...] = ()
) -> Flag:
    """One that is ignored, and whose effect a person may miss."""
    return replace(_ignored_flag(name, did, reason, takes=takes), costs=True, free=free)


def _refused_flag(name: str, did: str, reason: str, *, takes: bool = True) -> Flag:
    return Flag(name, did, constant=None if takes else True, published=True, refused=reason)


PUBLISHED_ONLY = (
    Flag(
        "task",
        "Which model.",
        published=True,
        only=("s2v-14B",),
        ignored="--model says who draws",
        refused="longtake makes talking films (s2v) only",
    ),
    Flag(
        "sample-solver",
        "Which solver.",
        published=True,
        only=("euler", "unipc"),
        ignored="each model has the one that it was published with",
        refused="there is Euler, and UniPC for wan-s2v: each model has the one that it was published with",
    ),
    Flag(
        "ulysses-size",
        "Processes that share one attention.",
        published=True,
        only=("1",),
        ignored="one process draws the film",
        refused="one process draws the film; leave it out",
    ),
    _ignored_flag(
        "training-config",
        "The training's configuration, read for sizes.",
        "a model knows its own sizes",
    ),
    _ignored_flag("load-lora", "Merge the LoRA.", _LORA, takes=False),
    replace(_dropped_flag("lora-path", "Which LoRA.", _NO_EFFECT), place=True),
    _ignored_flag(
        "using-merged-ckpt", "The weights have the LoRA in them.", _NO_EFFECT, takes=False
    ),
    _ignored_flag(
        "offload-kv-cache", "The rings to the host while they are not used.", _PLACED, takes=False
    ),
    _ignored_flag(
        "convert-model-dtype",
        "Weights to bf16.",
        "weights are computed with as they are published",
        takes=False,
    ),
    _ignored_flag("t5-cpu", "The text encoder on the CPU.", _PLACED, takes=False),
    _dropped_flag("t5-fsdp", "The text encoder over several cards.", _PLACED, takes=False),
    _dropped_flag("dit-fsdp", "The transformer over several cards.", _PLACED, takes=False),
    _ignored_flag("single-gpu", "One card.", _PLACED, takes=False),
    _dropped_flag("num-gpus-dit", "Cards for the transformer.", _PLACED, free=("1",)),
    _dropped_flag(
        "enable-vae-parallel", "A card of its own for the decoder.", _PLACED, takes=False
    ),
    _dropped_flag(
        "sample-shift", "The schedule's shift.", _NO_EFFECT + "; the schedule is the model's own"
    ),
    _dropped_flag(
        "frame-num", "Frames of the film.", _NO_EFFECT + "; the sound decides, --num-clip cuts"
    ),
    _dropped_flag("start-from-ref", "Begin at the picture.", _NO_EFFECT, takes=False),
    _ignored_flag("drop-motion-noisy", "No noise on the motion latents.", _NO_EFFECT, takes=False),
    _dropped_flag("use-dataset", "Take a sample of a dataset.", _NO_EFFECT, takes=False),
    _dropped_flag("dataset-sample-idx", "Which sample.", _NO_EFFECT),
    _refused_flag(
        "pose-video", "Poses from a film.", "pocket takes no poses: its head moves with the sound"
    ),
    _refused_flag("use-prompt-extend", "Have the prompt rewritten.", _NO_REWRITING, takes=False),
    _ignored_flag("prompt-extend-method", "Who rewrites the prompt.", _NO_REWRITING),
    _ignored_flag("prompt-extend-model", "With which model.", _NO_REWRITING),
    _ignored_flag("prompt-extend-target-lang", "Into which language.", _NO_REWRITING),
    _refused_flag("enable-tts", "Have the speech made.", _NO_SPEECH, takes=False),
    _dropped_flag("tts-prompt-audio", "Whose voice.", _NO_SPEECH),
    _dropped_flag("tts-prompt-text", "What that voice says.", _NO_SPEECH),
    _dropped_flag("tts-text", "The words.", _NO_SPEECH),
    _refused_flag(
        "sample-list",
        "A file of many films (batch_eval).",
        "one command is one film; loop over `longtake new`",
    ),
    _refused_flag("server-port", "The page's port (gradio_app).", _NO_PAGE),
    _refused_flag("server-name", "The page's address (gradio_app).", _NO_PAGE),
    _refused_flag("src-root-path", "A film to animate (Wan2.2).", _ANIMATE),
    _refused_flag("refert-num", "Frames of overlap (Wan2.2).", _ANIMATE),
    _refused_flag("replace-flag", "Replace the actor (Wan2.2).", _ANIMATE, takes=False),
    _refused_flag("use-relighting-lora", "Relight the actor (Wan2.2).", _ANIMATE, takes=False),
)

GROUPS = {
    "the film": FILM,
    "where it goes": FOLDERS,
    "the large models": WEIGHTS,
    "order and speed": ORDER,
    "what stays on disk": DISK,
}
FLAGS = (*FILM, *FOLDERS, *WEIGHTS, *ORDER, *DISK, *PUBLISHED_ONLY)


if __name__ == "__main__":
    Path("docs/flags.md").write_text(write_table(FLAGS), encoding="utf-8")
