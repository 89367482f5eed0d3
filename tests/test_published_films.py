"""The published models in miniature (random weights in the published layout) through the real commands: interrupted or not, the film is the same bytes."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from model.avatar import DeviceConfig, Options
from model.encoders.wav2vec2 import FilmRate, Wav2VecEncoder
from model.loader import load_model
from model.sampling.causal import CausalDenoiser
from model.tools.make_checkpoint import TINY
from model.vae.wan_layout import STATISTICS
from model.weights.checkpoint import FOLDER, SPEECH, VAE
from storage.run import Run
from storage.segments import EncoderConfig, encode_h264
from tests import forked
from tests.film_facts import inspect_film
from tests.model.parity.audio_features import extract_whole
from tests.waiting import wait_until
from tests.wavefile import write_wave

ROOT = Path(__file__).parents[1]
PICTURE, SOUND = ROOT / "examples" / "mila.png", ROOT / "examples" / "harbour.wav"
LIVE = ("--model", "live-avatar", "--infer-frames", "12", "--num-clip", "5", "--carry-every", "2")
WAN = ("--model", "wan-s2v", "--sample-steps", "2", "--num-clip", "2", "--size", "64*48")
WAN += ("--negative-prompt", "Six fingers on a hand.")
SCRIPTS = {
    "live-avatar": "from,prompt,fade,seed\n0.5s,She nods.,,\n1.45s,,2,7\n1.92s,She nods.,,8\n",
    "wan-s2v": "from,prompt,seed\n5s,She nods.,7\n",
}
"""The first in the midst of a fade, and twice the same prompt; the second from its second clip on. Both with seeds."""
POSE_FRAMES = 83
"""Of a pose video of 50 frames a second: every second one is taken, and the last clip and a half have none."""
Words = Callable[..., list[str]]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Words:
    """A command line of `longtake new` with a small checkpoint."""
    folder = tmp_path_factory.mktemp("weights")
    maker = [sys.executable, "-m", "model.tools.make_checkpoint", "--out", str(folder)]
    forked.run(maker, cwd=ROOT, check=True, capture_output=True)
    pose = folder / "pose.mp4"
    pose.write_bytes(encode_h264(draw_poses(), EncoderConfig(50, 18, "veryfast")))

    for name, text in SCRIPTS.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")

    def spoken(run: Path, *more: str) -> list[str]:
        new = [sys.executable, "-m", "pipeline", "new", str(PICTURE), str(SOUND)]
        film = ("--weights", str(folder), "--pose-video", str(pose), "--run", str(run))
        film += ("--script", str(folder / f"{more[more.index('--model') + 1]}.csv"))
        return [*new, "--size", "64*64", *film, *more]

    return spoken


def draw_poses() -> np.ndarray:
    """A bar that goes across black frames [frame, y, x, rgb]."""
    frames = np.zeros((POSE_FRAMES, 64, 64, 3), np.uint8)
    for n, frame in enumerate(frames):
        frame[8:56, n % 60 : n % 60 + 4] = (255, 128, 2 * n)
    return frames


def make(words: list[str]) -> None:
    done = forked.run(words, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def kill_when(words: list[str], record: Path) -> None:
    """Start the film and kill it when a record is there."""
    worker = forked.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until(record.exists, of=worker, every=0.002)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert record.exists()
    assert not (record.parents[1] / "video.mp4").exists()


def pieces(run: Path) -> dict[str, bytes]:
    """The film, and all that it was made of."""
    folders = [
        run / name for name in ("segments", "latents", "motion", "pose") if (run / name).is_dir()
    ]
    kept = [run / "video.mp4", *(path for folder in folders for path in folder.iterdir())]
    return {str(path.relative_to(run)): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def unbroken(words: Words, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five short clips of live-avatar."""
    run = tmp_path_factory.mktemp("unbroken") / "film"
    make(words(run, *LIVE))
    return run


def test_live_avatar_keeps_every_frame(unbroken: Path) -> None:
    """Clip 0 keeps its first three frames, which the published program drops: 5 clips of 12 are 60."""
    assert inspect_film(unbroken / "video.mp4").frames == 60


def test_each_clip_has_the_poses_of_the_published_rule(words: Words, unbroken: Path) -> None:
    """All frames at the stride, black (-1) beyond the end, each clip behind its first frame again through diffusers' encoder at once, the first latent dropped."""
    from diffusers import AutoencoderKLWan
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

    run, made = Run.open(unbroken), words(unbroken, *LIVE)
    folder = Path(made[made.index("--weights") + 1])
    with av.open(str(run.input_paths["pose"])) as video:
        frames = [each.to_ndarray(format="rgb24") for each in video.decode(video=0)]
    taken = torch.from_numpy(np.stack(frames[::2])).permute(3, 0, 1, 2)[None] / 255 * 2 - 1
    assert taken.shape[2] == 42
    whole = torch.cat([taken, -torch.ones(1, 3, 60 - 42, 64, 64)], 2)
    stock = AutoencoderKLWan(base_dim=TINY.vae_width)
    held = torch.load(folder / FOLDER / VAE, weights_only=True)
    stock.load_state_dict(convert_wan_vae_to_diffusers(dict(held)))
    mean, std = (torch.tensor(each).view(1, -1, 1, 1, 1) for each in STATISTICS)
    for clip in (1, 3):  # its own poses all through, and half of it black
        cond = whole.chunk(5, 2)[clip]
        with torch.inference_mode():
            mode = stock.encode(torch.cat([cond[:, :, :1], cond], 2)).latent_dist.mode()
        latents = ((mode - mean) / std)[0, :, 1:].numpy()
        assert np.allclose(run.pose.read(clip), latents, atol=1e-4), clip


def test_each_prompt_is_encoded_once(unbroken: Path) -> None:
    """By its words; the changes name it."""
    inputs = Run.open(unbroken).inputs.read_all()
    assert inputs["text_spans"].tolist() == [[1, 0, 0], [3, 2, 1], [4, 0, 0]]
    assert {name for name in inputs if name.startswith("changed")} == {"changed_text.0", "changed_text.1"}  # fmt: skip


def test_live_avatar_offline_and_offloaded(words: Words, unbroken: Path, tmp_path: Path) -> None:
    """Decoding after the last denoise, and layers and rings that wait on the host, give the bytes of decoding beside it with all in place."""
    make(words(tmp_path / "film", *LIVE, "--offline", "--offload_model", "True"))
    assert pieces(tmp_path / "film") == pieces(unbroken)


def test_killed_live_avatar_is_ended_by_luigi(words: Words, unbroken: Path, tmp_path: Path) -> None:
    """Killed after three clips, when the sink was replaced and rings have gone to the disk, and taken up by luigi: the same bytes."""
    run = tmp_path / "film"
    kill_when(words(run, *LIVE), run / "commits" / "latents.00002.json")
    luigi = [sys.executable, "-m", "luigi", "--module", "tasks", "MuxVideo", "--run", str(run)]
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    forked.run([*luigi, "--local-scheduler"], cwd=ROOT, env=there, check=True, capture_output=True)
    assert pieces(run) == pieces(unbroken)


def test_a_part_of_live_avatar_is_a_part(words: Words, unbroken: Path, tmp_path: Path) -> None:
    """--start_clip 3 --num_clip 2 makes these clips of the one run, with the bytes that they have in the whole."""
    run, part = tmp_path / "film", tmp_path / "part.mp4"
    whole = [word for word in LIVE if word not in {"--num-clip", "5"}]
    make(words(run, *whole, "--start_clip", "3", "--num_clip", "2", "--output_file", str(part)))
    assert inspect_film(part).frames == 24
    for name in ("latents/c.3.0.0.0.0", "latents/c.4.0.0.0.0"):
        assert (run / name).read_bytes() == (unbroken / name).read_bytes()


@pytest.mark.slow
def test_killed_wan_s2v_ends_the_same(words: Words, tmp_path: Path) -> None:
    """Killed between the decoding of one clip and the denoising of the next, wan-s2v goes on from the motion latents: the same bytes."""
    whole, broken = tmp_path / "whole" / "film", tmp_path / "broken" / "film"
    make(words(whole, *WAN))
    kill_when(words(broken, *WAN), broken / "commits" / "motion.00000.json")
    make([sys.executable, "-m", "pipeline", "resume", str(broken)])
    assert pieces(broken) == pieces(whole)
    states = Run.open(whole).inputs
    unwanted, empty = (states.read(name).any(-1).sum() for name in ("negative", "text"))
    assert unwanted > empty
    film = inspect_film(whole / "video.mp4")
    assert (film.frames, film.width, film.height) == (160, 64, 48)


DOOR = """
import json, sys
from pipeline.cli import main
sys.exit(max(main(words) for words in json.loads(sys.argv[1])))
"""


def test_each_script_of_live_avatar_is_a_line(tmp_path: Path) -> None:
    """Every line of docs/from-live-avatar.md does what it says, one after the other, with small weights and a small size."""
    page = (ROOT / "docs" / "from-live-avatar.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    small = [line.replace("704*384", "64*64").replace("_steps 40", "_steps 1") for line in lines]
    face = Image.open(PICTURE).convert("RGB")
    face.save(tmp_path / "face.jpg")
    face.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "other.jpg")
    write_wave(tmp_path / "speech.wav", 2.4)
    maker = [sys.executable, "-m", "model.tools.make_checkpoint", "--out", str(tmp_path / "ckpt")]
    forked.run(maker, cwd=ROOT, check=True, capture_output=True)
    words = json.dumps([shlex.split(line)[1:] for line in small])
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = forked.run(
        [sys.executable, "-c", DOOR, words],
        cwd=tmp_path, env=there, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    films = {
        "runs/smith/video.mp4": 60,
        "runs/eight/video.mp4": 60,
        "runs/loop/video.mp4": 60,
        "part_1.mp4": 12,
        "so_far.mp4": 60,
    }
    films |= {"runs/small/video.mp4": 60, "runs/wan/video.mp4": 38}
    assert {name: inspect_film(tmp_path / name).frames for name in films} == films


def test_the_whole_sound_is_heard_where_it_is_asked_for(
    words: Words, unbroken: Path, tmp_path: Path
) -> None:
    """--whole-audio gives the features of one pass over the whole file, as published; a window's are others, and the spec tells the two films apart."""
    made = words(tmp_path / "film", *LIVE, "--whole-audio")
    make(made)
    run, windowed = Run.open(tmp_path / "film"), Run.open(unbroken)
    folder = Path(made[made.index("--weights") + 1])
    ear = Wav2VecEncoder.read(folder / FOLDER / SPEECH, torch.float32)
    whole = extract_whole(ear, run.sound.read(0, run.sound.samples), FilmRate(25, 12))
    heard = np.concatenate([run.audio.read(clip) for clip in range(5)], -1)
    apart = np.concatenate([windowed.audio.read(clip) for clip in range(5)], -1)
    assert np.allclose(heard, whole[..., :60], atol=1e-5)
    assert not np.allclose(heard, apart, atol=1e-3)
    assert run.spec.digest != windowed.spec.digest


def speak_apart(tmp_path: Path) -> list[str]:
    """Two speakers: one where a mask is white, one in a box."""
    mask = Image.new("L", (512, 512))
    mask.paste(255, (0, 0, mask.width // 2, mask.height))
    mask.save(tmp_path / "left.png")
    box = f"{mask.width // 2},0,{mask.width // 2},{mask.height}"
    tea = ROOT / "examples" / "tea.wav"
    return ["--speaker", f"{SOUND}@{tmp_path / 'left.png'}", "--speaker", f"{tea}@{box}"]


def halves(rows: int, columns: int) -> torch.Tensor:
    """Masks of a speaker in the left half and one in the right [speaker, 1, row, column]."""
    left = (torch.arange(columns) < columns // 2).float().expand(1, rows, columns)
    return torch.stack([left, 1 - left])


def test_live_avatar_hears_two_speakers_where_they_are(words: Words, tmp_path: Path) -> None:
    """Killed and resumed, the film of two speakers has, to the bit, the latents that the transformer makes of both sounds with the published masks; with one sound for both it makes others."""
    run = tmp_path / "film"
    asked = [word for word in words(run, *LIVE, *speak_apart(tmp_path)) if word != str(SOUND)]
    kill_when(asked, run / "commits" / "latents.00001.json")
    (tmp_path / "left.png").unlink()
    make([sys.executable, "-m", "pipeline", "resume", str(run)])
    made = Run.open(run)
    options = Options(64, 64, 12, weights=asked[asked.index("--weights") + 1], speakers=2)
    threads = int(made.fingerprint["threads"])
    avatar = load_model("live-avatar", options, DeviceConfig(threads, "cpu"))
    inputs = made.inputs.read_all()
    masks = inputs.pop("masks")
    assert torch.equal(torch.from_numpy(masks), halves(*masks.shape[2:]))
    setup = avatar.prepare_denoising(inputs, made.spec.seed, made.pose.read)  # type: ignore[attr-defined] # LiveAvatar's own
    told = replace(setup.conditioning, masks=halves(*masks.shape[2:]))
    loop = CausalDenoiser(replace(setup, conditioning=told))
    for clip in range(3):
        heard = made.audio.read(clip)
        assert np.array_equal(loop.denoise(heard).latents, made.latents.read(clip))
    alone = CausalDenoiser(setup).denoise(made.audio.read(0)[0]).latents
    assert not np.array_equal(alone, made.latents.read(0))


def test_wan_s2v_hears_two_speakers(words: Words, tmp_path: Path) -> None:
    """A table of turns gives each its part of the sound, with masks that guidance takes as well."""
    (tmp_path / "turns.csv").write_text("from,until,speaker\n0s,1.5s,1\n1.5s,4s,2\n")
    apart = [word.rpartition("@")[1] + word.rpartition("@")[2] if "@" in word else word for word in speak_apart(tmp_path)]  # fmt: skip
    short = [*WAN[: WAN.index("--num-clip")], "--num-clip", "1", "--size", "64*48"]
    make(words(tmp_path / "film", *short, *apart, "--turns", str(tmp_path / "turns.csv")))
    run = Run.open(tmp_path / "film")
    assert run.audio.read(0).shape[0] == 2
    first, second = run.sound.read_speakers(0, 64_000)
    assert first[:24_000].any()
    assert not first[24_000:].any()
    assert not second[:24_000].any()
    assert inspect_film(run.video_path).frames == 80
