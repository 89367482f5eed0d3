"""What goes over the wire about runs, and the forms and examples of the description at /openapi.json."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.jobs.flag_words import FORM_FLAGS
from pipeline.jobs.input_words import EXTRA_FILES, FURTHER_SOUNDS, SPEAKERS
from pipeline.jobs.job_view import JobView
from storage.speaker import MOST_SPEAKERS

EXTRAS = {
    "script": "A .toml, .json, .csv or .srt: from when to when which prompt.",
    "turns": "A .csv of from,until,speaker: who of several speakers has the one sound.",
    "pose-video": "A film of skeletons, for the large models.",
    **dict.fromkeys(FURTHER_SOUNDS, "The sound of a further speaker."),
}
"""What the files beside picture and sound are."""
Flags = Annotated[
    dict[str, str],
    Field(
        description="Values as text by the flags' names in docs/flags.md; `yes` or `no` of those that take no word.",
        examples=[{"size": "256*256", "prompt": "She smiles."}],
    ),
]


@dataclass(frozen=True)
class RunBody(JobView):
    """A run as it is now, with the addresses of what can be asked for about it."""

    links: Mapping[str, str] = field(default_factory=dict)


class RunList(BaseModel):
    """Runs, the newest first."""

    runs: list[RunBody]
    total: int
    """How many there are in all."""


class CreateBody(BaseModel):
    """A film of files that lie on the server already."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"picture": "face.png", "sound": "speech.wav", "flags": {"size": "256*256"}}
            ]
        },
    )
    picture: str = Field(max_length=4096, description="A path below the server's folder of runs.")
    sound: str = Field(max_length=4096, description="The same.")
    files: dict[str, str] = Field(
        {}, description=f"Paths of further files, by name: {', '.join(EXTRA_FILES)}."
    )
    speakers: list[str] = Field(
        [],
        max_length=MOST_SPEAKERS,
        description="Where each of several speakers is: face:2, or x,y,w,h. The first one's sound is `sound`.",
    )
    title: str = Field("", max_length=200)
    flags: Flags = {}


class RetakeBody(BaseModel):
    """Which clips are made again."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"clip": 4, "until": 6}]}
    )
    clip: int = Field(ge=0, le=1_000_000_000, description="The first, from 0.")
    until: int | None = Field(
        None, ge=1, le=1_000_000_000, description="The one after the last; none: to the end."
    )
    flags: Flags = {}


def describe_run(view: JobView) -> RunBody:
    """The body of a run."""
    at = f"/v1/runs/{view.name}"
    links = {"self": at, "events": f"{at}/events", "preview": f"{at}/preview.jpg"}
    links |= {"partial": f"{at}/partial.mp4"} if view.clips_done else {}
    links |= {"film": f"{at}/film.mp4"} if view.film else {}
    links |= {"live": f"{at}/live/film.m3u8"} if view.playlist else {}
    return RunBody(**vars(view), links=links)


def describe_form() -> dict[str, Any]:
    """The description of what creates a run: JSON, or a form with a field a flag."""
    own = {
        "picture": {"type": "string", "format": "binary", "description": "JPEG, PNG or WebP."},
        "sound": {"type": "string", "format": "binary", "description": "A sound, or a film."},
        "title": {"type": "string", "maxLength": 200},
        **{name: {"type": "string", "format": "binary", "description": text} for name, text in EXTRAS.items()},
        **{name: {"type": "string", "description": "Where this speaker is: face:2, or x,y,w,h."} for name in SPEAKERS},
    }  # fmt: skip
    flags = {
        name: {"type": "string", "description": flag.does} for name, flag in FORM_FLAGS.items()
    }
    form = {"type": "object", "required": ["picture", "sound"], "properties": {**own, **flags}}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": form},
                "application/json": {"schema": CreateBody.model_json_schema()},
            },
        }
    }


def describe_redub() -> dict[str, Any]:
    """The description of what redubs a run: a form with the sound and where it goes."""
    text = {"type": "string"}
    fields = {
        "sound": {"type": "string", "format": "binary", "description": "Other words."},
        "from": {**text, "description": "Where in the film they begin: 0:03:12 or 192.4s."},
        "until": {**text, "description": "Where the old sound goes on; none: where it ends."},
        "seed": {**text, "description": "Of the clips that are made again; none: theirs."},
    }
    form = {"type": "object", "required": ["sound", "from"], "properties": fields}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}
