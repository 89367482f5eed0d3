"""The tab in which a film is asked for: picture, sound, every flag, the plan, and the button."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from model import avatar, registry
from pipeline.jobs.input_words import EXTRA_FILES, SPEAKERS
from pipeline.jobs.job_request import JobRequest
from pipeline.web.extra_fields import ExtraFields, read_extras
from pipeline.web.face_click import ToldFace, draw_boxes, look_at_picture, tell_by_click
from pipeline.web.form_fields import (
    FIRST,
    build_field,
    build_picture_field,
    collect_flags,
    field_names,
    list_fields,
)
from pipeline.web.page_context import PageContext
from pipeline.web.plan_card import render_fault, render_hint, render_plan
from storage.errors import LongtakeError
from tasks.options import read_size

if TYPE_CHECKING:
    from gradio.components import Component
    from PIL.Image import Image

    from pipeline.web.face_click import SeenPicture

OPEN = "the film"
"""The group of flags that is not folded away."""
FACE_FIELDS = ("mouth", "eyes", "face")
VIEW_FIELDS = ("model", "size", "crop")
"""What decides which faces the film sees."""
EXTRAS = len((*EXTRA_FILES, *SPEAKERS))
"""Values of ExtraFields, which stand before those of the flags."""


@dataclass
class FormTab:
    """The components of the form, and what happens to them."""

    context: PageContext
    picture: "Component" = field(init=False)
    sound: "Component" = field(init=False)
    face: "Component" = field(init=False)
    click: "Component" = field(init=False)
    note: "Component" = field(init=False)
    plan: "Component" = field(init=False)
    make: gr.Button = field(init=False)
    fields: "dict[str, Component]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.extras = ExtraFields(self.context.say)

    def build(self) -> None:
        """Lay the form out; inside of a tab."""
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                self._build_inputs()
            with gr.Column(scale=6, min_width=320):
                self._build_field_groups()
        self._connect()

    def _build_inputs(self) -> None:
        say = self.context.say
        self.picture = build_picture_field(
            label=say("picture"), height=300,
            sources=["upload", "webcam", "clipboard"], elem_id="lt-picture",
        )  # fmt: skip
        self.sound = gr.Audio(
            label=say("sound"), type="filepath", format=None,
            sources=["upload", "microphone"], elem_id="lt-sound",
        )  # fmt: skip
        with gr.Column(visible=False) as self.face_group:
            self.face = gr.Image(
                label=say("face"), type="pil", interactive=False, height=300, format="png",
                buttons=[], elem_id="lt-face",
            )  # fmt: skip
            told = [(say(f"click_{what}"), what) for what in ("mouth", "eyes", "face")]
            self.click = gr.Radio(told, value="mouth", label=say("click_tells"), container=True)
            self.note = gr.HTML()

    def _build_field_groups(self) -> None:
        say, groups = self.context.say, list_fields()
        first = [option for option in groups[OPEN] if option.name in FIRST]
        self._build_fields(first[:1])
        with gr.Row():
            self._build_fields(first[1:])
        with gr.Accordion(say("directing"), open=False, elem_classes="lt-group"):
            self.extras.build_script()
        with gr.Accordion(say("speakers"), open=False, elem_classes="lt-group"):
            self.extras.build_speakers()
        online = [option for option in groups["order and speed"] if option.name == "offline"]
        self._build_fields(online)
        self.plan = gr.HTML(render_hint(say("plan_empty")), elem_id="lt-plan")
        self.make = gr.Button(say("make"), variant="primary", elem_id="lt-make", size="lg")
        gr.HTML(f"<p class=lt-note>{say('made_by_ai')}</p>")
        for title, options in groups.items():
            with gr.Accordion(say(title), open=False, elem_classes="lt-group"):
                self._build_fields([each for each in options if each.name not in self.fields])

    def _build_fields(self, options: Any) -> None:
        for option in options:
            self.fields[option.name] = build_field(option, self.context.say, self.context.language)

    @property
    def inputs(self) -> "list[Component]":
        """Picture, sound and every field, as `plan_film` and `make_film` take them."""
        flags = (self.fields[name] for name in field_names())
        return [self.picture, self.sound, *self.extras.components, *flags]

    def _connect(self) -> None:
        """Show faces and plan whenever something is given or changed."""
        quietly = {
            "show_progress": "hidden",
            "trigger_mode": "always_last",
            "api_visibility": "private",
        }
        given: list[Any] = self.inputs
        gr.on([each.change for each in given], self.plan_film, self.inputs, self.plan, **quietly)
        told = [self.fields[name] for name in FACE_FIELDS]
        view = [self.fields[name] for name in VIEW_FIELDS]
        gr.on(
            [each.change for each in (self.picture, *told, *view)],
            self.show_faces, [self.picture, *told, *view], [self.face_group, self.face, self.note], **quietly,
        )  # fmt: skip
        self.face.select(self.take_click, [self.picture, self.click, *told, *view], told, **quietly)

    def plan_film(self, picture: str | None, sound: str | None, *values: object) -> str:
        """The card of the plan for what the form says now; a one-line error where that cannot be made."""
        say, jobs = self.context.say, self.context.jobs
        if not picture or not sound:
            return render_hint(say("plan_empty"))
        if ToldFace(eyes=collect_flags(values[EXTRAS:]).get("eyes", "")).half_an_eye:
            return render_hint(say("eye_told"))
        try:
            plan = jobs.plan(build_request(picture, sound, values))
        except LongtakeError as error:
            return render_fault(error)
        return render_plan(plan, say, self._find_rate(plan["film"]))

    def _find_rate(self, film: Any) -> float | None:
        """Frames a second of the last film of this model and size."""
        size = (film["model"], film["width"], film["height"])
        return next(
            (each.frames_a_second for each in self.context.jobs.list_jobs()
             if (each.model, each.width, each.height) == size and each.frames_a_second),
            None,
        )  # fmt: skip

    def make_film(self, picture: str | None, sound: str | None, *values: object) -> tuple[str, str]:
        """Put the film into the queue: its name and the note for the page; no name and the error where it is refused."""
        say = self.context.say
        if not picture or not sound:
            return "", render_fault(say("plan_empty"))
        try:
            job = self.context.jobs.submit(build_request(picture, sound, values))
        except LongtakeError as error:
            return "", render_fault(error)
        return job.name, render_hint(say("started"))

    def show_faces(self, picture: str | None, *words: Any) -> "tuple[Any, Image | None, str]":
        """The picture with the boxes of the face that will speak, and what there is to say of it; hidden where there is no picture."""
        if not picture:
            return gr.Column(visible=False), None, ""
        told, view = read_told(words), words[3:]
        try:
            seen = see_picture(picture, *view)
        except (LongtakeError, ValueError) as error:
            line = str(error).replace(picture, Path(picture).name)
            return gr.Column(visible=True), None, render_fault(line)
        return (
            gr.Column(visible=True),
            draw_boxes(seen, told),
            self._describe_faces(seen, told, view),
        )

    def _describe_faces(self, seen: "SeenPicture", told: ToldFace, view: Any) -> str:
        say = self.context.say
        if not traits_of(view[0]).needs_face:
            return f"<p class=lt-note>{say('no_face_needed')}</p>"
        if told.half_an_eye:
            return f"<p class=lt-note>{say('eye_told')}</p>"
        if not seen.faces and not (told.mouth and told.eyes):
            return f"<p class=lt-note>{say('no_face')}</p>"
        return f"<p class=lt-note>{say('faces_found', count=len(seen.faces))}</p>"

    def take_click(
        self, event: gr.SelectData, picture: str, what: str, *words: Any
    ) -> tuple[str, str, str]:
        """The words of --mouth, --eyes and --face after a click on the picture."""
        told = read_told(words)
        try:
            seen = see_picture(picture, *words[3:])
        except (LongtakeError, ValueError):
            return told.mouth, told.eyes, told.face
        point = event.index[0] / seen.scale, event.index[1] / seen.scale
        told = tell_by_click(seen, told, point, what)
        return told.mouth, told.eyes, told.face


def build_request(picture: str, sound: str, values: Any) -> JobRequest:
    """The job that a form asks for; the values of ExtraFields come first."""
    extras, speakers = read_extras(values[:EXTRAS])
    flags = collect_flags(values[EXTRAS:])
    return JobRequest(
        Path(picture),
        Path(sound),
        flags,
        extras,
        speakers,
        flags.get("prompt", "")[:80] or Path(sound).stem,
    )


def read_told(words: Any) -> ToldFace:
    """What the fields --mouth, --eyes and --face say; their values come first."""
    return ToldFace(*(str(word or "").strip() for word in words[:3]))


def traits_of(model: str) -> "avatar.ModelTraits":
    """The numbers of a model by its name; of the first one where none is named."""
    return registry.describe_model(model or next(iter(registry.MODELS)), avatar.Options())


def see_picture(picture: str, model: str, size: str, crop: str) -> "SeenPicture":
    """The picture and the faces that a film of this size would find in it. Raises BadImage, BadSize, ValueError."""
    traits = traits_of(model)
    sides = read_size(size) if size else (traits.default_width, traits.default_height)
    return look_at_picture(Path(picture), traits, sides, crop or "cover")
