"""What LiveAvatar and Wan-S2V do alike behind the Protocol: inputs, hearing, numerics."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from importlib.metadata import version

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor

from model.avatar import (
    FP8,
    AudioWindow,
    Byte,
    DeviceConfig,
    Float,
    ModelTraits,
    Named,
    Options,
    Poses,
)
from model.device import nvml
from model.device.precision import require_precision
from model.device.prefetch import read_to_host
from model.device.processor import NARROW
from model.encoders.umt5 import TextEncoder
from model.encoders.wav2vec2 import FilmRate
from model.ops.fused import can_build
from model.prompt_schedule import parse_changes
from model.s2v.conditioning import Pose
from model.s2v.text_schedule import TEXT_SPANS, TextSchedule, encode_changes
from model.sampling.probe import hash_bits
from model.seed_schedule import SeedSchedule
from model.speaker_places import Place, SpeakerPlaces
from model.wan.gpu_memory import choose_offload
from model.wan.model_traits import FRAMES_PER_LATENT, MOTION_LATENTS, PublishedModel
from model.wan.parts import Parts, bytes_free, placement_of
from model.wan.probe import Miniature
from model.wan.speaker_masks import mask_tokens

MOTION_FRAMES = 1 + FRAMES_PER_LATENT * (MOTION_LATENTS - 1)
"""Frames whose latents are the motion: 73."""


class WanAvatar:
    """The half of an Avatar that both published models share."""

    def __init__(self, kind: PublishedModel, options: Options, machine: DeviceConfig) -> None:
        self._kind, self._options, self._threads = kind, options, machine.threads
        self._traits = kind.describe_model(options)
        self._place = placement_of(machine, fp8=options.precision == FP8)
        needed, free = kind.needed_by(options, machine), bytes_free(machine)
        placing = choose_offload(needed, free, machine.offload)
        self._parts = Parts(kind, kind.locate_weights(options), self._place, placing)
        together = needed.text_encoder + needed.total(placing)
        self._has_room_for_all = free is not None and together <= free
        self._most = 0

    @property
    def traits(self) -> ModelTraits:
        """The model's numbers for its options."""
        return self._traits

    @property
    def numerics(self) -> Mapping[str, str | int]:
        """What decides the last bits, by name: part of the run's fingerprint."""
        device = self._place.device
        card = device.type == "cuda"
        return {
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name(device) if card else "cpu",
            "precision": FP8 if self._place.fp8 else str(self._place.dtype).removeprefix("torch."),
            "threads": self._threads,
            "kernels": gpu_kernel_versions() if card else torch.backends.cpu.get_cpu_capability(),
            "rings": "packed in eight bits, interleaved" if self._place.fp8 else "whole",
            "probe": self._probe,
        }

    @cached_property
    def _probe(self) -> str:
        return hash_bits(self._compute())

    def require_precision(self) -> None:
        """Raise WrongPrecision unless each kind of layer computes here what float32 gives, but for rounding."""
        if self._place.dtype in NARROW:
            require_precision(self._compute())

    def _compute(self) -> Iterator[Tensor]:
        yield from Miniature(self._kind, self._parts.place, self._place).compute(self._traits)
        if self._place.device.type == "cuda":
            torch.cuda.empty_cache()  # the film's own parts come next

    @property
    def peaks(self) -> Mapping[str, int]:
        """The most device memory so far: what tensors took, what torch held for them, and what the driver says of the whole card.

        The last is the most that any look has seen; where NVML is not there, what CUDA says is taken now.
        """
        device = self._place.device
        if device.type != "cuda":
            return {}
        free, whole = torch.cuda.mem_get_info(device)
        self.look()
        return {
            "tensors": torch.cuda.max_memory_allocated(device),
            "torch": torch.cuda.max_memory_reserved(device),
            "card": self._most or whole - free,
        }

    def look(self) -> Mapping[str, int | str]:
        """What the driver says of the card now, through NVML."""
        device = self._place.device
        if device.type != "cuda":
            return {}
        reading = nvml.read_gpu(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        if reading is None:
            return {}
        self._most = max(self._most, reading.used or 0)
        return reading.facts

    @torch.inference_mode()
    def encode_inputs(
        self,
        picture: Byte,
        prompt: str,
        place: Place = None,
        script: str = "",
    ) -> Named:
        """Latents of the picture, "reference" [c, 1, h, w] and "motion" [c, 19, h, w] of it standing still, and the prompt's states "text" [token, dim]; those of a script's prompts besides (model/s2v/text_schedule.py); of several speakers "masks" [speaker, 1, row, column], where each is heard."""
        if self._has_room_for_all:
            # What denoises comes next: it is read while the prompt and the picture are encoded.
            threading.Thread(target=self._load_ahead, daemon=True).start()
        # The words first: their encoder is the largest part but one, and gone before the VAE works.
        encoder = self._parts.text()
        words = {
            **self.encode_words(encoder, prompt),
            **encode_changes(parse_changes(script), encoder.encode_text),
        }
        del encoder
        still = self.pixels(picture)
        moving = repeat(still, "1 c 1 y x -> 1 c t y x", t=MOTION_FRAMES)
        return {
            "reference": to_array(self._parts.vae.encode(still)),
            "motion": to_array(self._parts.vae.encode(moving)),
            **words,
            **self._encode_places(place),
        }

    def load_denoiser(self) -> None:
        """Read the transformer now; else it is read when it is first needed. Raises what loading raises."""
        self._parts.transformer  # noqa: B018 - loaded when it is asked for

    def _load_ahead(self) -> None:
        with suppress(Exception):  # whoever needs it is told
            self.load_denoiser()

    def _encode_places(self, place: Place) -> Named:
        if not isinstance(place, SpeakerPlaces) or place.masks is None:
            return {}
        latent_size = self._traits.latent_height, self._traits.latent_width
        return {"masks": mask_tokens(place.masks, latent_size)}

    def masks(self, inputs: Named) -> Tensor | None:
        """Where each of several speakers is heard, as `Conditioning` takes it; None where one speaks."""
        return torch.from_numpy(np.array(inputs["masks"])) if "masks" in inputs else None

    def encode_words(self, encoder: TextEncoder, prompt: str) -> Named:
        """The prompt's states, "text" [token, dim]."""
        return {"text": encoder.encode_text(prompt)}

    @torch.inference_mode()
    def encode_pose(self, frames: Byte) -> Float:
        """Pose latents [c, t, h, w] of one clip from its frames of the pose video [frame, y, x, rgb]; what these lack of the clip is black, as published."""
        missing = self._traits.clip_frames - len(frames)
        shown = rearrange(torch.from_numpy(frames).float() / 127.5 - 1, "t y x c -> 1 c t y x")
        clip = torch.nn.functional.pad(shown, (0, 0, 0, 0, 0, missing), value=-1)
        # A stream's first latent has one frame alone: the first stands there twice, and its latent goes.
        latents = self._parts.vae.encode(torch.cat([clip[:, :, :1], clip], 2))
        return to_array(latents[:, :, 1:])

    def text_schedule(self, inputs: Named) -> TextSchedule | None:
        """Which prompt holds when; None where one holds throughout."""
        return TextSchedule.from_inputs(inputs) if TEXT_SPANS in inputs else None

    def seed_schedule(self, inputs: Named) -> SeedSchedule | None:
        """Which seed holds when; None where the script says none."""
        traits = self._traits
        return SeedSchedule.from_inputs(inputs, traits.clip_frames // traits.block_frames)

    def pose_tensors(self, poses: Poses | None) -> Pose | None:
        """The pose latents of each clip on the model's device [1, c, t, h, w]; None where a film has none."""

        def find_pose(clip: int) -> Tensor | None:
            latents = poses(clip) if poses else None
            return None if latents is None else self.tensor(latents)

        return None if poses is None else find_pose

    def pixels(self, picture: Byte) -> Tensor:
        """A picture [y, x, rgb] as one frame [1, 3, 1, y, x] in -1..1."""
        frame = torch.from_numpy(np.ascontiguousarray(picture)).to(self._place.device)
        return rearrange(frame.float() / 127.5 - 1, "y x c -> 1 c 1 y x")

    def extract_audio(self, heard: AudioWindow) -> Float:
        """Features [layer, channel, frame] of a clip's span of sound with its margins; zeros past the sound's end."""
        return self._parts.audio_encoder.extract_clip(
            heard, FilmRate(self._traits.fps, self._traits.clip_frames)
        )

    def tensor(self, latents: np.ndarray) -> Tensor:
        """An array on the model's device, as a batch of one."""
        return torch.from_numpy(np.ascontiguousarray(latents)).to(self._place.device)[None].float()


def gpu_kernel_versions() -> str:
    """Who computes on a card, by version: of another one the last bits may be others."""
    own = f"Triton {version('triton')}" if can_build() else "torch's"
    return f"cuDNN {torch.backends.cudnn.version()}, {own}"


def to_array(latents: Tensor) -> Float:
    """Latents [1, c, t, h, w], a batch of one, as numpy [c, t, h, w] in float32."""
    return latents[0].float().cpu().numpy().copy()


def to_bytes(frames: Tensor) -> Tensor:
    """Frames [1, 3, t, y, x] in -1..1 as bytes [t, y, x, rgb], rounded, where they are: taking them to the host would make it wait for each."""
    rounded = frames.float().add(1).mul_(127.5).round_().to(torch.uint8)
    return rearrange(rounded, "1 c t y x -> t y x c").contiguous()


def to_pixels(frames: list[Tensor]) -> Byte:
    """What `to_bytes` made, one after the other, on the host."""
    return read_to_host(torch.cat(frames)).numpy()
