"""The form has a field for each flag of the table, and says what the fields say, and no more."""

from pathlib import Path

import gradio as gr
import pytest
from gradio.components.image import ImageData

from pipeline.jobs.input_words import EXTRA_FILES, SPEAKERS
from pipeline.web.extra_fields import ExtraFields
from pipeline.web.flag_help_chinese import HELP
from pipeline.web.form_fields import (
    SETTLED,
    SWITCHED_ON,
    build_field,
    build_picture_field,
    collect_flags,
    field_names,
    help_of,
)
from pipeline.web.form_tab import EXTRAS, FormTab, build_request
from pipeline.web.page_context import PageContext
from pipeline.web.page_texts import LANGUAGES, TEXTS, choose_language, texts_in
from tasks.options import GROUPS, OPTIONS


def empty_form() -> dict[str, object]:
    """What every field says in a new form."""
    say = texts_in("en")
    return {name: build_field(OPTIONS[name], say, "en").value for name in field_names()}


def test_every_flag_of_the_table_has_a_field_but_those_that_name_a_place_on_the_server():
    assert set(field_names()) == set(OPTIONS) - SETTLED


def test_a_new_form_asks_for_nothing():
    assert collect_flags(list(empty_form().values())) == {}


def test_a_field_says_its_flag_alone():
    for name, option in OPTIONS.items():
        if name in SETTLED:
            continue
        form = empty_form()
        form[name] = (name not in SWITCHED_ON) if option.value is not None else "7"
        assert list(collect_flags(list(form.values()))) == [option.spelling]


def test_online_decode_off_is_offline_and_live_off_says_no():
    form = empty_form() | {"offline": False, "live": False}
    assert collect_flags(list(form.values())) == {"offline": "yes", "live": "no"}


def test_every_field_has_the_help_of_the_table_in_both_languages():
    assert set(HELP) == set(OPTIONS)
    assert all(help_of(OPTIONS[name], "en") for name in field_names())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_said_in_every_language(language):
    say = texts_in(language)
    assert all(say(name).strip() for name in TEXTS)
    assert all(say(title) for title in GROUPS)


def test_both_languages_put_in_the_same_facts():
    def facts(text):
        return {part.split("}")[0] for part in text.split("{")[1:]}

    assert [name for name, (one, other) in TEXTS.items() if facts(one) != facts(other)] == []


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("de,en;q=0.7,zh;q=0.3", "en"), ("fr", "en"), ("", "en"), ("zh", "zh")],
)  # fmt: skip
def test_the_page_speaks_what_the_browser_asks_for_first(accepted, language):
    assert choose_language(accepted) == language


def test_words_of_the_table_are_offered_and_others_may_be_typed_where_a_number_goes():
    say = texts_in("en")
    crop, kept = (build_field(OPTIONS[name], say, "en") for name in ("crop", "keep_frames"))
    assert isinstance(crop, gr.Dropdown)
    assert [word for _, word in crop.choices] == ["", *OPTIONS["crop"].words]
    assert kept.allow_custom_value


def test_a_file_that_is_no_picture_comes_to_the_plan_which_refuses_it_in_one_line(tmp_path):
    """What Gradio says of such a file names its own code and all fields of the form."""
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    field = build_picture_field()
    assert field.preprocess(ImageData(path=str(broken), orig_name="broken.png")) == str(broken)
    assert field.preprocess(None) is None


def test_between_the_clicks_on_two_eyes_the_other_one_is_asked_for():
    """No error stands there, as nothing is wrong yet."""
    tab = FormTab(PageContext(None, "en"))
    form = empty_form() | {"eyes": "10,20,30,40"}
    said = tab.plan_film("face.png", "speech.wav", *[None] * EXTRAS, *form.values())
    assert texts_in("en")("eye_told") in said
    assert "lt-fault" not in said


def test_a_script_and_speakers_become_files_and_places_of_the_job():
    """A field that is left as it is says nothing."""
    given = dict.fromkeys((*EXTRA_FILES, *SPEAKERS)) | {
        "script": "/up/film.toml", "sound2": "/up/b.wav", "speaker1": "face:1", "speaker2": " face:2",
    }  # fmt: skip
    asked = build_request("a.png", "a.wav", [*given.values(), *empty_form().values()])
    assert asked.extras == {"script": Path("/up/film.toml"), "sound2": Path("/up/b.wav")}
    assert (asked.speakers, dict(asked.flags)) == (("face:1", "face:2"), {})
    plain = build_request("a.png", "a.wav", [*[None] * EXTRAS, *empty_form().values()])
    assert (plain.extras, plain.speakers) == ({}, ())


def test_the_form_has_a_field_for_each_file_and_each_speaker():
    fields = ExtraFields(texts_in("en"))
    fields.build_script()
    fields.build_speakers()
    assert set(fields.fields) == {*EXTRA_FILES, *SPEAKERS}
    assert len(fields.components) == EXTRAS
