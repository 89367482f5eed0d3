"""What a request says of the label and the watermark, as the spec has it; and the film that comes of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest

from storage.errors import BadOption
from storage.run import Run
from storage.spec import Spec
from storage.watermark_id import parse_id
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


def test_watermark_is_an_id_in_the_spec(ask: Ask, tmp_path):
    """Letters and digits are the id; auto is the digest of the film as it would be without one, whatever the folder, and whatever seed is drawn."""
    asked = {"width": 256, "height": 256}
    plain = freeze_run(ask(4.0, **asked)).spec
    assert "watermark" not in plain.canonical
    marked = {
        word: freeze_run(
            ask(
                4.0,
                run=tmp_path / word,
                watermark=parse_id(word) if word != "auto" else word,
                **asked,
            )
        )
        for word in ("ACME", "0123456789ab", "auto")
    }
    ids = {word: run.spec.watermark for word, run in marked.items()}
    assert ids == {"ACME": "41434d450000", "0123456789ab": "0123456789ab", "auto": plain.digest[:12]}  # fmt: skip
    assert len({plain.digest, *(run.spec.digest for run in marked.values())}) == 4
    more = {"watermark": "auto", "base_seed": -1, **asked}
    drawn = [freeze_run(ask(4.0, run=tmp_path / name, **more)).spec for name in "ab"]
    assert drawn[0].watermark == drawn[1].watermark != ids["auto"]


def test_watermark_is_in_the_film_and_not_in_the_frames(ask: Ask, tmp_path):
    """Beside a label, too; the film of another folder is the same bytes."""
    asked = {"width": 192, "height": 192, "infer_frames": 12, "keep_frames": "all", "label": "AI", "watermark": parse_id("ACME")}  # fmt: skip
    plain = freeze_run(ask(0.8, run=tmp_path / "plain", **{**asked, "watermark": None}))
    runs = [freeze_run(ask(0.8, run=tmp_path / name, **asked)) for name in "ab"]
    films = [make_film(run).read_bytes() for run in (plain, *runs)]
    assert films[0] != films[1] == films[2]
    for clip in range(plain.spec.clips):
        assert (plain.frames.read(clip) == runs[0].frames.read(clip)).all()


@pytest.mark.parametrize("word", ["seventy", "Müller", "12345678901", "a\nb", "0x0123456789"])
def test_watermark_that_cannot_be_is_refused(word: str):
    """One line, before any work."""
    words = {"image": "a.png", "audio": "b.wav", "watermark": word}
    with pytest.raises(BadOption, match=r"1 to 6 letters \(ASCII\), or 12 hexadecimal digits"):
        Request.from_words(words, "flag")


def test_watermark_in_a_film_that_is_too_small_is_refused(ask: Ask):
    """It would be lost there."""
    with pytest.raises(BadOption, match=r"192 on the shorter side are needed \(--size\)"):
        freeze_run(ask(4.0, width=256, height=176, watermark="auto"))
    with pytest.raises(BadOption, match=r"--watermark ACME cannot be used"):
        freeze_run(ask(4.0, width=256, height=176, watermark=parse_id("ACME")))


@pytest.mark.parametrize(("size", "threads"), [((512, 320), 4), ((384, 256), 0)])
def test_large_pictures_are_encoded_by_four_threads(ask: Ask, size: tuple[int, int], threads: int):
    """A film of small ones has the digest that it had when there was one thread."""
    width, height = size
    spec = freeze_run(ask(1.0, width=width, height=height)).spec
    assert spec.encoder_threads == threads
    assert ("encoder_threads" in spec.canonical) == bool(threads)
