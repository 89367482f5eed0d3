"""What is frozen, and what is not."""

import json
from dataclasses import asdict, replace

import pytest

from storage.run_beginning import NewRun
from storage.spec import Settings, Spec


def test_the_clips_tile_the_film(start: NewRun) -> None:
    """The clips' spans follow one another without gap or overlap, and the last is cut at the film's end."""
    spec = start.spec
    frames = [frame for clip in range(spec.clips) for frame in spec.clip_span(clip)]
    assert frames == list(range(35))
    assert [spec.frames_in(clip) for clip in range(spec.clips)] == [8, 8, 8, 8, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"prompt": "a person sings"},
        {"script": "0 2 100 100 a person sings\n"},
        {"negative_prompt": "six fingers"},
        {"watermark": "41434d450000"},
        {"audio_lead": 3},
        {"frames": 36},
    ],
)
def test_any_change_is_another_digest(start: NewRun, change: dict[str, object]) -> None:
    """Each field counts, and the order in which they are given does not."""
    assert replace(start.spec, **change).digest != start.spec.digest
    turned = dict(reversed(asdict(start.spec).items()))
    assert Spec(**turned).digest == start.spec.digest


def test_the_canonical_text_has_no_floats(start: NewRun) -> None:
    """Nothing in a spec could be written in two ways."""
    assert not [
        value for value in json.loads(start.spec.canonical).values() if isinstance(value, float)
    ]


def test_settings_of_a_later_version_are_passed_over() -> None:
    """An unknown name is ignored, a missing one has its default."""
    assert Settings.from_mapping({"ahead": 5, "of_a_later_version": 1}) == Settings(ahead=5)


def test_a_younger_field_leaves_the_digests_of_older_runs(start: NewRun) -> None:
    """Where it says nothing it is not in the text, so that runs made before it keep their records."""
    for name, value in {
        "whole_audio": True,
        "silence": 7,
        "mix": "turned",
        "gain": 460,
        "script": "3 0 100 100 a\n",
        "negative_prompt": "blur",
        "watermark": "41434d450000",
        "encoder_threads": 4,
    }.items():
        assert name not in start.spec.canonical
        assert name in replace(start.spec, **{name: value}).canonical
