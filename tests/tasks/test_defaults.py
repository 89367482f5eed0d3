"""What a request says of the label, as the spec has it; and the film that comes of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest

from storage.errors import BadOption
from storage.run import Run
from storage.spec import Spec
from tasks.film import make_film
from tasks.request import Request
from tasks.resolve import freeze_run

Ask = Callable[..., Request]


def pictures(run: Run) -> list[Any]:
    """The film's frames."""
    with av.open(str(make_film(run))) as film:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in film.decode(video=0)]


def test_label_is_burnt_into_the_first_seconds(ask: Ask, tmp_path):
    """Frames before its end have it, those behind it are the plain film's; raw frames and latents are those of the plain film, too."""
    asked = {"width": 128, "height": 128, "keep_frames": "all"}
    plain = freeze_run(ask(4.0, run=tmp_path / "plain", **asked))
    more = {"label": "AI", "label_place": "top-left", "label_seconds": 2.5}
    marked = freeze_run(ask(4.0, run=tmp_path / "marked", **asked, **more))
    assert (marked.spec.label, marked.spec.label_frames) == ("AI", 63)
    differ = [np.abs(a - b)[:24].mean() for a, b in zip(pictures(plain), pictures(marked), strict=True)]  # fmt: skip
    assert min(differ[:63]) > 5
    assert max(differ[72:]) < 1
    for clip in range(plain.spec.clips):
        assert (plain.frames.read(clip) == marked.frames.read(clip)).all()


def test_film_without_a_label_is_the_film_that_it_was(ask: Ask):
    """Its digest is that of a spec which knows of no label."""
    spec = freeze_run(ask(4.0)).spec
    assert not {"label", "label_place", "label_frames"} & set(spec.canonical.split('"'))
    labelled = replace(spec, label="AI", label_place="top-left")
    assert labelled.digest != spec.digest
    assert Spec.from_facts({**labelled.__dict__}) == labelled


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"label": "Généré par IA"}, "only Latin letters without accents and 生成 can be drawn, not é"),
        ({"label": "two\nlines"}, "one line of printable text"),
        ({"label": "AI", "label_seconds": "1"}, "all is needed, or 2 seconds or more"),
        ({"label": "AI", "label_seconds": "nan"}, "all is needed, or 2 seconds or more"),
        ({"label": "AI", "label_place": "middle"}, "one of bottom-right"),
    ],
)  # fmt: skip
def test_label_that_cannot_be_is_refused(given: dict[str, str], said: str):
    """One line, before any work."""
    with pytest.raises(BadOption, match=said):
        Request.from_words({"image": "a.png", "audio": "b.wav", **given}, "flag")


def test_label_that_does_not_fit_is_refused(ask: Ask):
    """It is wider than the film at the height that the standard asks for; a place or a time without a label says nothing."""
    with pytest.raises(BadOption, match="pixels wide, and there is room for 120"):
        freeze_run(ask(4.0, label="This film is AI-generated", width=128, height=128))
    with pytest.raises(BadOption, match="there is no --label"):
        freeze_run(ask(4.0, label_place="top-left"))
