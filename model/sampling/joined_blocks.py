"""Whether the blocks of a wave may go through the layers as one run of rows, which a card does sooner: if each row is the bits that it is alone."""

import torch
from torch import Tensor

from model.s2v.audio_injector import AudioStates
from model.s2v.transformer import EmbeddedTime, ForwardContext, S2VTransformer, TextStates
from model.sampling.causal_stage import DenoisingSetup


@torch.inference_mode()
def joins_exactly(setup: DenoisingSetup) -> bool:
    """Try it with the film's own shapes: one block and its injector, on noise, the blocks of a wave joined and one by one.

    A library of products may choose another order of sums for more rows; what was chosen is tried, not known. On a processor nobody gains, and without memory for it (DenoisingSetup.joins) nobody can: no is said at once.
    """
    model, waves = setup.transformer, len(setup.schedule.timesteps)
    if waves == 1 or not setup.joins or not may_gain(model):
        return False
    height, width = setup.conditioning.reference.shape[-2:]
    rows = model.config.block_latents * model.tokens_per_latent(height, width)
    masks = setup.conditioning.masks
    try:
        return _Trial(model, rows, waves, 0 if masks is None else len(masks)).agrees()
    except torch.OutOfMemoryError:
        # What they take alone may still be there.
        torch.cuda.empty_cache()
        return False


def may_gain(model: S2VTransformer) -> bool:
    """Whether the device is one that multiplies more rows sooner."""
    return model.patch_embedding.weight.device.type == "cuda"


class _Trial:
    """Inputs of the first layer that hears, drawn; of one speaker, or of several."""

    def __init__(self, model: S2VTransformer, rows: int, waves: int, speakers: int = 0) -> None:
        self._model, self._rows, self._waves, self._speakers = model, rows, waves, speakers
        self._drawn = torch.Generator(model.patch_embedding.weight.device).manual_seed(0)
        first = next((i for i in model.held if i in model.injector_of), model.held.start)
        self._layer = range(first, first + 1)
        self._tokens = self._draw(1, waves * rows, model.config.dim).to(model.tokens_precision)
        self._times = [
            EmbeddedTime(self._draw(1, model.config.dim), self._draw(1, 6, model.config.dim))
            for _ in range(waves)
        ]
        self._text = self._draw_text()
        self._audio = [self._draw_audio() for _ in range(waves)]

    def agrees(self) -> bool:
        """Whether joined rows are those of one by one."""
        joined = self._compute(range(self._waves))
        alone = torch.cat([self._compute(range(i, i + 1)) for i in range(self._waves)], 1)
        return torch.equal(joined, alone)

    def _compute(self, blocks: range) -> Tensor:
        times = tuple(self._times[i] for i in blocks)
        lengths = (self._rows,) * len(blocks)
        states = zip(*(self._audio[i] for i in blocks), strict=True)
        audio = [AudioStates.join(each, max(self._speakers, 1)) for each in states]
        tokens = self._tokens[:, blocks.start * self._rows : blocks.stop * self._rows]
        masks = tokens.new_ones(self._speakers, tokens.shape[1]) if self._speakers else None
        context = ForwardContext(
            times, lengths, [_attend_nothing], self._text, audio, masks, len(blocks)
        )
        return self._model.through_blocks(tokens, context, self._layer)

    def _draw(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self._drawn, device=self._drawn.device)

    def _draw_heads(self, *shape: int) -> Tensor:
        config = self._model.config
        sizes = (*shape, config.num_heads, config.dim // config.num_heads)
        return self._draw(*sizes).to(self._model.precision)

    def _draw_text(self) -> TextStates:
        config = self._model.config
        if config.text_dim is None:
            return []
        pair = self._draw_heads(1, config.text_len), self._draw_heads(1, config.text_len)
        return [pair] * (self._layer.stop - self._model.held.start)

    def _draw_audio(self) -> list[AudioStates]:
        """What the first injector hears, if any layer here has one."""
        model = self._model
        frames = max(self._speakers, 1) * model.config.block_latents
        if self._layer.start not in model.injector_of:
            return []
        tokens = model.config.num_audio_token + 1
        keys, values = (self._draw_heads(frames, tokens) for _ in range(2))
        shift, scale = (self._draw(frames, 1, model.config.dim) for _ in range(2))
        return [AudioStates(keys, values, shift, scale)]


def _attend_nothing(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Queries, keys and values in what comes out, but no attention: each block has its own."""
    return q + k + v
