"""Every field that is set in the page is found in run.json: none of its flags is for show."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from model import avatar, registry
from model.tools.make_checkpoint import TINY, make_checkpoint
from pipeline.commands.parser import parse_command
from pipeline.jobs.flag_words import words_of_job
from pipeline.options.sources import gather_options, make_request
from pipeline.web.form_fields import build_field, field_names
from pipeline.web.form_tab import EXTRAS, build_request
from pipeline.web.page_texts import texts_in
from tasks.options import OPTIONS
from tasks.resolve import freeze_resolved, resolve_request
from tests import fake_avatar

EXAMPLES = Path(__file__).parents[3] / "examples"
PICTURE, SOUND = EXAMPLES / "mila.png", EXAMPLES / "harbour.wav"

POCKET = {
    "prompt": ("A happy presenter nods.", "spec.prompt", "A happy presenter nods."),
    "model": ("pocket", "spec.model", "pocket"),
    "size": ("128×192", "spec.width", 128),
    "crop": ("contain", "spec.crop", "contain"),
    "mouth": ("203,300,121,40", "sources.mouth", "--mouth"),
    "eyes": ("186,190,55,31,285,190,57,32", "sources.eyes", "--eyes"),
    "face": ("1", "sources.face", "--face"),
    "num_clip": ("3", "spec.clips", 3),
    "infer_frames": ("24", "spec.clip_frames", 24),
    "sample_steps": ("2", "spec.steps", 2),
    "base_seed": ("77", "spec.seed", 77),
    "audio_lead": ("2", "spec.audio_lead", 2),
    "live": (True, "settings.live", True),
    "grow": (True, "settings.grow", True),
    "gpus": ("2", "settings.gpus", "2"),
    "parallel": ("steps", "settings.parallel", "steps"),
    "offline": (False, "settings.offline", True),
    "ahead": ("3", "settings.ahead", 3),
    "clip_batch_size": ("2", "settings.clip_batch_size", 2),
    "threads": ("2", "fingerprint.threads", 2),
    "retry_limit": ("5", "settings.retry_limit", 5),
    "retry_delay": ("2.5", "settings.retry_delay", 2.5),
    "stall_limit": ("60", "settings.stall_limit", 60),
    "keep_frames": ("4", "settings.keep_frames", "4"),
    "keep_steps": ("none", "settings.keep_steps", "none"),
    "disk_budget": ("20GB", "settings.disk_budget", 20_000_000_000),
    "carry_every": ("8", "settings.carry_every", 8),
    "carry_anchors": ("2", "settings.carry_anchors", 2),
    "producer": ("Ann", "settings.producer", "Ann"),
    "label": ("Made by AI", "spec.label", "Made by AI"),
    "watermark": ("ACME", "spec.watermark", "41434d450000"),
    "label_place": ("top-left", "spec.label_place", "top-left"),
    "label_seconds": ("2", "spec.label_frames", 50),
}  # fmt: skip
LARGE = {
    "guidance": ("5", "sources.guidance", "--sample-guide-scale"),
    "whole_audio": (True, "sources.whole_audio", "--whole-audio"),
    "device": ("cpu", "settings.device", "cpu"),
    "device_memory": ("60GB", "settings.device_memory", 60_000_000_000),
    "on_low_memory": ("step-down", "settings.on_low_memory", "step-down"),
    "offload_model": ("False", "settings.offload_model", False),
    "weights": (None, "settings.weights", None),
    "lora": (None, "settings.lora", None),
    "precision": (True, "sources.precision", "--fp8"),
}
"""Of live-avatar, or of wan-s2v where that alone has it; None stands for the folder of its weights. The tiny model that stands in for it computes nothing of some: there the source is looked at."""
NEEDED = {
    **{name: {"label": "Made by AI"} for name in ("label_place", "label_seconds")},
    "watermark": {"size": "256×256"},
}
"""Without which a field cannot be set."""
ONE_COMMAND = {"accept_short_audio", "accept_joint", "size_as_area"}
"""What holds for one command: run.json has what came of it."""


def fill_form(**set_fields: object) -> list[object]:
    """The values of a new form in which these fields are set."""
    say = texts_in("en")
    form = {name: build_field(OPTIONS[name], say, "en").value for name in field_names()}
    assert set_fields.keys() <= form.keys()
    return [*[None] * EXTRAS, *(form | set_fields).values()]


def freeze_film(root: Path, values: list[object]) -> dict[str, object]:
    """run.json of the film that a form asks for, as the job's process would make it; no clip is made."""
    request = build_request(str(PICTURE), str(SOUND), values)
    words = words_of_job(request.flags)
    command = parse_command(
        ["new", f"--image={PICTURE}", f"--audio={SOUND}", f"--run={root}", *words]
    )
    given = gather_options(command.given, os.environ, root.parent)
    freeze_resolved(resolve_request(make_request(given)))
    return json.loads((root / "run.json").read_text(encoding="utf-8"))


def find_fact(facts, place: str):
    """The fact of run.json at a place such as `spec.width`."""
    for name in place.split("."):
        facts = facts[name]
    return facts


def test_every_field_of_the_form_is_tried_here():
    assert {*POCKET, *LARGE, *ONE_COMMAND, "negative_prompt"} == set(field_names())


@pytest.mark.parametrize("name", POCKET)
def test_a_field_that_is_set_is_found_in_run_json(tmp_path, name):
    value, place, kept = POCKET[name]
    form = fill_form(**NEEDED.get(name, {}), **{name: value})
    assert find_fact(freeze_film(tmp_path / "run", form), place) == kept


def test_all_fields_at_once_are_found_in_run_json(tmp_path):
    fields = {
        name: value
        for name, (value, _, _) in POCKET.items()
        if name not in {"face", "gpus", "watermark"}
    }
    facts = freeze_film(tmp_path / "run", fill_form(**fields))
    wrong = {name: find_fact(facts, place) for name, (_, place, kept) in POCKET.items()
             if name in fields and find_fact(facts, place) != kept}  # fmt: skip
    assert wrong == {}


def test_size_as_area_fills_the_area_in_the_pictures_shape(tmp_path):
    facts = freeze_film(tmp_path / "run", fill_form(size="512×128", size_as_area=True))
    assert (find_fact(facts, "spec.width"), find_fact(facts, "spec.height")) == (256, 256)


@pytest.mark.parametrize("name", ["accept_short_audio", "accept_joint"])
def test_what_holds_for_one_command_is_said_to_the_film_s_process(name):
    flags = build_request("p.png", "s.wav", fill_form(**{name: True})).flags
    assert f"--{OPTIONS[name].spelling}" in words_of_job(flags)


def test_told_boxes_of_a_face_are_those_of_the_film(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_FACE", "1")
    mouth, eyes = POCKET["mouth"][0], POCKET["eyes"][0]
    facts = freeze_film(tmp_path / "run", fill_form(mouth=mouth, eyes=eyes, size="256×256"))
    assert find_fact(facts, "spec.face_boxes") == f"{mouth},{eyes}"


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("weights")
    make_checkpoint(root, TINY)
    return root


@pytest.mark.parametrize("name", LARGE)
def test_a_field_of_the_large_models_is_found_in_run_json(tmp_path, weights, name):
    value, place, kept = LARGE[name]
    lora = weights / "liveavatar.safetensors"
    told = {"weights": str(weights), "lora": str(lora)}.get(name, value)
    model = "wan-s2v" if OPTIONS[name].models == ("wan-s2v",) else "live-avatar"
    form = {"model": model, "weights": str(weights), "device": "cpu", "size": "64×64", "num_clip": "1", name: told}  # fmt: skip
    facts = freeze_film(tmp_path / "run", fill_form(**form))
    assert find_fact(facts, place) == (told if kept is None else kept)


def test_what_guidance_leads_away_from_is_found_in_run_json(tmp_path, weights, monkeypatch):
    """Of the model that has guidance, which the tiny one that stands in for it has not."""

    def describe(name: str, options: avatar.Options) -> avatar.ModelTraits:
        return replace(fake_avatar.describe(name, options), guidance="4.5")

    monkeypatch.setattr(registry, "describe_model", describe)
    form = {"model": "wan-s2v", "weights": str(weights), "device": "cpu", "size": "64×64", "num_clip": "1"}  # fmt: skip
    facts = freeze_film(tmp_path / "run", fill_form(**form, negative_prompt="blurred"))
    assert find_fact(facts, "spec.negative_prompt") == "blurred"
