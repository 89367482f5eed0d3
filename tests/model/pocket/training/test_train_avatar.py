"""The forward that is trained is the loop that runs."""

import numpy as np
import pytest
import torch

from model.pocket.model_traits import TRANSFORMER
from model.pocket.training.masked_forward import BLOCK, BLOCKS, MaskedInputs, masked_forward
from model.pocket.training.scenes import CLIP, WARM, Clips
from model.pocket.training.train_avatar import AvatarRecipe, iterate_batches
from model.s2v.conditioning import Conditioning
from model.s2v.transformer import S2VTransformer
from model.sampling.causal import CausalDenoiser
from model.sampling.schedule import Schedule

SIGMA = 0.75


class Written:
    """Draws that were written down before."""

    def __init__(self, noise: torch.Tensor, ahead: list[int]) -> None:
        self.all, self.ahead = noise, ahead

    def noise(self, clip: int, block: int, shape: tuple[int, ...]) -> np.ndarray:
        return self.all[:, block * BLOCK : (block + 1) * BLOCK].numpy()

    def sink(self, clip: int, block: int, step: int) -> int:
        return self.ahead[block]


def test_the_masked_forward_equals_the_streaming_loop() -> None:
    """One masked forward of a clip gives the velocities that the ring gives block by block, to 1e-4 in float32."""
    torch.manual_seed(0)
    model = S2VTransformer(TRANSFORMER).eval()
    reference, past = torch.randn(1, 16, 1, 16, 16), torch.randn(1, 16, WARM, 16, 16)
    noise, features = torch.randn(16, CLIP, 16, 16), torch.randn(1, 3, 192, 4 * CLIP)
    # Before time 26 the reference stands at 30 whatever is drawn.
    ahead = [30 - BLOCK * b for b in range(BLOCKS)]
    schedule = Schedule((1000 * SIGMA,), (SIGMA, 0.0))
    loop = CausalDenoiser(
        model, schedule, Conditioning(reference, past, None, CLIP), Written(noise, ahead)
    )
    made = torch.from_numpy(loop.denoise(features[0].numpy()).latents)
    before = torch.cat([past[0], made[:, :-BLOCK]], 1)
    motion = before.unflatten(1, (BLOCKS, WARM)).transpose(0, 1)[None]
    sight = MaskedInputs(
        noise[None], torch.tensor([SIGMA]), reference, motion, torch.tensor([ahead])
    )
    with torch.inference_mode():
        velocity = masked_forward(model, sight, features)[0]
    streamed = (noise - made) / SIGMA
    assert (velocity - streamed).abs().max() < 1e-4 * streamed.abs().max()


class Camera:
    """A studio that numbers its clips."""

    def __init__(self) -> None:
        self.taken = 0

    def shoot(self, n: int) -> Clips:
        numbers = torch.arange(self.taken, self.taken + n).float()[:, None]
        self.taken += n
        return Clips(*(numbers.clone() for _ in range(6)))


@pytest.mark.parametrize("fresh", [3, 4, 5])
def test_the_pool_goes_on_renewing(fresh: int) -> None:
    """Clips keep coming and the oldest go, whatever number is taken at a time; it once stood still where the number was no divisor."""
    camera, recipe = Camera(), AvatarRecipe(1, batch=4, pool=16, fresh=fresh, every=2)
    drawn = iterate_batches(camera, recipe, torch.Generator().manual_seed(0))
    first = next(drawn).reference
    assert camera.taken >= 16
    last = torch.cat([next(drawn).reference for _ in range(40)][-4:])
    assert first.max() < 16 + 2 * fresh
    assert last.min() >= camera.taken - 16 - 2 * fresh
