"""The flags of the command line: a flag or two for each of tasks/options.py, and what Live Avatar and Wan2.2 have besides."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.options.flag import Flag
from tasks.options import GROUPS as OPTIONS_IN_GROUPS
from tasks.options import OPTIONS, Option

_PLACED = (
    "longtake places the parts by itself, on one device; --offload-model is what there is to say"
)
_LORA = "live-avatar always has its LoRA, the others have none"
_NO_SPEECH = "longtake makes no speech; make the sound first and pass it as --audio"
_NO_REWRITING = "no prompt is rewritten here; pass the words that you want as --prompt"
_NO_EFFECT = "it is read and never used where it was published, too"
_ANIMATE = "it belongs to Wan2.2-Animate, which turns a film into another; longtake starts from one picture"
_NO_PAGE = "the page is a command of its own, for all films: `longtake web --host NAME --port P`"


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
        "offload-kv-cache", "The KV cache to the host while it is not used.", _PLACED, takes=False
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
        "a table of films is a verb of its own: `longtake batch films.csv`",
    ),
    _refused_flag("server-port", "The page's port (gradio_app).", _NO_PAGE),
    _refused_flag("server-name", "The page's address (gradio_app).", _NO_PAGE),
    _refused_flag("src-root-path", "A film to animate (Wan2.2).", _ANIMATE),
    _refused_flag("refert-num", "Frames of overlap (Wan2.2).", _ANIMATE),
    _refused_flag("replace-flag", "Replace the actor (Wan2.2).", _ANIMATE, takes=False),
    _refused_flag("use-relighting-lora", "Relight the actor (Wan2.2).", _ANIMATE, takes=False),
)


def _flags_of(option: Option) -> Iterator[Flag]:
    """Its own, then its aliases."""
    own = Flag(option.spelling, option.help, option, option.value, published=option.published)
    yield own
    for alias in option.aliases:
        does = alias.help or f"The same as {own.spelling}."
        yield Flag(alias.flag, does, option, alias.value, published=True)


GROUPS = {
    title: tuple(flag for option in options for flag in _flags_of(option))
    for title, options in OPTIONS_IN_GROUPS.items()
}
"""Those that work, in the order of the help."""
FLAGS = (*(flag for flags in GROUPS.values() for flag in flags), *PUBLISHED_ONLY)


def write_page() -> str:
    """docs/flags.md: all that can be asked, and what becomes of every published flag."""
    title = "| flag | what it says | here | why |"
    return "\n".join(
        [
            "# Flags",
            "",
            "Made from `tasks/options.py` and `pipeline/options/flags.py` by `python -m pipeline.options.flags`; a test holds them together.",
            "",
            "## All that can be asked",
            "",
            "What a flag says, `LONGTAKE_…` says for every film (`LONGTAKE_CARRY_EVERY=8`), and so does `longtake.toml` of the working directory (`carry_every = 8`),",
            'but for what is marked "one film". A flag wins over the environment, that over the file.',
            "",
            "| flag | what it does | values | decides |",
            "|---|---|---|---|",
            *(_option_row(option) for option in OPTIONS.values()),
            "",
            "## Live Avatar's and Wan2.2's flags",
            "",
            "`longtake --prompt … --image … --audio …` reads a Live Avatar command line as it is published, with dashes or underscores, also with the",
            "launcher and the script in front (`torchrun … s2v_streaming_interact.py`), whose words are dropped. Each flag works, is ignored with one line,",
            "or is refused with the reason before any work. `longtake new` takes the same flags.",
            "",
            title,
            "|---|---|---|---|",
            *(_published_row(flag) for flag in FLAGS if flag.published),
            "",
        ]
    )


def _option_row(option: Option) -> str:
    values = ", ".join(option.words) or option.kind.metavar
    if option.bounds:
        values = f"{option.bounds[0]} to {option.bounds[1]}"
    more = [f"for {', '.join(option.models)}"] if option.models else []
    more += ["one film"] if option.one_film else []
    if option.value is not None:
        values = ""
    values = "; ".join(part for part in (values, *more) if part)
    return f"| `--{option.spelling}` | {option.help} | {values} | {option.decides} |"


def _published_row(flag: Flag) -> str:
    outcome: str = flag.outcome
    reason = flag.ignored or flag.refused
    if flag.only:
        outcome = f"ignored for {', '.join(flag.only)}, else refused"
        reason = f"{flag.ignored}; {flag.refused}"
    return f"| `{flag.spelling}` | {flag.does} | {outcome} | {reason} |"


if __name__ == "__main__":
    Path("docs/flags.md").write_text(write_page(), encoding="utf-8")
