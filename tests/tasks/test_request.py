"""Everything is checked before any work: one error, one line, the way out, and nothing written."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.disk import FileSystem
from storage.errors import (
    BadImage,
    BadOption,
    BadOutput,
    BadSize,
    BadSound,
    LongtakeError,
    NoSpace,
    NotARun,
    NotWritable,
    OtherSpec,
)
from tasks import preflight
from tasks.events import listen_to_events
from tasks.film import make_film
from tasks.options import OPTIONS
from tasks.request import Request
from tasks.resolve import (
    check_request,
    find_run_folder,
    freeze_resolved,
    freeze_run,
    resolve_request,
)

Ask = Callable[..., Request]


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"start_clip": 99}, BadOption, "the film has 1 clip, counted from 0"),
        ({"infer_frames": 32}, BadOption, "24 or 36"),
        ({"infer_frames": 7}, BadOption, "take 12"),
        ({"width": 100, "height": 64}, BadSize, "96\\*64"),
        ({"width": 0, "height": 64}, BadSize, "16\\*64"),
        ({"width": -16, "height": 64}, BadSize, "multiples of 16"),
        ({"width": 10**6, "height": 64}, BadSize, "up to 8192, such as 8192\\*64"),
        ({"weights": "ckpt"}, BadOption, "--weights ckpt .* leave it out"),
        ({"device": "gpu"}, BadOption, "auto, cpu, cuda"),
        (
            {"disk_budget": 1000},
            BadOption,
            "--disk-budget 1.00 kB .* takes up to .*, or less with --keep-steps none",
        ),
        ({"crop": "stretch"}, BadOption, "cover, top, .*, contain, exact"),
        ({"model": "sora"}, BadOption, "pocket"),
        ({"keep_frames": "some"}, BadOption, "--keep-frames"),
        ({"keep_steps": "-2"}, BadOption, "--keep-steps"),
        ({"image": Path("nowhere.png")}, BadImage, "no such file"),
        ({"audio": Path("nowhere.wav")}, BadSound, "no such file"),
        ({"audio": Path()}, BadSound, "it is no file"),
        ({"output_file": Path("film.avi")}, BadOutput, "must end with .mp4"),
        ({"output_file": Path("/")}, BadOutput, "it is a folder"),
    ],
    ids=str,
)
def test_bad_request_is_one_line(
    ask: Ask, fields: dict[str, Any], error: type[LongtakeError], words: str
) -> None:
    """What cannot be is refused in one line, with an exit code, and no folder is made."""
    from dataclasses import replace

    request = replace(ask(1.0), **fields)
    with pytest.raises(error, match=words) as caught:
        check_request(request)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code in (2, 5)
    assert not request.run.exists()


@pytest.mark.parametrize("name", [name for name, each in OPTIONS.items() if each.bounds])
def test_a_number_out_of_its_range_is_refused_with_the_range(ask: Ask, name: str) -> None:
    """Below, above, and neither; by the name that the person gave it."""
    least, most = OPTIONS[name].bounds
    for value in (least - 1, most + 1, 10**30, float("inf"), float("nan")):
        for source, said in (("", f"--{name.replace('_', '-')} "), ("LONGTAKE_X", "LONGTAKE_X ")):
            request = ask(1.0, **{name: value}, sources={name: source})
            with pytest.raises(BadOption, match=f"from {least} to {most} is needed") as caught:
                check_request(request)
            assert str(caught.value).startswith(said)


def test_folder_inside_a_file_is_refused(ask: Ask, tmp_path: Path) -> None:
    """A run cannot lie below a file, or be one."""
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritable, match="is no folder"):
        check_request(ask(1.0, run=tmp_path / "file" / "run"))
    with pytest.raises(NotARun, match="it is a file"):
        check_request(ask(1.0, run=tmp_path / "file"))


def test_full_disk_is_told_before_any_work(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is needed, what is free, what is short, where and whose it is are named."""
    monkeypatch.setattr(
        preflight, "read_file_system", lambda _: FileSystem(1000, None, read_only=False)
    )
    request = ask(60.0)
    with pytest.raises(NoSpace, match=r"owned by \w+, on /.*MB are needed, .* are free, .* short"):
        check_request(request)
    assert not request.run.exists()


def test_too_few_files_are_told_before_any_work(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with room and no inodes is as full as another."""
    monkeypatch.setattr(
        preflight, "read_file_system", lambda _: FileSystem(1 << 40, 100, read_only=False)
    )
    with pytest.raises(NoSpace, match=r"100 more files can be made, \d+ are needed"):
        check_request(ask(60.0))


def test_other_spec_names_every_difference(ask: Ask) -> None:
    """A folder with another film is refused, and each field that differs is named."""
    freeze_run(ask(1.0))
    with pytest.raises(OtherSpec, match=r"prompt is empty, not Hello, seed is 420, not 7"):
        freeze_run(ask(1.0, base_seed=7, prompt="Hello"))


def test_same_request_opens_the_same_run(ask: Ask) -> None:
    """Asked again, nothing is made anew; other settings are adopted, those not given stay."""
    first = freeze_run(ask(1.0, ahead=5))
    again = freeze_run(ask(1.0, offline=True))
    assert again.spec == first.spec
    assert (again.settings.ahead, again.settings.offline) == (5, True)
    assert again.sources["ahead"] == "given"


def test_default_folder_is_named_by_the_spec(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a folder the run lies in runs/ by the first 12 letters of its spec's digest."""
    monkeypatch.chdir(tmp_path)
    run = freeze_run(ask(1.0, run=None))
    assert run.root == tmp_path / "runs" / run.spec.digest[:12]
    assert find_run_folder(ask(1.0, run=None)) == run.root
    assert find_run_folder(ask(1.0, run=None, base_seed=1)) != run.root


def test_drawn_seed_is_the_runs_own(ask: Ask) -> None:
    """Seed -1 draws one, and takes the one that is there when the same is asked again."""
    first = freeze_run(ask(1.0, base_seed=-1))
    assert freeze_run(ask(1.0, base_seed=-1)).spec.seed == first.spec.seed


def test_more_clips_than_sound_are_cut_and_told(ask: Ask) -> None:
    """num_clip 10000 means until the sound ends, and that is said once."""
    told = []
    with listen_to_events(lambda event, facts: told.append((event, facts))):
        run = freeze_run(ask(6.0, num_clip=10_000))
    assert run.spec.clips == 4
    assert told == [("clips_cut", {"asked": 10_000, "made": 4, "length": "0:00:06"})]


def test_fewer_clips_make_a_shorter_film(ask: Ask) -> None:
    """num_clip 2 cuts the film to 96 frames; with start_clip it is a part of the whole film's run."""
    assert freeze_run(ask(6.0, num_clip=2)).spec.frames == 96
    request = ask(6.0, num_clip=2, start_clip=1)
    assert request.part.span(4) == range(1, 3)
    from dataclasses import replace

    assert freeze_run(replace(request, run=request.run.with_name("other"))).spec.frames == 150


def test_words_of_a_shell_keep_a_no(tmp_path: Path) -> None:
    """offload_model=False is an answer, and so is 0; an empty word or a flag that was not given is none."""
    words = {
        "image": "a.png",
        "audio": "b.wav",
        "offload_model": False,
        "offline": False,
        "prompt": "",
        "ahead": 0,
        "carry_every": "auto",
        "size": "96*64",
    }
    request = Request.from_words(words, "luigi")
    assert request.offload_model is False
    assert (request.offline, request.prompt) == (None, None)
    assert (request.ahead, request.carry_every) == (0, -1)
    assert (request.width, request.height) == (96, 64)
    assert request.sources["ahead"] == "luigi"


@pytest.mark.parametrize("touched", [False, True])
def test_the_picture_is_decoded_once(
    ask: Ask, touched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the film and for it: opened to see that it can be, to decode, to hash and to copy it; decoded twice where it was touched in between."""
    from PIL import Image

    opened, decoded, real = [], [], Image.open

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            opened.append(str(arguments[0]))

    sys.addaudithook(note)  # for good: Python takes none back
    monkeypatch.setattr(
        Image, "open", lambda path, **more: decoded.append(path) or real(path, **more)
    )
    request = ask(1.0)
    resolved = resolve_request(request)
    if touched:
        os.utime(request.image)
    run = freeze_resolved(resolved)
    make_film(run)
    assert opened.count(str(request.image)) == 4
    assert decoded == [request.image, *([run.image_path] if touched else [])]
    assert run.picture is None
