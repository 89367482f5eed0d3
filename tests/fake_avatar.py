"""A tiny model with the real Protocols: rings that go from clip to clip, a decoder with memory, no torch.

Environment (also for child processes): FAKE_DENOISE and FAKE_DECODE are seconds a clip, FAKE_NUMERICS changes what it
says of its numerics, FAKE_PROBE what its probe gives (empty: it has none), FAKE_WRONG=0.5 lets it compute wrongly by so much, FAKE_DRIFT=1 changes all that it computes by a hair, FAKE_MOTION=3 lets a clip take so many latents from the decoded one before it and nothing else. FAKE_FACE=1 lets it need a face, FAKE_POSE=1 take poses. FAKE_CARD="4 8 71 98" is what its card says (used, total, temperature, load). A folder FAKE_FAIL with files such as `denoise.17`
that hold a number makes that stage of that clip fail so many times; a word after it says how: memory, device, io, full, nan (denoise only). FAKE_DEVICE is a file that stands for a card: one process or thread takes its time there at once. FAKE_LOG is a file that gets one line per call. While a folder FAKE_HOLD has a file such as `decode.2`, that stage of that clip waits, beside a file `decode.2.reached`.
"""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from model.avatar import (
    AudioWindow,
    Byte,
    Denoised,
    DeviceConfig,
    Float,
    ModelTraits,
    Named,
    Options,
    Poses,
    Seed,
    seed_for_clip,
)
from model.estimates import MachineSpeed, MemoryEstimate, TimeEstimate
from model.prompt_schedule import parse_changes
from model.speaker_places import Place
from storage.errors import WrongPrecision

RING = 12
MEMORY = 30


def traits_of(options: Options) -> ModelTraits:
    """Numbers of pocket, but for sizes that cost nothing."""
    return ModelTraits(
        name="pocket",
        fps=25,
        clip_frames=options.clip_frames or 48,
        block_frames=12,
        frames_per_latent=4,
        latent_channels=2,
        latent_width=options.width // 16,
        latent_height=options.height // 16,
        size_multiple=16,
        default_width=32,
        default_height=32,
        steps=options.steps or 4,
        sample_rate=16_000,
        audio_layers=2,
        audio_channels=3,
        audio_margin=160,
        latents_blend=True,
        decoder_memory=MEMORY,
        reads_words=True,
        needs_face=bool(os.environ.get("FAKE_FACE")),
        takes_pose=bool(os.environ.get("FAKE_POSE")),
        motion_latents=int(os.environ.get("FAKE_MOTION", "0")),
        carry_bytes=RING
        * 4
        * (options.width // 16)
        * (options.height // 16)
        * (options.steps or 4),
        carry_pieces=options.steps or 4,
    )


class OutOfMemoryError(RuntimeError):
    """Torch's own by name."""


KINDS = {
    "memory": lambda: OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "device": lambda: RuntimeError("CUDA error: an illegal memory access was encountered"),
    "io": lambda: OSError(errno.EIO, "Input/output error"),
    "full": lambda: OSError(errno.ENOSPC, "No space left on device"),
}


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Hold the device: a card does one thing at a time, though two threads ask."""
    if not (device := os.environ.get("FAKE_DEVICE")):
        yield
        return
    with Path(device).open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _pretend(stage: str, clip: int) -> bool:
    """Take the time, fail as scripted; True if what comes out is to be NaN."""
    with _one_at_a_time():
        time.sleep(float(os.environ.get(f"FAKE_{stage.upper()}", "0")))
    held = Path(os.environ.get("FAKE_HOLD", "/nowhere")) / f"{stage}.{clip}"
    if held.exists():
        held.with_name(f"{held.name}.reached").touch()
    while held.exists():
        time.sleep(0.01)
    if log := os.environ.get("FAKE_LOG"):
        with Path(log).open("a", encoding="utf-8") as lines:
            lines.write(f"{stage} {clip} {time.monotonic()}\n")
    folder = os.environ.get("FAKE_FAIL")
    script = Path(folder or "/nowhere") / f"{stage}.{clip}"
    left, *kind = script.read_text().split() if script.exists() else ["0"]
    if not int(left):
        return False
    script.write_text(" ".join([str(int(left) - 1), *kind]))
    if kind == ["nan"]:
        return True
    raise KINDS[kind[0]]() if kind else ArithmeticError(f"scripted fault of {stage} {clip}")


class FakeDenoiser:
    """Latents that depend on the seed, the clip, the sound and everything before."""

    def __init__(self, traits: ModelTraits, inputs: Named, seed: Seed, poses: Poses | None) -> None:
        self._traits, self._seed, self._poses = traits, seed, poses
        self._reference = inputs["reference"].astype(np.int64)
        self._spans = inputs.get("spans", np.zeros((0, 2), np.int64))
        self._clip = 0
        self._rings = self._empty()

    def _empty(self) -> list[np.ndarray[Any, Any]]:
        size = self._reference.shape
        return [np.zeros((RING, *size), np.uint16) for _ in range(self._traits.steps)]

    @property
    def next_clip(self) -> int:
        return self._clip

    def denoise(self, audio: Float) -> Denoised:
        clip, traits = self._clip, self._traits
        bad = _pretend("denoise", clip)
        noise = np.random.default_rng([seed_for_clip(self._seed, clip), clip])
        shape = (traits.clip_latents, *self._reference.shape)
        heard = (audio.mean((0, 1)).reshape(traits.clip_latents, -1).mean(1) * 1000).astype(
            np.int64
        )
        x = noise.integers(0, 1 << 16, shape)
        # What a script asks is a number of its own for each of the clip's blocks.
        block = clip * traits.clip_frames // traits.block_frames
        asked = np.array(
            [
                self._spans[self._spans[:, 0] <= block + n, 1].sum()
                for n in range(traits.clip_frames // traits.block_frames)
            ]
        )
        heard += asked.repeat(traits.clip_latents // len(asked))
        if self._poses is not None:
            heard += (self._poses(clip).mean((0, 2, 3)) * 1000).astype(np.int64)
        steps = []
        for ring in self._rings:
            x = (
                x * 5 + ring.astype(np.int64).sum(0) + self._reference + heard[:, None, None, None]
            ) % (1 << 16)
            ring[:] = np.concatenate([ring, x.astype(np.uint16)])[-RING:] // 2
            steps.append((x / 65536).astype(np.float32).transpose(1, 0, 2, 3))
        steps[-1] = _drifted(steps[-1])
        if bad:
            steps[1:] = [np.full_like(each, np.nan) for each in steps[1:]]
        self._clip += 1
        return Denoised(latents=steps[-1], steps=np.stack(steps))

    def carry(self) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
        assert not self._traits.motion_latents, "the decoder has it"
        for step, ring in enumerate(self._rings):
            yield f"ring.{step}", ring.copy()

    def restore(self, clip: int, carry: Iterable[tuple[str, np.ndarray[Any, Any]]]) -> None:
        pieces = dict(carry)
        if self._traits.motion_latents:
            assert bool(clip) == bool(pieces), clip
            self._rings, self._clip = self._empty(), clip
            if clip:
                seen = (pieces["motion"] * 8192).astype(np.uint16).sum(1, dtype=np.uint16)
                self._rings[0][0] = seen
            return
        self._rings = (
            [np.array(pieces[f"ring.{i}"]) for i in range(self._traits.steps)]
            if clip
            else self._empty()
        )
        self._clip = clip


class FakeDecoder:
    """Frames that depend on the last MEMORY latents, exactly."""

    def __init__(self, traits: ModelTraits) -> None:
        self._traits, self._clip = traits, 0
        self._past = np.zeros((traits.latent_channels, 0, 0, 0), np.float32)

    @property
    def next_clip(self) -> int:
        return self._clip

    def decode(self, latents: Float) -> Byte:
        _pretend("decode", self._clip)
        past = self._past if self._past.shape[1] else latents[:, :0]
        if self._traits.motion_latents:
            past = past[:, -self._traits.motion_latents :]
        whole = (np.concatenate([past, latents], 1) * 251).astype(np.int64).sum(0)
        zeros = np.zeros((MEMORY, *whole.shape[1:]), np.int64)
        sums = np.cumsum(np.concatenate([zeros, whole]), 0)
        count = latents.shape[1]
        seen = (sums[-count:] - sums[-count - MEMORY : -MEMORY]) % 256
        grown = seen.repeat(16, 1).repeat(16, 2).repeat(4, 0).astype(np.uint8)
        self._past = np.concatenate([past, latents], 1)[:, -MEMORY:]
        self._clip += 1
        return np.stack([grown, grown // 2, 255 - grown], -1)

    def motion(self) -> Float:
        return self._past[:, -self._traits.motion_latents :] / 2

    def seek(self, clip: int, preceding: Float) -> None:
        _pretend("seek", clip)
        if self._traits.motion_latents:
            assert preceding.shape[1] == self._traits.motion_latents, preceding.shape
            self._past, self._clip = preceding * 2, clip
            return
        expected = min(MEMORY, clip * self._traits.clip_latents)
        assert preceding.shape[1] == expected, (clip, preceding.shape)
        self._past, self._clip = preceding, clip


class FakeAvatar:
    """The model, "loaded"."""

    def __init__(self, options: Options, threads: int) -> None:
        self._traits, self._threads = traits_of(options), threads

    @property
    def traits(self) -> ModelTraits:
        return self._traits

    @property
    def numerics(self) -> Mapping[str, str | int]:
        probe = os.environ.get("FAKE_PROBE", "0123456789abcdef")
        kernel = os.environ.get("FAKE_NUMERICS", "numpy")
        told = {"kernel": kernel, "threads": self._threads}
        return told | ({"probe": probe} if probe else {})

    def require_precision(self) -> None:
        if os.environ.get("FAKE_WRONG"):
            raise WrongPrecision("conv", os.environ["FAKE_WRONG"], 0.02)

    @property
    def peaks(self) -> Mapping[str, int]:
        return {}

    def look(self) -> Mapping[str, int | str]:
        words = os.environ.get("FAKE_CARD", "").split()
        return dict(zip(("used", "total", "temperature", "load"), map(int, words), strict=False))

    def encode_inputs(self, picture: Byte, prompt: str, face: Place = None, script: str = "") -> Named:  # fmt: skip
        _pretend("inputs", 0)
        small = picture[::16, ::16, :2].transpose(2, 0, 1).astype(np.float32)
        encoded = {"reference": _drifted(small), "prompt": np.array([len(prompt)], np.float32)}
        spans = [(each.block, len(each.prompt)) for each in parse_changes(script)]
        encoded |= {"spans": np.array(spans, np.int64)} if spans else {}
        return encoded | ({"boxes": face.to_array()} if face else {})

    def extract_audio(self, heard: AudioWindow) -> Float:
        traits, sound = self._traits, heard.sound
        count = traits.clip_frames * traits.samples_per_frame
        assert sound.shape == (count + 2 * traits.audio_margin,)
        body = sound[traits.audio_margin : -traits.audio_margin].reshape(traits.clip_frames, -1)
        level = np.stack([body.mean(1), np.abs(body).mean(1), body.max(1)])
        return _drifted(np.stack([level, level * 2]).astype(np.float32))

    def encode_pose(self, frames: Byte) -> Float:
        traits = self._traits
        lit = np.zeros(traits.clip_frames, np.float32)
        lit[: len(frames)] = frames.mean((1, 2, 3)) / 255
        held = lit.reshape(traits.clip_latents, -1).mean(1)[None, :, None, None]
        size = (traits.latent_channels, 1, traits.latent_height, traits.latent_width)
        return _drifted((held * np.ones(size)).astype(np.float32))

    def denoiser(self, inputs: Named, seed: Seed, poses: Poses | None = None) -> FakeDenoiser:
        return FakeDenoiser(self._traits, inputs, seed, poses)

    def decoder(self, inputs: Named) -> FakeDecoder:
        assert "reference" in inputs
        return FakeDecoder(self._traits)


def _drifted(made: Float) -> Float:
    """As another machine would compute it."""
    return made + np.float32(1e-6) if os.environ.get("FAKE_DRIFT") else made


def load(
    name: str, options: Options, machine: DeviceConfig, _hear_wait: object = None
) -> FakeAvatar:
    _pretend("load", 0)
    return FakeAvatar(options, machine.threads)


def describe(name: str, options: Options) -> ModelTraits:
    return traits_of(options)


def weights_digest(name: str, options: Options, *, fetch: bool = True) -> str:
    return hashlib.sha256(b"fake").hexdigest()


def bytes_needed(name: str, options: Options, machine: DeviceConfig) -> int:
    return int(os.environ.get("FAKE_BYTES", "0")) * options.width * options.height


def memory(name: str, options: Options, machine: DeviceConfig, free: int | None) -> MemoryEstimate:
    taken = bytes_needed(name, options, machine)
    device = {} if free is None else {"weights": taken // 2, "activations": taken - taken // 2}
    return MemoryEstimate(device, {"weights": 1000}, "as it is")


def labour(
    name: str, options: Options, machine: DeviceConfig, free: int, speed: MachineSpeed
) -> TimeEstimate | None:
    return TimeEstimate(10.0, options.steps or 4, 1.0, 0.5)


def bytes_free(name: str, machine: DeviceConfig) -> int | None:
    return machine.memory


def install(patch: Any = None) -> None:
    """Stand in for the model of this process: for good, or through pytest's monkeypatch."""
    from model import loader, registry

    put = patch.setattr if patch is not None else setattr
    put(loader, "load_model", load)
    put(registry, "describe_model", describe)
    put(registry, "weights_digest", weights_digest)
    put(registry, "bytes_needed", bytes_needed)
    put(registry, "bytes_free", bytes_free)
    put(registry, "estimate_memory", memory)
    put(registry, "estimate_time", labour)
