"""The arithmetic of the block-causal loop of LiveAvatar (arXiv 2512.04677), for a shard of its steps and layers: a KV cache for each step and layer, a rolling reference.

The screen to read is `embed_block`, `through_layers` and `velocity`: in this order, whoever holds which layers, they are one forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.avatar import Float
from model.device.prefetch import send_to_device
from model.kv.kv_cache import KVCache, KVCacheConfig, from_bits, to_bits
from model.kv.kv_shape import KVShape, Shard
from model.kv.kv_window import BlockPosition
from model.s2v.attention import Attend, attend_all
from model.s2v.audio_injector import AudioStates
from model.s2v.conditioning import Conditioning
from model.s2v.rope import apply_rope
from model.s2v.transformer import ForwardContext, S2VTransformer
from model.sampling.block_inputs import BlockConditioning, BlockInputs, token_positions
from model.sampling.head_share import ALONE, HeadShare
from model.sampling.layer_graphs import LayerGraphs
from model.sampling.noise import NoiseSource
from model.sampling.prompt_states import PromptStates
from model.sampling.schedule import Schedule, Solver
from storage.errors import BadOption


@dataclass(frozen=True)
class DenoisingSetup:
    """All that decides the latents of a film but its sound: the model, the noise levels, picture and prompt, the draws, and how keys and values are kept."""

    transformer: S2VTransformer
    schedule: Schedule
    conditioning: Conditioning
    noise: NoiseSource
    cache: KVCacheConfig = KVCacheConfig()  # noqa: RUF009 - frozen
    joins: bool = True
    """Whether there is memory for blocks of a wave as one run of rows."""

    @property
    def whole(self) -> Shard:
        """The shard that is all of it: every step, every layer that is there."""
        return Shard(range(len(self.schedule.timesteps)), self.transformer.held)

    @property
    def blocks(self) -> int:
        """Blocks of a clip; raises BadOption where it is no whole number of them."""
        return count_blocks(self.conditioning.clip_latents, self.transformer.config.block_latents)


@dataclass(frozen=True)
class Asking:
    """How a card is asked for the layers."""

    graphs: bool = False
    """For all of a step at once, where nothing waits on the host."""
    behind: int = 0
    """By so many blocks a block's last step follows its first."""
    joined: int = 1
    """So many blocks go through the layers as one run of rows, if they come together."""


@dataclass(frozen=True)
class BlockTask:
    """One step of one block of latents of one clip."""

    clip: int
    block: int
    step: int = 0

    @property
    def place(self) -> tuple[int, int]:
        """The clip and the block, whichever step."""
        return self.clip, self.block

    @property
    def order(self) -> tuple[int, int, int]:
        """Block by block, and step by step within."""
        return self.clip, self.block, self.step


@dataclass(frozen=True)
class _Block:
    """A block at a step, on its way through the layers."""

    task: BlockTask
    tokens: Tensor
    inputs: BlockInputs


class CausalStage:
    """Some steps and layers of a film in the making; of a block that several ranks compute together, this one's share. All that goes from clip to clip is `sink`, `motion` and the KV cache; several clips may be under way."""

    sink: Tensor
    """The reference's latents [1, c, 1, h, w]: the picture's, or the film's first."""
    motion: Tensor
    """Latents [1, c, m, h, w] before the next block, or those of the picture."""

    @torch.inference_mode()
    def __init__(
        self,
        setup: DenoisingSetup,
        shard: Shard,
        share: HeadShare = ALONE,
        asking: "Asking | None" = None,
    ) -> None:
        """`asking`: how a card is asked for it; piece by piece, block by block where nothing is said."""
        asking = asking or Asking()
        self.setup, self.shard, self.share, self._joined = setup, shard, share, asking.joined
        model, conditioning = setup.transformer, setup.conditioning
        self.block, self.blocks = model.config.block_latents, setup.blocks
        *self.times, self.time_zero = model.embed_times((*setup.schedule.timesteps, 0.0))
        self._prompt = PromptStates(model, conditioning)
        weight = model.patch_embedding.weight
        self.cache = KVCache(self._cache_shape(), weight, shard, setup.cache)
        self._positions = token_positions(model, conditioning, self.block)
        self._graphs = self._make_graphs(asking.behind) if asking.graphs else None
        self.reset()

    @property
    def latents_like(self) -> Tensor:
        """A tensor without numbers, of the shape and precision of a block of latents [1, c, t, h, w]."""
        reference = self.setup.conditioning.reference
        b, c, _, h, w = reference.shape
        precision = self.setup.transformer.latents_precision
        return reference.new_empty((b, c, self.block, h, w), dtype=precision)

    def tokens_like(self, *, condition: bool = False) -> Tensor:
        """A tensor without numbers, of the shape and precision of a block's tokens behind a layer [1, l, dim]; or of the condition's."""
        model, shape = self.setup.transformer, self.cache.shape
        rows = shape.condition if condition else shape.own
        like = self.setup.conditioning.reference
        return like.new_empty((shape.batch, rows, model.config.dim), dtype=model.tokens_precision)

    @torch.inference_mode()
    def reset(self) -> None:
        """Stand before any clip, with an empty KV cache and the picture's own sink and motion."""
        conditioning = self.setup.conditioning
        self.sink, self.motion = conditioning.reference, conditioning.motion
        self.cache.reset()
        self._features: dict[int, tuple[Tensor, ...]] = {}
        self._given: dict[tuple[int, int], BlockConditioning] = {}
        self._solvers: dict[tuple[int, int], Solver] = {}

    @torch.inference_mode()
    def load_state(self, name: str, bits: NDArray[np.generic]) -> None:
        """Take back a piece of a carry: "sink", "motion", or "ring.STEP.LAYER" of this shard."""
        kind, *place = name.split(".")
        if kind == "ring":
            self.cache.load(int(place[0]), int(place[1]), bits)  # type: ignore[arg-type]
        else:
            like = self.setup.conditioning.reference
            setattr(self, kind, from_bits(bits).to(like))  # type: ignore[arg-type]

    def save_condition(self) -> dict[str, NDArray[np.generic]]:
        """What the condition of the next clip is made of: "sink" and "motion" [1, c, t, h, w], bf16 as uint16."""
        return {"sink": to_bits(self.sink), "motion": to_bits(self.motion)}

    def begin_clip(self, clip: int, audio: Float) -> None:
        """Take the features of a clip [layer, channel, frame], or [speaker, layer, channel, frame] where the conditioning has masks."""
        features = self.setup.conditioning.audio_tensor(audio)
        self._features[clip] = features.chunk(self.blocks, -1)

    def embed_conditioning(self, features: Tensor, pose: Tensor | None = None) -> BlockConditioning:
        """What all steps of a block share, from its features [speaker, layer, channel, frame] and pose latents [1, c, t, h, w]."""
        masks = self.setup.conditioning.token_masks(self.block)
        assert masks is None or self.share is ALONE, "masks are of all tokens"
        return BlockConditioning(self.setup.transformer.embed_audio(features), masks, pose)

    def draw_noise(self, task: BlockTask) -> Tensor:
        """The latents of a block before its first step [1, c, t, h, w]."""
        _, c, t, h, w = self.latents_like.shape
        drawn = torch.from_numpy(self.setup.noise.noise(task.clip, task.block, (c, t, h, w)))
        device = self.setup.conditioning.reference.device
        return send_to_device(drawn[None], device).to(self.latents_like.dtype)

    def embed_block(self, task: BlockTask, x: Tensor) -> Tensor:
        """Latents [1, c, t, h, w] to the tokens [1, l, dim] that the first layer takes here."""
        tokens = self.setup.transformer.embed_noisy(x, self._conditioning_of(task).pose)
        return self.share.take_tokens(tokens, self.block)

    def goes_together(self, tasks: int) -> bool:
        """Whether so many tasks of a wave are asked for at once: where layers wait on the host, and come once for all of them, or as one run of rows, if the wave is whole."""
        return self.setup.transformer.stream is not None or tasks == self._joined

    def through_layers(self, tasks: Sequence[BlockTask], tokens: Sequence[Tensor]) -> list[Tensor]:
        """Tokens [1, l, dim] of a block, or of several of which none waits for another, each through the layers of this shard at its step; the KV cache of the step then holds the block. What comes out is overwritten by the next, on a card with graphs."""
        given = [self._inputs_of(task) for task in tasks]
        parts = [each.parts(x) for each, x in zip(given, tokens, strict=True)]

        def compute(inputs: Sequence[Tensor]) -> Tensor:
            each = len(inputs) // len(tasks)
            rows = [inputs[i : i + each] for i in range(0, len(inputs), each)]
            blocks = [
                _Block(task, part[0], one.with_parts(part))
                for task, part, one in zip(tasks, rows, given, strict=True)
            ]
            return self._through_layers(blocks)

        inputs = [tensor for one in parts for tensor in one]
        if self._graphs is None:
            made = compute(inputs)
        else:
            if any(task.step == self.shard.steps[0] for task in tasks):
                self._graphs.begin_block(given[0].text)
            steps = tuple(task.step for task in tasks)
            slot = self.cache.slot_at(given[0].place.start)
            made = self._graphs.run((steps, slot), inputs, compute)
        return list(made.split(tokens[0].shape[1], 1))

    def _through_layers(self, blocks: "Sequence[_Block]") -> Tensor:
        """The tokens [1, (block l), dim] of several behind the layers."""
        layers = self.shard.layers_at(blocks[0].task.step)
        self.cache.begin((block.task.step, layer) for layer in layers for block in blocks)
        runs = [blocks] if len(blocks) == self._joined else [[block] for block in blocks]
        forwards = [
            (_join_rows([block.tokens for block in run]), self._context_of(run, layers))
            for run in runs
        ]
        made = self.setup.transformer.through_blocks_together(forwards, layers)
        return _join_rows(made)

    def _inputs_of(self, task: BlockTask) -> "BlockInputs":
        start = self._start_of(task)
        place = self._position_of(start, self.setup.noise.sink(*task.place, task.step))
        text = self._prompt.at_block(task.clip * self.blocks + task.block)
        return BlockInputs(self._conditioning_of(task), place, text)

    def _context_of(self, run: "Sequence[_Block]", layers: range) -> ForwardContext:
        given = [block.inputs.given for block in run]
        masks = None
        if given[0].masks is not None:
            masks = torch.cat([one.masks for one in given if one.masks is not None], 1)
        audio = given[0].audio
        if len(run) > 1:
            speakers = 1 if masks is None else len(masks)
            states = zip(*(one.audio for one in given), strict=True)
            audio = [AudioStates.join(each, speakers) for each in states]
        return ForwardContext(
            tuple(self.times[block.task.step] for block in run),
            tuple(block.tokens.shape[1] for block in run),
            [self.share.attend_by_heads(self._attend(layer, run), self.block) for layer in layers],
            # All of a wave have one (model/sampling/causal.py).
            run[0].inputs.text,
            audio,
            masks,
            len(run),
        )

    def velocity(self, task: BlockTask, tokens: Tensor) -> Tensor:
        """Tokens behind the last layer [1, l, dim] to the velocity of the block's latents [1, c, t, h, w], whole."""
        model, shape = self.setup.transformer, self.latents_like.shape[2:]
        patches = model.head(tokens, self.times[task.step].width)
        return model.fold_patches(self.share.gather_tokens(patches, self.block), shape)

    def solve_step(self, task: BlockTask, velocity: Tensor, x: Tensor) -> Tensor:
        """The latents of a block after a step, from its velocity and the latents before it [1, c, t, h, w]."""
        solver = self._solvers.pop(task.place, None) or self.setup.schedule.begin()
        if self.solves(task.step + 1):
            self._solvers[task.place] = solver
        x = solver(task.step, velocity, x)
        if task.step + 1 < len(self.times):
            return x
        return self.setup.conditioning.settled(x, self._features[task.clip][task.block])

    def solves(self, step: int) -> bool:
        """True if the last layer at this step is here, and the latents behind it so, too."""
        layers, whole = self.shard.layers_at(step), self.setup.transformer.config.num_layers
        return bool(layers) and layers.stop == whole

    def end_step(self, task: BlockTask) -> None:
        """Let go of what a block needs no more behind its last step here."""
        if task.step == self.shard.steps[-1]:
            self._given.pop(task.place, None)
            if task.block == self.blocks - 1:
                del self._features[task.clip]

    def follow_block(self, task: BlockTask, x: Tensor) -> None:
        """Take the latents of a block as motion where the model's motion follows, else its first as the sink."""
        if self.setup.transformer.config.motion_follows:
            self.motion = torch.cat([self.motion, x], 2)[:, :, -self.motion.shape[2] :]
        else:
            assert task.place == (0, 0), "the sink is the first latent of the film"
            self.sink = x[:, :, :1].clone()

    def embed_condition(self) -> Tensor:
        """Reference and motion as the tokens [1, l, dim] that the first layer takes here."""
        tokens = self.setup.transformer.embed_condition(self.sink, self.motion)
        return self.share.take_tokens(tokens, 1)

    def prefill_layers(self, tokens: Tensor) -> Tensor:
        """The condition's tokens through the layers of this shard at t = 0; their keys are kept before rotation: their positions change with each block."""
        model = self.setup.transformer
        factors = self._condition_factors(model.config.reference_time, 0)
        if self._graphs:
            self._graphs.forget()
        self.cache.reset_condition()
        attend = self.share.attend_by_heads(attend_and_keep(self.cache, factors), 1)
        attends = [attend] * len(self.shard.layers)
        lengths = (tokens.shape[1],)
        # Whichever clip it is made before: with the prompt of the film's beginning.
        text = self._prompt.at_block(0)
        return model.through_blocks(
            tokens, ForwardContext((self.time_zero,), lengths, attends, text, [])
        )

    def _make_graphs(self, behind: int) -> LayerGraphs | None:
        model = self.setup.transformer
        device = model.patch_embedding.weight.device
        waits = model.stream is not None or self.setup.cache.on_host
        if device.type != "cuda" or waits or model.config.motion_follows:
            return None
        return LayerGraphs(device, self.cache.shape.slots + behind)

    def _conditioning_of(self, task: BlockTask) -> BlockConditioning:
        if task.place not in self._given:
            poses = self.setup.conditioning.pose_of(task.clip)
            pose = None if poses is None else poses.split(self.block, 2)[task.block]
            features = self._features[task.clip][task.block]
            self._given[task.place] = self.embed_conditioning(features, pose)
        return self._given[task.place]

    def _start_of(self, task: BlockTask) -> int:
        return task.clip * self.setup.conditioning.clip_latents + task.block * self.block

    def _position_of(self, start: int, ahead: int) -> BlockPosition:
        """The place of a block that begins at latent time `start`, as it sees a condition whose reference stands `ahead` latents later."""
        model, positions = self.setup.transformer, self._positions
        reference = max(model.config.reference_time, start + ahead)
        own = model.rope.factors(positions.block.add(positions.one_latent, alpha=start))
        motion_end = start if model.config.motion_follows else 0
        return BlockPosition(start, own, self._condition_factors(reference, motion_end))

    def _attend(self, layer: int, run: "Sequence[_Block]") -> Attend:
        """Attention of each block of a run to its own step's cache."""

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            if len(run) == 1:
                return self.cache.attend(run[0].task.step, layer, run[0].inputs.place, (q, k, v))
            out = q.new_empty(q.shape)
            lengths = [block.tokens.shape[1] for block in run]
            cut = zip(*(x.split(lengths, 1) for x in (q, k, v, out)), strict=True)
            for block, (*qkv, rows) in zip(run, cut, strict=True):
                self.cache.attend(block.task.step, layer, block.inputs.place, tuple(qkv), rows)
            return out

        return attend

    def _condition_factors(self, reference_time: int, motion_end: int) -> Tensor:
        """Rotary factors [l, head_dim/2, 2] of the reference at a time and of the motion that ends before another."""
        positions = self._positions
        reference = positions.reference.add(positions.one_latent, alpha=reference_time)
        motion = positions.motion.add(positions.one_latent, alpha=motion_end)
        return self.setup.transformer.rope.factors(torch.cat([reference, motion]))

    def _cache_shape(self) -> KVShape:
        model, config = self.setup.transformer, self.setup.transformer.config
        b, _, _, h, w = self.setup.conditioning.reference.shape
        tokens, head_dim = model.tokens_per_latent(h, w), config.dim // config.num_heads
        condition = tokens + len(model.motion_positions(0, h, w))
        heads = config.num_heads // self.share.parts
        return KVShape(b, heads, head_dim, condition, config.ring_latents, self.block, tokens)


def _join_rows(parts: Sequence[Tensor]) -> Tensor:
    """Tokens [1, l, dim] one behind the other; one alone is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), 1)


def count_blocks(clip_latents: int, block: int) -> int:
    """Blocks of `block` latents in a clip; raises BadOption where it is no whole number of them."""
    if clip_latents < block or clip_latents % block:
        raise BadOption(f"A clip of {clip_latents}", "latents", f"blocks have {block}")
    return clip_latents // block


def attend_and_keep(cache: KVCache, factors: Tensor) -> Attend:
    """Attention of the condition to itself, rotated by `factors`; its keys before rotation and its values go into the cache, layer after layer."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        cache.keep_condition(k, v)
        return attend_all(apply_rope(q, factors), apply_rope(k, factors), v)

    return attend
