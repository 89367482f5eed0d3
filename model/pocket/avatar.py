"""Pocket, loaded: a small transformer, a small warping network and a small audio encoder behind the Protocols that the 14B models have, too."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from model.avatar import (
    AudioWindow,
    Byte,
    Decoder,
    Denoiser,
    DeviceConfig,
    Float,
    ModelTraits,
    Named,
    Options,
    Poses,
    Seed,
)
from model.device.precision import require_precision
from model.device.processor import NARROW, WIDENED, uses_amx, widen_convolutions
from model.encoders.mel_encoder import MelEncoder
from model.kv.kv_cache import KVCacheConfig
from model.ops.fp8 import quantize_linears
from model.pocket import model_traits
from model.pocket.act_schedule import ActSchedule, ask_acts, encode_changes
from model.pocket.bared_teeth import measure_teeth
from model.pocket.conditions import follow_schedule
from model.pocket.decoder import PocketDecoder, place_picture, to_batch
from model.pocket.face_boxes import FaceBoxes
from model.pocket.motion_curves import stand_still
from model.pocket.probe import Parts, compute_probe
from model.pocket.speakers import (
    SpeakersDecoder,
    SpeakersDenoiser,
    count_speakers,
    inputs_of,
    seed_of,
    stack_inputs,
)
from model.pocket.viseme_head import VisemeHead, put_lips
from model.pocket.warping_network import load_warping_network
from model.prompt_schedule import parse_changes
from model.s2v.conditioning import Conditioning
from model.s2v.transformer import S2VTransformer, view_blocks
from model.sampling.causal import CausalDenoiser
from model.sampling.causal_stage import DenoisingSetup, count_blocks
from model.sampling.noise import SeededNoise
from model.sampling.probe import hash_bits
from model.sampling.schedule import make_schedule
from model.seed_schedule import SeedSchedule
from model.speaker_places import Place, SpeakerPlaces


def load_model(options: Options, machine: DeviceConfig) -> "PocketAvatar":
    """Pocket with its shipped weights on the CPU."""
    return PocketAvatar(options, machine)


def kind_of_device(machine: DeviceConfig) -> str:  # noqa: ARG001 - as for every model
    """cpu, or cuda."""
    return "cpu"


def bytes_free(machine: DeviceConfig) -> int | None:
    """Bytes that may be used; None: whatever there is, it is enough."""
    return machine.memory


def choose_precision() -> torch.dtype:
    """bf16 where the processor multiplies it natively, else float32 (emulated bf16 is slower than both)."""
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32


class PocketAvatar:
    """The Avatar of the model called pocket."""

    def __init__(self, options: Options, machine: DeviceConfig) -> None:
        torch.set_num_threads(machine.threads)
        self._options = model_traits.fill_options(options)
        self._threads, self._dtype = machine.threads, choose_precision()
        self._shard = machine.shard
        self._traits = model_traits.describe_model(options)
        weights = load_file(model_traits.WEIGHTS / model_traits.AVATAR_FILE)
        self._audio_encoder = MelEncoder()
        self._audio_encoder.load_state_dict(weights_of_part(weights, "audio."))
        self._audio_encoder.eval()
        self._visemes = VisemeHead()
        self._visemes.load_state_dict(weights_of_part(weights, "viseme."))
        self._transformer = S2VTransformer(model_traits.TRANSFORMER)
        self._transformer.load_state_dict(weights_of_part(weights, "transformer."))
        self._transformer.eval().to(self._dtype)
        widen_convolutions(self._transformer)
        self._network = load_warping_network().to(self._dtype)
        self._cache = KVCacheConfig()

    def round_to_eight_bits(self) -> None:
        """Compute as `--fp8` does on a card: layers, keys and values, attention. Slower here; for measuring what it costs (model.pocket.training.evaluate --eight)."""
        quantize_linears(self._transformer.blocks)
        self._cache = KVCacheConfig(eight=True)

    @property
    def traits(self) -> ModelTraits:
        """Pocket's numbers for its options."""
        return self._traits

    @property
    def numerics(self) -> Mapping[str, str | int]:
        """What decides the last bits, by name: part of the run's fingerprint."""
        return {
            "torch": torch.__version__,
            "device": "cpu",
            "precision": str(self._dtype).removeprefix("torch."),
            "threads": self._threads,
            "vectors": torch.backends.cpu.get_cpu_capability(),
            "amx": WIDENED if uses_amx() else 0,
            "rings": "whole",
            "probe": self._probe,
        }

    @cached_property
    def _probe(self) -> str:
        return hash_bits(self._compute())

    def require_precision(self) -> None:
        """Raise WrongPrecision unless each kind of layer computes here what float32 gives, but for rounding."""
        if self._dtype in NARROW:
            require_precision(self._compute())

    def _compute(self) -> Iterator[Tensor]:
        parts = Parts(
            self._audio_encoder, self._visemes, self._transformer, self._network, self._cache
        )
        return compute_probe(parts, replace(self._options, speakers=1))

    @property
    def peaks(self) -> Mapping[str, int]:
        """Device memory by who says so: none, as pocket runs on a CPU."""
        return {}

    def look(self) -> Mapping[str, int | str]:
        """The device now: nothing is told of a CPU."""
        return {}

    @torch.inference_mode()
    def encode_inputs(
        self,
        picture: Byte,
        prompt: str,
        place: Place = None,
        script: str = "",
    ) -> Named:
        """The picture [y, x, rgb], the boxes [3, 4] of its mouth and eyes, how plainly it shows teeth [1], the latent [c, 1, h, w] of it standing still, and the acts that the transformer is told of the prompt [9] and of each change of the script (model/pocket/act_schedule.py); of several speakers, boxes, teeth and latent of each. Raises ValueError without a face."""
        if isinstance(place, SpeakerPlaces):
            return stack_inputs(
                [self._encode_face(picture, prompt, face, script) for face in place.faces]
            )
        if place is None:
            raise ValueError("pocket moves a face: where it is must be told")
        return self._encode_face(picture, prompt, place, script)

    def _encode_face(self, picture: Byte, prompt: str, face: FaceBoxes, script: str) -> Named:
        inputs: dict[str, NDArray[np.generic]] = {
            "picture": picture.copy(),
            "boxes": face.to_array(),
            "teeth": np.array([measure_teeth(picture, face)], np.float32),
        }
        film, planes = place_picture(inputs, self._options)
        seen = self._network.look(film.canvas_picture().to(self._dtype), planes.to(self._dtype))
        return inputs | {
            "still": stand_still(seen.rest)[0].numpy().copy(),
            "acts": ask_acts(prompt),
            **encode_changes(parse_changes(script)),
        }

    @torch.inference_mode()
    def extract_audio(self, heard: AudioWindow) -> Float:
        """Features [layer, channel, frame] of a clip's span of sound with its margins."""
        features: Float = self._audio_encoder.hear(torch.from_numpy(heard.sound)[None])[0].numpy()
        return features

    def encode_pose(self, frames: Byte) -> Float:
        """Nothing: its head moves with sound and prompt."""
        raise NotImplementedError

    def load_denoiser(self) -> None:
        """Nothing: it is loaded."""

    def denoiser(
        self,
        inputs: Named,
        seed: Seed,
        poses: Poses | None = None,  # noqa: ARG002 - traits.takes_pose says so
    ) -> Denoiser:
        """A denoiser that stands before clip 0."""
        if (count := count_speakers(inputs)) == 1:
            return CausalDenoiser(self.prepare_denoising(inputs, seed))
        each = [(inputs_of(inputs, n), seed_of(seed, n)) for n in range(count)]
        return SpeakersDenoiser([CausalDenoiser(self.prepare_denoising(*own)) for own in each])

    def prepare_denoising(
        self,
        inputs: Named,
        seed: Seed,
        poses: Poses | None = None,  # noqa: ARG002 - traits.takes_pose says so
    ) -> DenoisingSetup:
        """All that decides the latents of a film but its sound; of this process's layers, where it has some."""
        config = self._transformer.config
        still, acts = to_batch(inputs["still"]), ActSchedule.from_inputs(inputs)
        blocks = count_blocks(self._traits.clip_latents, config.block_latents)
        past = still.repeat(1, 1, sum(config.motion_buckets), 1, 1)
        conditioning = Conditioning(
            still,
            past,
            None,
            self._traits.clip_latents,
            pose=follow_schedule(acts, blocks, config.block_latents),
            settle=lambda latents, features: put_lips(latents, self._visemes(features)),
        )
        schedule = make_schedule(self._traits.steps, model_traits.TRANSFORMER.sigmas)
        noise = SeededNoise(seed, config.roll, SeedSchedule.from_inputs(inputs, blocks))
        held = self._shard.layers if self._shard else self._transformer.held
        transformer = view_blocks(self._transformer, held)
        return DenoisingSetup(transformer, schedule, conditioning, noise, self._cache)

    def decoder(self, inputs: Named) -> Decoder:
        """A decoder that stands before clip 0."""
        if count_speakers(inputs) > 1:
            return SpeakersDecoder(self._network, inputs, self._options)
        return PocketDecoder(self._network, inputs, self._options)


def weights_of_part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights of one module out of a file of several."""
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
