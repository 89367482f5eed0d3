"""Every help page, every error and the lines of common mistakes are those that are kept."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipeline.commands.registry import VERBS
from storage import errors

from .golden import check

Call = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help(verb: str, longtake: Call):
    """The first screen, and that of each verb."""
    code, out, err = longtake(*[verb] * bool(verb), "--help")
    assert (code, err) == (0, "")
    check(f"help-{verb or 'first'}", out)


ARGUMENTS = {
    "LongtakeError": ("what is the matter",),
    "RunError": ("why",),
    "NotARun": ("runs/tea", "it has no run.json"),
    "RunDamaged": ("runs/tea", "run.json is no JSON", "copy run.json back from a backup"),
    "RunTooNew": ("runs/tea", 9, 1),
    "RunLocked": ("runs/tea", "process 4711 on mill", "Wait, or stop it first."),
    "JobRunning": ("film-7f7f7f7f7f7f",),
    "JobAwaited": ("film-7f7f7f7f7f7f", "film-8e8e8e8e8e8e"),
    "LockLost": ("runs/tea", "process 4711 on mill"),
    "OtherSpec": ("runs/tea", "steps is 4, asked is 8"),
    "WeightsReplaced": ("runs/tea", "pocket"),
    "OtherNumerics": ("runs/tea", "threads is 1, here 2"),
    "NotWritable": ("runs/tea", "Permission denied"),
    "NotReadable": ("inputs/speech.wav", "Input/output error"),
    "NoSpace": ("/films: 1.2 MB free, 3.0 MB are needed",),
    "NotMade": ("Clip 3 of runs/tea",),
    "Pruned": ("frames of clip 3", "longtake resume runs/tea --keep-frames all"),
    "Damaged": ("latents of clip 3", "its chunk is missing"),
    "InputDamaged": ("inputs/speech.wav", "is missing", "7f" * 32),
    "BadInput": ("what is wrong, and the way out",),
    "BadImage": ("face.png", "it is no picture"),
    "BadSound": ("speech.wav", "it has no sound"),
    "BadPoseVideo": ("dance.mp4", "it has no frames"),
    "BadTable": ("films.csv:7", "promptt is no flag of a film; did you mean prompt?"),
    "FilmsMissing": (1, "8 films"),
    "BadFilm": ("photo.jpg", "it is one picture, and a film is needed"),
    "BadWeights": ("syncnet.pth", "it is no SyncNet"),
    "BadSegment": ("segments/00003.mp4", "it holds 11 frames, not 12"),
    "InputChanged": ("speech.wav",),
    "NotRetakable": (3, "runs/tea", "it has not been made"),
    "NoSuchJob": ("runs", "film-7f7f7f7f7f7f"),
    "BadOption": ("ahed", 3, "did you mean ahead?"),
    "Refused": ("--tpp", "longtake has one device"),
    "BadSize": ("65*64", "sides must be divisible by 16"),
    "ModelError": ("what is the matter with the weights",),
    "WeightsMissing": ("ckpt", "config.json", "Wan-AI/Wan2.2-S2V-14B"),
    "WeightsDamaged": ("ckpt/a.safetensors", "it ends too soon"),
    "OtherWeights": ("ckpt", "tensors missing: 1 of 1095 (head.head.bias)"),
    "OtherLora": ("lora.safetensors", "tensors without use: 1 (x)"),
    "RankLost": (2, 4, "was killed by SIGKILL"),
    "FilmTooLarge": (24, "704*384", 31, "It fits with --offload-model True."),
    "DeviceTooSmall": ("NVIDIA RTX 4090", 3, "live-avatar", 31),
    "NotReproduced": (3, "runs/tea"),
    "NotFinite": (3, 12, 900, "step 2 of 4"),
    "ReplayFailed": (1, 3, "OSError: no"),
    "Stalled": (900, "denoising clip 3"),
    "BelowLevel": ("tea", 1, "runs/tea"),
    "NoWatermark": ("copy.mp4", "0:00:13.2"),
    "WorkFailed": (3, errors.count_times(1), "decoding", "OSError: no", "longtake resume runs/tea"),
    "StageFailed": (errors.count_times(3), "joining", "OSError: no", "longtake resume runs/tea"),
    "DeviceLost": ("decoding clip 3", "CUDA error", "longtake resume runs/tea"),
    "OutOfMemory": (3, errors.count_times(3), "decoding", "out of memory", "longtake new … --size 448*256"),
    "Interrupted": ("SIGINT", "longtake resume runs/tea"),
    "Terminated": ("SIGTERM", "longtake resume runs/tea"),
}  # fmt: skip


def example(kind: type[errors.LongtakeError]) -> errors.LongtakeError:
    """One of the class, with something in each hole of its message."""
    holes = str(kind.__doc__).count("{}")
    return kind(*ARGUMENTS.get(kind.__name__, ("…",) * holes))


def test_errors():
    """The line of each class, filled in, with its code; none is missing."""
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    lines = [f"{kind.exit_code:3}  {kind.__name__}\n     {example(kind)}\n" for kind in kinds]
    check("errors", "".join(lines))


RUN = ("--run", "x", "--infer-frames", "12")
MISTAKES: list[tuple[object, ...]] = [
    ("stats",), ("clip",), ("status", "nowhere"), ("status", "face.png"), ("status",), ("status", "x", "y"), ("resume", "nowhere"), ("resume", "x", "--size", "64*64"),
    ("new",), ("new", "face.png"), ("new", "nowhere.png", "speech.wav"), ("new", "face.png", "nowhere.wav"), ("new", "speech.wav", "face.png"), ("new", "face.png", "face.png"),
    ("new", "face.png", "speech.wav", "more.wav"), ("new", "face.png", "speech.wav", "--ahaed", "3"), ("new", "face.png", "speech.wav", "--ahead"),
    ("new", "face.png", "speech.wav", "--ahead", "three"), ("new", "face.png", "speech.wav", "--ahead", "-1"), ("new", "face.png", "speech.wav", "--size", "big"), ("new", "face.png", "speech.wav", "--size", "65*64"),
    ("new", "face.png", "speech.wav", "--infer-frames", "13"), ("new", "face.png", "speech.wav", "--num-clip", "0"), ("new", "face.png", "speech.wav", "--start-clip", "99", *RUN),
    ("new", "face.png", "speech.wav", "--sample-steps", "0"), ("new", "face.png", "speech.wav", "--base-seed", "x"), ("new", "face.png", "speech.wav", "--model", "pockets"),
     ("new", "face.png", "speech.wav", "--keep-frames", "some"), ("new", "face.png", "speech.wav", "--disk-budget", "much"),
    ("new", "face.png", "speech.wav", "--offline", "--enable-online-decode"), ("new", "face.png", "speech.wav", "--size-as-area"), ("new", "face.png", "a.wav+b.wav"),
    ("new", "face.png", "speech.wav", "--retry-delay", "soon"), ("new", "face.png", "speech.wav", *RUN, "--base-seed", "1"),
    ("batch",), ("batch", "nowhere.csv"), ("batch", "face.png"), ("batch", "nowhere.csv", "--jobs", "0"), ("batch", "nowhere.csv", "--engine", "dask"), ("batch", "nowhere.csv", "--jbos", "2"),
    ("plan", "face.png", "speech.wav", "--rehearse", "maybe"), ("plan", "face.png", "speech.wav", "--gpu", "5090ti"),
    ("mux", "nowhere"), ("inspect",), ("inspect", "x", "--clip", "99"), ("inspect", "x", "--clip", "-1"), ("inspect", "x", "--clip", "0", "--step", "9"), ("inspect", "x", "--clip", "0", "--block", "9"),
    ("inspect", "x", "--step", "1"), ("inspect", "x", "--hunt", "--clip", "1"), ("inspect", "x", "--diff", "nowhere"), ("inspect", "x", "--clip", "one"),
    ("retake", "x"), ("retake", "x", "--clip", "99"), ("retake", "x", "--clip", "3", "--until", "2"), ("retake", "x", "--clip", "1", "--run", "x"), ("retake", "x", "--clip", "1", "--seed", "-4"),
    ("report", "nowhere"), ("report", "face.png"), ("report", "speech.wav"), ("verify", "nowhere"), ("verify", "x", "--syncnet", "nowhere"),
    ("whose",), ("whose", "nowhere"), ("whose", "speech.wav"), ("whose", "face.png"), ("whose", "x"), ("new", "face.png", "speech.wav", "--watermark", "seventy"), ("new", "face.png", "speech.wav", "--watermark", "auto", "--size", "64*64"),
    ("avatar", "--style", "oil"), ("avatar", "--size", "12"), ("avatar", "-n", "0"), ("avatar", "--seed", "-1"), ("avatar", "-n", "3", "-o", "faces.png"), ("avatar", "-o", "face.png"), ("avatar", "-o", "speech.wav"),
    ("doctor",), ("doctor", "--weights", "nowhere"), ("doctor", "--model", "pocket"), ("doctor", "--model", "wan", "--weights", "nowhere"),
    ("--prompt", "A smith."),
]  # fmt: skip


def test_mistakes(face: Path, speech: Path, tmp_path: Path, longtake: Call):
    """What a person gets wrong: a line, and the code."""
    Image.new("RGB", (64, 64)).save(face)
    assert longtake("new", "face.png", "speech.wav", *RUN)[0] == 0
    told = []
    for words in MISTAKES:
        code, out, err = longtake(*words)
        said = re.sub(r"(?m)^", "  ", (out + err).rstrip())
        told.append(f"$ longtake {' '.join(map(str, words))}\n{said}\n  [{code}]\n")
    check("mistakes", "\n".join(told).replace(str(tmp_path), "/here"))


def test_mistakes_in_settings(
    face: Path, speech: Path, tmp_path: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """Those of longtake.toml and of the environment."""
    told = []
    for text in ("ahed = 3", "ahead = 'three'", "ahead = [", "nonsense = 1", "offline = 'perhaps'"):
        Path("longtake.toml").write_text(text, encoding="utf-8")
        code, _, err = longtake("new", "face.png", "speech.wav")
        told.append(f"longtake.toml: {text}\n  {err}  [{code}]\n")
    Path("longtake.toml").unlink()
    for name, value in (("LONGTAKE_AHEAD", "three"), ("LONGTAKE_OFFLINE", "perhaps")):
        monkeypatch.setenv(name, value)
        code, _, err = longtake("new", "face.png", "speech.wav")
        told.append(f"{name}={value}\n  {err}  [{code}]\n")
        monkeypatch.delenv(name)
    check("mistakes-in-settings", "\n".join(told).replace(str(tmp_path), "/here"))


def test_no_screen_is_left_over():
    """Each file of the folder belongs to a test."""
    kept = {path.name for path in (Path(__file__).parent / "screens").iterdir()}
    told = "".join(
        (Path(__file__).parent / name).read_text(encoding="utf-8")
        for name in ("test_lines.py", "monitor/test_screens.py")
    )
    assert not [
        name for name in kept if f'"{name.partition("-")[0].removesuffix(".txt")}' not in told
    ]
