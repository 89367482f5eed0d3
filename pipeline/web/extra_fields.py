"""The fields of the page's form for files beside picture and sound: a script, a table of turns, poses, and further speakers with their places."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from pipeline.jobs.input_words import (
    EXTRA_FILES,
    FURTHER_SOUNDS,
    POSES,
    SCRIPT,
    SPEAKERS,
    TURNS,
    take_places,
)
from pipeline.web.page_texts import Say

if TYPE_CHECKING:
    from gradio.components import Component

SUFFIXES = {SCRIPT: [".toml", ".json", ".csv", ".srt"], TURNS: [".csv"], POSES: ["video"]}
"""What a browser offers for a file; the check that follows decides."""


@dataclass
class ExtraFields:
    """The components, by the names of EXTRA_FILES and SPEAKERS."""

    say: Say
    fields: "dict[str, Component]" = field(default_factory=dict)

    def build_script(self) -> None:
        """Lay out the files that direct a film."""
        for name in (SCRIPT, POSES):
            self.fields[name] = self._build_file(name)

    def build_speakers(self) -> None:
        """Lay out the places and sounds of several speakers."""
        gr.HTML(f"<p class=lt-note>{self.say('speakers_help')}</p>")
        for number, name in enumerate(SPEAKERS, 1):
            self.fields[name] = gr.Textbox(
                label=self.say("speaker_place", number=number), max_lines=1,
                placeholder=f"face:{number}", elem_id=f"lt-{name}",
            )  # fmt: skip
            if number > 1:
                sound = FURTHER_SOUNDS[number - 2]
                self.fields[sound] = gr.Audio(
                    label=self.say("speaker_sound", number=number), type="filepath", format=None,
                    sources=["upload", "microphone"], elem_id=f"lt-{sound}",
                )  # fmt: skip
        self.fields[TURNS] = self._build_file(TURNS)

    def _build_file(self, name: str) -> "Component":
        return gr.File(
            label=f"--{name}: {self.say(f'{name}_file')}", type="filepath",
            file_types=SUFFIXES[name], height=150, elem_id=f"lt-{name}",
        )  # fmt: skip

    @property
    def components(self) -> "list[Component]":
        """All of them, in the order in which `read_extras` takes their values."""
        return [self.fields[name] for name in (*EXTRA_FILES, *SPEAKERS)]


def read_extras(values: Sequence[object]) -> tuple[Mapping[str, Path], tuple[str, ...]]:
    """The files that were given, by name, and the places of the speakers."""
    given = dict(zip((*EXTRA_FILES, *SPEAKERS), values, strict=True))
    files = {name: Path(str(given[name])) for name in EXTRA_FILES if given[name]}
    return files, take_places({name: str(given[name] or "") for name in SPEAKERS})
