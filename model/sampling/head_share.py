"""Ulysses sequence parallelism (arXiv 2309.14509): between two attentions a rank has a share of a block's tokens with all heads, inside of them all tokens with a share of the heads.

Of each latent frame every rank has a run of equal length, so that the injector of sound finds its frames among them; of the condition, one run.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from model.s2v.attention import Attend

Exchange = Callable[[Tensor], Tensor]
"""Hands part i of [rank, …] to rank i, and gives those that are for this one [rank, …]."""


@dataclass(frozen=True)
class HeadShare:
    """What one of `parts` ranks has of each block that all of them compute together."""

    part: int
    parts: int
    exchange: Exchange

    def take_tokens(self, tokens: Tensor, frames: int) -> Tensor:
        """The rank's own tokens [b, (t own), dim], of all that there are of so many frames [b, (t rank own), dim]."""
        if self.parts == 1:
            return tokens
        cut = rearrange(tokens, "b (t n l) d -> n b t l d", t=frames, n=self.parts)[self.part]
        return rearrange(cut, "b t l d -> b (t l) d").contiguous()

    def gather_tokens(self, tokens: Tensor, frames: int) -> Tensor:
        """The tokens of all ranks [b, (t rank own), d] on each, from its own [b, (t own), d]."""
        if self.parts == 1:
            return tokens
        everyones = self.exchange(tokens.expand(self.parts, *tokens.shape).contiguous())
        return rearrange(everyones, "n b (t l) d -> b (t n l) d", t=frames)

    def attend_by_heads(self, attend: Attend, frames: int) -> Attend:
        """The attention of a rank's own tokens, all heads of them, by way of `attend`, which has all tokens and this rank's heads."""
        return attend if self.parts == 1 else lambda *qkv: self._attend(attend, frames, qkv)

    def _attend(self, attend: Attend, frames: int, qkv: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        assert len({(x.shape, x.dtype) for x in qkv}) == 1, "they go out as one tensor"
        by_head = [rearrange(x, "b l (n h) d -> n b l h d", n=self.parts) for x in qkv]
        came = self.exchange(torch.stack(by_head, 1))
        q, k, v = rearrange(came, "n three b (t l) h d -> three b (t n l) h d", t=frames)
        attended = attend(q, k, v)
        assert attended.shape == q.shape, f"{attended.shape} of {q.shape}"
        by_token = rearrange(attended, "b (t n l) h d -> n b t l h d", t=frames, n=self.parts)
        came = self.exchange(by_token.contiguous())
        return rearrange(came, "n b t l h d -> b (t l) (n h) d")


def _keep_parts(parts: Tensor) -> Tensor:
    return parts


ALONE = HeadShare(0, 1, _keep_parts)
"""That of a rank which has each block to itself."""
