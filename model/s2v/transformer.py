"""The speech-to-video transformer of Wan2.2-S2V and LiveAvatar, at any size: one class for all models.

Module names are the keys of the published checkpoint.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from model.device.layer_offload import LayerStream
from model.device.prefetch import send_to_device
from model.ops import fused
from model.ops.fp8 import Fp8Linear
from model.ops.operands import GatedResidual
from model.s2v.attention import Attend, Block, BlockContext
from model.s2v.audio_injector import AudioInjector, AudioStates, CausalAudioEncoder
from model.s2v.config import S2VConfig
from model.s2v.frame_packer import FramePacker
from model.s2v.rope import Rope, grid_positions

NOISY, REFERENCE, MOTION = 0, 1, 2
"""Rows of trainable_cond_mask."""

TextStates = list[tuple[Tensor, Tensor]]
"""Keys and values of the prompt, one pair a layer; empty where the model reads no prompt."""


@dataclass(frozen=True)
class EmbeddedTime:
    """A timestep, embedded: `width` [b, dim] for the head, `rows` [b, 6, dim] for the blocks; float32."""

    width: Tensor
    rows: Tensor


@dataclass(frozen=True)
class ForwardContext:
    """Inputs of one forward through all blocks beside its tokens: times, prompt, sound, and each layer's attention."""

    times: tuple[EmbeddedTime, ...]
    lengths: tuple[int, ...]
    """Tokens of each segment, which is modulated by the time of its number."""
    attends: list[Attend]
    text: TextStates
    audio: list[AudioStates]
    """Of the tokens that hear, all their latent frames; empty to inject nothing."""
    masks: Tensor | None = None
    """Where each of several speakers is heard: [speaker, token that hears]."""
    hearing: int = 1
    """Segments whose tokens hear, from the first on."""


@dataclass
class LayerPass:
    """A forward on its way through the blocks."""

    x: Tensor
    """Tokens [b, l, dim]."""
    context: ForwardContext
    rows: Tensor
    """Of its times, for the blocks: [b, segment, 6, dim]."""
    added: GatedResidual | None = None
    """What the block before adds to the tokens."""


class S2VTransformer(nn.Module):
    """Velocity (noise - x0) of video latents, given a reference, motion, sound and maybe a prompt. The switches are fields of S2VConfig."""

    def __init__(self, config: S2VConfig) -> None:
        super().__init__()
        self.config, dim, eps = config, config.dim, config.eps
        pt, ph, pw = config.patch_size
        size = (pt, ph, pw)
        self.patch_embedding = nn.Conv3d(config.in_dim, dim, size, size)
        if config.cond_dim is not None:
            self.cond_encoder: Any = nn.Conv3d(config.cond_dim, dim, size, size)
        if config.text_dim is not None:
            self.text_embedding = make_mlp(config.text_dim, dim, nn.GELU(approximate="tanh"))
        self.time_embedding = make_mlp(config.freq_dim, dim, nn.SiLU())
        self.time_projection = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        self.trainable_cond_mask = nn.Embedding(3, dim)
        prompted, heads = config.text_dim is not None, config.num_heads
        self.blocks: Any = nn.ModuleList(
            Block(dim, config.ffn_dim, heads, eps, text=prompted) for _ in range(config.num_layers)
        )
        self.head = Head(dim, config.out_dim * pt * ph * pw, eps)
        self.casual_audio_encoder = CausalAudioEncoder(
            config.audio_layers, config.audio_dim, dim, config.num_audio_token
        )
        injected = sorted(config.audio_inject_layers)
        self.audio_injector = AudioInjector(dim, heads, len(injected), eps)
        self.frame_packer = FramePacker(
            config.in_dim, dim, config.motion_buckets, edged=config.motion_edged
        )
        self.rope = Rope(dim // heads, config.rope_theta)
        self.stream: LayerStream | None = None
        """Brings the blocks that wait on the host."""
        self.injector_of = {block: j for j, block in enumerate(injected)}
        self.held = range(config.num_layers)
        """Numbers of the blocks that are here; the others are those of other processes."""

    @property
    def held_injectors(self) -> range:
        """Numbers of the injector's layers that belong to the blocks that are here."""
        held = [j for i, j in self.injector_of.items() if i in self.held]
        return range(held[0], held[-1] + 1) if held else range(0)

    def tokens_per_latent(self, height: int, width: int) -> int:
        """Tokens of one latent frame of height × width latent pixels."""
        _, ph, pw = self.config.patch_size
        return (height // ph) * (width // pw)

    def embed_time(self, timesteps: Tensor) -> EmbeddedTime:
        """Timesteps [b] in 0..1000, as float64 sinusoids (cosines first), through the MLP in float32."""
        half = self.config.freq_dim // 2
        octaves = torch.arange(half, dtype=torch.float64, device=timesteps.device) / half
        angles = timesteps.double()[:, None] * 10000.0**-octaves
        wave = torch.cat([angles.cos(), angles.sin()], -1).float()
        width = linear_in_float32(
            self.time_embedding[2], F.silu(linear_in_float32(self.time_embedding[0], wave))
        )
        rows = linear_in_float32(self.time_projection[1], F.silu(width))
        return EmbeddedTime(width, rearrange(rows, "b (six d) -> b six d", six=6))

    def embed_times(self, timesteps: Sequence[float]) -> list[EmbeddedTime]:
        """Each of several timesteps by itself, for a batch of one."""
        device = self.patch_embedding.weight.device
        return [self.embed_time(torch.full((1,), t, device=device)) for t in timesteps]

    @property
    def precision(self) -> torch.dtype:
        """What the weights are kept in, and matrices multiplied in."""
        return self.patch_embedding.weight.dtype

    @property
    def is_fp8(self) -> bool:
        """Whether the blocks multiply eight-bit floats."""
        return isinstance(self.blocks[self.held.start].ffn[0], Fp8Linear)

    @property
    def latents_precision(self) -> torch.dtype:
        """What the latents are kept in between two steps."""
        return self.precision if self.config.rounded_latents else torch.float32

    @property
    def tokens_precision(self) -> torch.dtype:
        """What tokens come in out of a block."""
        return torch.float32 if self.config.rounding == "never" else self.precision

    def join_projections(self) -> None:
        """Let each block that is here make queries, keys and values by one product."""
        for i in self.held:
            self.blocks[i].self_attn.join_projections()

    def embed_text(self, states: Tensor | None) -> TextStates:
        """Prompt states [b, l, text_dim] to the keys and values of every layer that is here; zeros fill them up to text_len, and these are attended to as well."""
        if states is None or self.config.text_dim is None:
            return []
        missing = self.config.text_len - states.shape[1]
        tokens = self.text_embedding(
            F.pad(states.to(self.patch_embedding.weight), (0, 0, 0, missing))
        )
        return [block.cross_attn.keys_values(tokens) for block in self.layers()]

    def layers(self, among: range | None = None) -> Iterator[Block]:
        """Every block that is here, or these `among` them, in its order, where it can compute until the next is asked for."""
        among = self.held if among is None else among
        if self.stream is not None:
            return self.stream.walk(self.blocks, self.held, among)
        return (self.blocks[i] for i in among)

    def embed_audio(self, features: Tensor) -> list[AudioStates]:
        """Features [b, layer, channel, frame] of a slice to the states of every injector layer that is here; of several speakers, [(speaker b), …]."""
        precision = self.precision if self.config.rounding == "layer" else torch.float32
        features = send_to_device(features, self.patch_embedding.weight.device).to(precision)
        if not self.held_injectors:
            return []
        local, whole = self.casual_audio_encoder(features)
        return self.audio_injector.states(local, whole, self.held_injectors)

    def embed_latents(self, latents: Tensor, kind: int) -> Tensor:
        """Latents [b, c, t, h, w] to tokens [b, (t h w), dim] of a kind."""
        return self._of_kind(self.patch_embedding(latents.to(self.precision)), kind)

    def embed_noisy(self, latents: Tensor, pose: Tensor | None = None) -> Tensor:
        """Noisy latents and the pose latents beside them [b, c, t, h, w] to tokens [b, (t h w), dim].

        No pose stands for zeros: the bias of the pose encoder acts even then (as in the reference).
        """
        tokens = self.patch_embedding(latents.to(self.precision))
        if self.config.cond_dim is not None:
            bias = rearrange(self.cond_encoder.bias, "d -> d 1 1 1")
            tokens = tokens + (bias if pose is None else self.cond_encoder(pose.to(tokens)))
        return self._of_kind(tokens, NOISY)

    def embed_condition(self, reference: Tensor, motion: Tensor | None) -> Tensor:
        """Reference and motion latents [b, c, t, h, w] to tokens [b, l, dim]; without motion, of the reference alone."""
        like = self.patch_embedding.weight
        tokens = self.embed_latents(reference.to(like), REFERENCE)
        return (
            tokens if motion is None else torch.cat([tokens, self.embed_motion(motion.to(like))], 1)
        )

    def embed_motion(self, motion: Tensor) -> Tensor:
        """Motion latents [b, c, t, h, w], of which the last sum(motion_buckets) count, to tokens [b, l, dim]."""
        return self.frame_packer(motion) + self.trainable_cond_mask.weight[MOTION]

    def _of_kind(self, tokens: Tensor, kind: int) -> Tensor:
        return rearrange(tokens, "b d t h w -> b (t h w) d") + self.trainable_cond_mask.weight[kind]

    def latent_positions(self, first: int, count: int, height: int, width: int) -> Tensor:
        """Places [(t h w), 3] of `count` latent frames of height × width latent pixels from time `first`."""
        _, ph, pw = self.config.patch_size
        rows, columns = torch.arange(height // ph), torch.arange(width // pw)
        return grid_positions(first + torch.arange(count), rows, columns)

    def motion_positions(self, before: int, height: int, width: int) -> Tensor:
        """Places [l, 3] of the motion tokens that end just before time `before`."""
        _, ph, pw = self.config.patch_size
        places = self.frame_packer.token_positions(height // ph, width // pw)
        return places + torch.tensor([before, 0, 0])

    def factors(self, *places: Tensor) -> Tensor:
        """Rotary factors [l, head_dim/2, 2] of tokens at places [l, 3], one run after the other, computed where the model is."""
        return self.rope.factors(torch.cat(places).to(self.patch_embedding.weight.device))

    def through_blocks(
        self, x: Tensor, context: ForwardContext, among: range | None = None
    ) -> Tensor:
        """Tokens [b, l, dim] through every block that is here, or through these `among` them; sound is injected into the segments that hear."""
        return self.through_blocks_together([(x, context)], among)[0]

    def through_blocks_together(
        self, forwards: Sequence[tuple[Tensor, ForwardContext]], among: range | None = None
    ) -> list[Tensor]:
        """The tokens of several forwards that do not wait for each other, as `through_blocks`: a block that waits on the host comes once for all of them."""
        among = self.held if among is None else among
        passes = [
            LayerPass(x, context, torch.stack([time.rows for time in context.times], 1))
            for x, context in forwards
        ]
        for place, (i, block) in enumerate(zip(among, self.layers(among), strict=True)):
            for one in passes:
                self._through_block(one, i, block, one.context.attends[place])
        return [
            one.x if one.added is None else fused.add_residual(one.x, one.added) for one in passes
        ]

    def _through_block(self, one: "LayerPass", i: int, block: Block, attend: Attend) -> None:
        context, rounding = one.context, self.config.rounding
        inside = self.precision if rounding == "layer" else torch.float32
        text = context.text[i - self.held.start] if context.text else None
        given = BlockContext(block.modulations(one.rows, inside), context.lengths, attend, text)
        kept = one.x.dtype
        one.x, one.added = block(one.x, one.added, given)
        self._round_sum(one, kept)
        if context.audio and i in self.injector_of:
            one.x, one.added = self._inject_audio(one.x, one.added, self.injector_of[i], context)
            self._round_sum(one, kept)

    def _round_sum(self, one: "LayerPass", kept: torch.dtype) -> None:
        """Add what is to be added now and round the sum, where the model rounds tokens behind each block to what they were."""
        if self.config.rounding != "never" and kept != torch.float32 and one.added is not None:
            one.x, one.added = fused.add_residual(one.x, one.added).to(kept), None

    def _inject_audio(
        self, x: Tensor, added: GatedResidual | None, injector: int, context: ForwardContext
    ) -> tuple[Tensor, GatedResidual]:
        """Tokens, and what is heard in the segments that hear, to be added to them."""
        first = sum(context.lengths[: context.hearing])
        states = context.audio[injector - self.held_injectors.start]
        if first == x.shape[1]:
            return self.audio_injector(x, added, injector, states, context.masks)
        if added is not None:
            x = fused.add_residual(x, added)
        _, heard = self.audio_injector(x[:, :first], None, injector, states, context.masks)
        rows = F.pad(heard.rows, (0, 0, 0, x.shape[1] - first))
        return x, GatedResidual(rows, None, context.lengths)

    def to_velocity(self, x: Tensor, time: EmbeddedTime, shape: Sequence[int]) -> Tensor:
        """Tokens [b, (t h w), dim] to the velocity [b, c, t, h, w] of a latent of `shape` (t, h, w)."""
        return self.fold_patches(self.head(x, time.width), shape)

    def fold_patches(self, patches: Tensor, shape: Sequence[int]) -> Tensor:
        """What the head gives for each token [b, (t h w), patch values], as the velocity [b, c, t, h, w] of a latent of `shape` (t, h, w)."""
        pt, ph, pw = self.config.patch_size
        t, h, w = shape
        return rearrange(
            patches,
            "b (t h w) (p q r c) -> b c (t p) (h q) (w r)",
            t=t // pt, h=h // ph, w=w // pw, p=pt, q=ph, r=pw,
        )  # fmt: skip


def view_blocks(transformer: S2VTransformer, held: range) -> S2VTransformer:
    """A copy of the transformer that goes through these of its blocks alone; the weights are shared."""
    view = copy(transformer)
    view.held = held
    return view


class Head(nn.Module):
    """The last norm, modulated by the timestep, and the projection to patches; the channel is last inside a patch."""

    def __init__(self, dim: int, outputs: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps, elementwise_affine=False)
        self.head = nn.Linear(dim, outputs)
        self.modulation = nn.Parameter(nn.init.normal_(torch.empty(1, 2, dim), std=dim**-0.5))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """[b, l, dim] → [b, l, patch values] in float32; time [b, dim]."""
        shift, scale = (self.modulation.float() + time.unsqueeze(1)).chunk(2, 1)
        return linear_in_float32(self.head, self.norm(x.float()) * (1 + scale) + shift)


def make_mlp(inputs: int, outputs: int, between: nn.Module) -> nn.Sequential:
    """An embedding: a layer to the full width, a non-linearity, a layer."""
    return nn.Sequential(nn.Linear(inputs, outputs), between, nn.Linear(outputs, outputs))


def linear_in_float32(linear: Any, x: Tensor) -> Tensor:
    """A linear layer computed in float32 whatever its weights are kept in, as the reference does for time and head."""
    return F.linear(x.float(), linear.weight.float(), linear.bias.float())
