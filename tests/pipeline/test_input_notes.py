"""pipeline/input_notes.py: what was done to what was given is told in a line, before the work."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ffmpeg
import numpy as np
import pytest
from PIL import Image
from recording import write_sound

from model.pocket.prompts import read_prompt
from pipeline.input_notes import describe_prompt
from storage.run import Run
from storage.run_paths import face_picture_path
from storage.speaker import Reading
from tasks.request import Request
from tasks.resolve import create_run, resolve_request

Call = Callable[..., tuple[int, str, str]]


def tall(path: Path) -> Path:
    """A portrait of 9:16, held sideways by the camera, half of it transparent, in two frames."""
    image = Image.new("RGB", (90, 160), "red")
    image.paste("blue", (0, 90, 90, 160))
    exif = Image.Exif()
    exif[0x0112] = 6
    still = image.transpose(Image.Transpose.ROTATE_90)
    still.save(path / "tall.jpg", exif=exif)
    cut = image.convert("RGBA")
    cut.putalpha(Image.linear_gradient("L").resize(cut.size))
    cut.save(path / "tall.png")
    image.save(path / "tall.webp", save_all=True, append_images=[cut])
    return path


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        (
            "tall.jpg",
            (),
            "44% of it is cut off at the top and the bottom alike (--crop top or --crop bottom keeps that side, --crop contain all of it); turned as its EXIF data say",
        ),
        ("tall.jpg", ("--crop", "top"), "44% of it is cut off at the bottom (--crop contain shows all of it); turned as its EXIF data say"),
        ("tall.webp", ("--crop", "contain"), "its edges are repeated on 44% of the film; the first of its 2 frames is taken"),
        ("tall.png", ("--size", "144*256"), "what is transparent stands before white"),
    ],
)  # fmt: skip
def test_what_was_done_to_the_picture_is_one_line(  # noqa: PLR0917
    name: str, words: tuple[str, ...], said: str, speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """Of `new`, in the log too, and of `plan`."""
    picture = tall(tmp_path) / name
    words = ("--num-clip", "1", "--run", "x", *words)
    code, out, _ = longtake("plan", picture, speech, *words, "--rehearse", "no")
    assert code == 0
    assert f"The picture (90×160): {said}" in out
    code, _, err = longtake("new", picture, speech, *words)
    assert code == 0, err
    line = f"[INFO] The picture (90×160): {said}"
    assert err.splitlines().count(line) == 1
    assert line in (tmp_path / "x/inference.log").read_text(encoding="utf-8").splitlines()


def test_a_picture_that_fits_is_not_spoken_of(face: Path, speech: Path, longtake: Call) -> None:
    """Nor is the side that was asked for where nothing is cut."""
    code, _, err = longtake("new", face, speech, "--run", "x", "--num-clip", "1", "--crop", "top")
    assert code == 0
    assert "The picture" not in err


def test_the_centre_is_what_cover_takes(face: Path, speech: Path, longtake: Call) -> None:
    """By another name, it is the same film; nothing is cut round the face."""
    words = ("new", face, speech, "--run", "x", "--num-clip", "1")
    assert longtake(*words)[0] == 0
    assert longtake(*words, "--crop", "centre")[0] == 0
    code, _, err = longtake(*words, "--crop", "face")
    assert code == 2
    assert "say where it is: top, centre, bottom, left or right" in err


EXAMPLES = Path(__file__).parents[2] / "examples"
TOLD = ("--mouth", "60,120,60,20", "--eyes", "40,60,30,20,110,60,30,20")


def test_where_the_face_was_found_is_one_line(
    speech: Path, tmp_path: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of `plan` and of `new`; the run verifies with the picture of it, and a retake has the same face and picture."""
    monkeypatch.setenv("FAKE_FACE", "1")
    words = (EXAMPLES / "amara.png", speech, "--run", "x")
    found = "The face: mouth 209,296,117,31, eyes 183,168,61,36 and 294,165,61,37 (x,y,w,h in the picture's pixels), found with 90% confidence"
    code, out, _ = longtake("plan", *words, "--rehearse", "no")
    assert code == 0
    assert found in " ".join(out.split())
    code, _, err = longtake("new", *words)
    assert code == 0, err
    assert f"[INFO] {found}" in err.splitlines()
    assert longtake("verify", "x")[0] == 0
    assert longtake("retake", "x", "--clip", "1", "--run", "y")[0] == 0
    old, new = Run.open(tmp_path / "x"), Run.open(tmp_path / "y")
    assert old.spec.face_boxes == new.spec.face_boxes != ""
    one, other = (face_picture_path(run.root).read_bytes() for run in (old, new))
    assert one == other
    assert longtake("verify", "y")[0] == 0


def test_of_a_face_half_told_it_is_said_which_half_was_found(
    speech: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FACE", "1")
    words = ("plan", EXAMPLES / "amara.png", speech, "--run", "x", "--rehearse", "no")
    for told, line in (
        (("--mouth", "210,300,110,30"), "mouth 210,300,110,30, .*, the mouth as told, the eyes found with 90% confidence"),
        (("--eyes", "183,168,61,36,294,165,61,37"), "the eyes as told, the mouth found with 90% confidence"),
    ):  # fmt: skip
        code, out, _ = longtake(*words, *told)
        assert code == 0
        assert re.search(line, " ".join(out.split()))


@pytest.mark.parametrize("way", ["flags", "environment", "file"])
def test_a_face_that_is_told_is_taken_from_wherever_options_come(
    way: str, speech: Path, tmp_path: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And said to be told; where none is, the one line names the flags and no run is there."""
    monkeypatch.setenv("FAKE_FACE", "1")
    Image.new("RGB", (180, 180), "green").save(tmp_path / "plain.png")
    words = ("new", tmp_path / "plain.png", speech, "--run", "x", "--num-clip", "1")
    code, _, err = longtake(*words)
    assert code == 2
    assert "no face was found" in err
    assert f"{TOLD[0]} x,y,w,h {TOLD[2]} x,y,w,h,x,y,w,h" in err
    assert not (tmp_path / "x").exists()
    if way == "environment":
        monkeypatch.setenv("LONGTAKE_MOUTH", TOLD[1])
        monkeypatch.setenv("LONGTAKE_EYES", TOLD[3])
    if way == "file":
        (tmp_path / "longtake.toml").write_text(f'mouth = "{TOLD[1]}"\neyes = "{TOLD[3]}"\n')
    code, _, err = longtake(*words, *(TOLD if way == "flags" else ()))
    assert code == 0, err
    assert "of the picture's pixels), as told" in err.replace("(x,y,w,h in", "of")
    assert Run.open(tmp_path / "x").spec.face_boxes == f"{TOLD[1]},{TOLD[3]}"


def test_what_was_understood_of_a_script_is_said_once(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """By `plan` and `new`, with the prompts that ask for nothing; `status` says which prompt holds, and in JSON all of them; `inference.log` has it, too."""
    (tmp_path / "film.csv").write_text(
        "from,until,prompt,expression\n0s,,She smiles.,\n2s,4s,A car drives by.,\n6s,,Sad.,0.5\n"
    )
    words = (face, speech, "--run", "x", "--script", "film.csv")
    lines = (
        "The script: 4 changes: 0:00:00.0 happy 0.7; 0:00:01.9 calm; 0:00:03.8 calm; 0:00:06.2 sad 0.35",
        "The script asks for nothing that the presenter can act at 0:00:01.9",
        "The script: not understood: car, drives",
    )
    code, out, _ = longtake("plan", *words, "--rehearse", "no")
    assert code == 0
    assert all(line in " ".join(out.split()) for line in lines)
    code, _, err = longtake("new", *words)
    assert code == 0, err
    assert [err.splitlines().count(f"[INFO] {line}") for line in lines] == [1, 1, 1]
    assert lines[0] in (tmp_path / "x/inference.log").read_text(encoding="utf-8")
    code, out, _ = longtake("status", "x")
    assert "change 4 of 4, 0:00:06.2 Sad. (expression 50 %)" in out
    assert re.search(r"script +4 changes \([0-9a-f]{8}\) +--script", out)
    told = json.loads(longtake("status", "x", "--json")[1])["script"]
    assert told[1] == {"seconds": 1.92, "clock": "0:00:01.9", "prompt": "A car drives by.", "expression": 100, "gesture": 100, "fade": 0, "seed": None}  # fmt: skip
    (tmp_path / "film.csv").write_text("from,prompt\n0s,She nods.")
    code, _, err = longtake("new", *words)
    assert code == 3
    assert "script is 4 changes (" in err
    assert "), not 1 change (" in err


def test_another_model_is_told_nothing_of_a_face(
    speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """The flags do nothing there, and one line says so."""
    words = (EXAMPLES / "amara.png", speech, *TOLD, "--model", "wan-s2v", "--weights", tmp_path)
    err = longtake("plan", *words, "--gpu", "h200")[2]
    assert "--mouth does nothing here: wan-s2v draws; it looks at the picture as a whole" in err


def stereo(path: Path, left: float, right: float) -> Path:
    """Two seconds of a tone, so loud on either side."""
    tone = 0.3 * np.sin(np.arange(32_000) / 9)
    samples = np.stack([left * tone, right * tone]).astype(np.float32)
    return write_sound(path, samples, 16_000, "pcm_s16le")


def test_what_was_done_to_the_sound_is_one_line(face: Path, tmp_path: Path, longtake: Call) -> None:
    """And its run says how it is read."""
    sound = stereo(tmp_path / "both.wav", 1, 1)
    late = ("-f", "lavfi", "-i", "color=red:size=64x64:duration=3", "-itsoffset", 0.48)
    maps = ("-map", "0", "-map", "1", "-c:a", "pcm_s16le")
    centre = ("-filter_complex", "[0:a]pan=5.1|FC=c0[a]", "-map", "[a]")
    cases = [
        (sound, Reading(), ""),
        (
            stereo(tmp_path / "turned.wav", 1, -1),
            Reading(mix="turned"),
            "left and right cancel each other; the right one is turned over, in the film and for the mouth",
        ),
        (
            stereo(tmp_path / "left.wav", 1, 0),
            Reading(mix="left"),
            "its right channel is silent; the mouth follows the left one, and the film has both as they are",
        ),
        (
            ffmpeg.make(tmp_path / "late.mov", *late, "-i", sound, *maps),
            Reading(silence=7680),
            "it starts 0.48 s late in its file, so 0.48 s of silence stand before it, in the film and for the mouth",
        ),
        (
            ffmpeg.make(tmp_path / "six.wav", "-i", sound, *centre),
            Reading(gain=1000),
            "its 6 channels are mixed into the film's two",
        ),
    ]
    for path, reading, said in cases:
        code, _, err = longtake("new", face, path, "--run", path.stem)
        assert code == 0, err
        assert [line for line in err.splitlines() if "The sound" in line] == (
            [f"[INFO] The sound: {said}"] if said else []
        )
        assert Run.open(tmp_path / path.stem).spec.reading == reading
    frames = [Run.open(tmp_path / name).spec.frames for name in ("both", "late")]
    assert frames == [50, 62]


def test_a_sound_that_was_cut_off_is_refused_with_both_lengths_and_a_flag_that_takes_it(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """Before any work; taken, it is said, and `resume` needs no flag."""
    whole = speech.read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    words = ("new", face, tmp_path / "cut.wav", "--run", "x")
    code, _, err = longtake(*words)
    assert code == 2
    lengths = "0:00:04.5 of its 0:00:09.0 are there"
    assert f"it is cut off: {lengths}; get all of it, or take what is there with" in err
    assert not (tmp_path / "x").exists()
    code, _, err = longtake(*words, "--accept-short-audio")
    assert code == 0, err
    assert f"[INFO] The sound: it is cut off, {lengths}, and the film ends there" in err
    assert Run.open(tmp_path / "x").spec.frames == 112
    assert longtake("resume", "x")[0] == 0
    assert longtake("verify", "x")[0] == 0


def test_a_run_that_read_its_sound_otherwise_goes_on_as_it_was_begun(
    face: Path, tmp_path: Path, longtake: Call
) -> None:
    """`new` says what differs and what goes on; `resume` ends it with the mix of its version."""
    path, root = stereo(tmp_path / "a.wav", 1, -1), tmp_path / "x"
    resolved = resolve_request(Request(face, path, run=root))
    create_run(replace(resolved, spec=replace(resolved.spec, mix="")))
    code, _, err = longtake("new", face, path, "--run", "x")
    assert code == 3
    assert (
        "mix is empty, not turned (it was begun by a version that read this sound otherwise" in err
    )
    assert longtake("resume", "x")[0] == 0
    assert Run.open(root).spec.reading == Reading()
    assert not Run.open(root).sound.read(0, 32_000).any()


def test_a_prompt_is_said_as_it_was_understood() -> None:
    """Acts by name and strength, then the words that ask nothing; a prompt of scenery alone asks for nothing."""
    lines = [
        describe_prompt(read_prompt(prompt))
        for prompt in ("she nods happily", "A woman in a red dress, warm light", "x" * 500)
    ]
    assert lines == [
        "The prompt: happy 0.7, nod 0.7",
        "The prompt: it asks for nothing that the presenter can act; not understood: red, dress, warm, light",
        f"The prompt: it asks for nothing that the presenter can act; not understood: {'x' * 120}…",
    ]
