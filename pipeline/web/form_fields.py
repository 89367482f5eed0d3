"""The fields of the page's form, made from the one table of options (tasks/options.py): a field an option, the same words as on the command line."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from model import registry
from pipeline.web.flag_help_chinese import HELP
from pipeline.web.page_texts import Say
from tasks.options import GROUPS, KEPT, OPTIONS, SIZE, TRUTH, Option

if TYPE_CHECKING:
    from gradio.components import Component

SETTLED = {"image", "audio", "run", "output_dir", "output_file", "overwrite"}
SETTLED |= {"start_clip", "title", "script", "pose_video", "speaker", "turns"}
"""What the page has its own way for, or which names a place on the server's disk: a film's folder is the server's to choose, and its file is downloaded."""
FIRST = ("prompt", "model", "size")
"""Those that stand above the others, always seen."""
SIZES = ("256*256", "384*384", "512*512", "704*384", "384*704")
"""Offered; any other may be typed."""
ONLINE = "offline"
"""The option behind the switch "Enable Online Decode", which says the opposite."""
SWITCHED_ON = (ONLINE, "live")
"""Switches that are on in a new form."""


def build_picture_field(**names: Any) -> "Component":
    """The field of a picture's file, which gives its path, whatever is in it. Gradio would open it first, and where that fails show its own fault with the names of all fields."""
    field = gr.Image(type="filepath", image_mode=None, **names)
    read = field.preprocess

    def take_file(payload: Any) -> str | None:
        """The path as it is; a picture within the words (a camera's) as Gradio keeps it."""
        within = payload is None or not payload.path or (payload.url or "").startswith("data:")
        return read(payload) if within else str(payload.path)

    field.preprocess = (
        take_file  # on the object: of a class of ours Gradio writes a .pyi beside this file
    )
    return field


def list_fields() -> dict[str, tuple[Option, ...]]:
    """The options of the form in their groups, in the order of the command line's help."""
    groups = {
        title: tuple(each for each in options if each.name not in SETTLED)
        for title, options in GROUPS.items()
    }
    return {title: options for title, options in groups.items() if options}


def field_names() -> tuple[str, ...]:
    """The names of the form's options, in the order in which `collect_flags` takes their values."""
    return tuple(option.name for options in list_fields().values() for option in options)


def collect_flags(values: Sequence[object]) -> dict[str, str]:
    """What was asked for, by the flag's name, as a job takes it; a field that was left as it is says nothing."""
    given = zip(field_names(), values, strict=True)
    words = ((OPTIONS[name], word_of(OPTIONS[name], value)) for name, value in given)
    return {option.spelling: word for option, word in words if word}


def word_of(option: Option, value: object) -> str:
    """The word that a field's value is; empty where it asks for nothing but what is usual."""
    if not is_switch(option):
        return "" if value is None else str(value).strip()
    if bool(value) == (option.name in SWITCHED_ON):
        return ""
    return "yes" if value or option.name == ONLINE else "no"


def is_switch(option: Option) -> bool:
    """Whether an option is said or not, without a word."""
    return option.value is not None


def help_of(option: Option, language: str) -> str:
    """What an option does, in one sentence, as Markdown."""
    words = HELP[option.name] if language == "zh" else option.help
    return words.replace("*", "×")  # two of them would make it slanted


def label_of(option: Option, say: Say) -> str:
    """The name over a field: the flag, as the command line and the documentation have it."""
    return say("online") if option.name == ONLINE else f"--{option.spelling}"


def build_field(option: Option, say: Say, language: str) -> "Component":
    """The Gradio component of one option, which says nothing until it is set."""
    names = {"label": label_of(option, say), "elem_id": f"lt-field-{option.name}"}
    told = help_of(option, language)
    if is_switch(option):
        told = say("online_help") if option.name == ONLINE else told
        return gr.Checkbox(option.name in SWITCHED_ON, info=told, **names)
    if option.name == "prompt":
        names["label"] = say("prompt")
        return gr.Textbox(info=told, placeholder=say("prompt_hint"), lines=2, max_lines=6, **names)
    if choices := list(choices_of(option)):
        shown = [(say("default"), ""), *((each, each) for each in choices)]
        typed = option.kind in {SIZE, KEPT}
        return gr.Dropdown(shown, value="", info=told, allow_custom_value=typed, **names)
    return gr.Textbox(info=told, placeholder=option.kind.metavar, max_lines=1, **names)


def choices_of(option: Option) -> Iterator[str]:
    """The words that are offered for an option; none where it is typed."""
    known: Mapping[str, Sequence[str]] = {"model": tuple(registry.MODELS), "size": SIZES}
    yield from known.get(option.name, option.words)
    if option.kind is TRUTH:
        yield from ("True", "False")
