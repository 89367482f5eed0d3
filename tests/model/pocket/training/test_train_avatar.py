"""The forward that is trained is the loop that runs."""

import numpy as np
import pytest
import torch

from model.encoders.mel_encoder import CONTEXT_FRAMES
from model.pocket.conditions import PLANES
from model.pocket.curve_layout import EYES, LAYOUT
from model.pocket.model_traits import TRANSFORMER
from model.pocket.training.curve_clips import CLIP, FRAMES, WARM, Clips
from model.pocket.training.masked_forward import BLOCK, BLOCKS, MaskedInputs, masked_forward
from model.pocket.training.train_avatar import (
    AvatarRecipe,
    BatchMaker,
    Pupil,
    weigh_latents,
)
from model.pocket.training.train_hearing import Hearing
from model.pocket.viseme_head import find_lips
from model.s2v.conditioning import Conditioning
from model.s2v.transformer import S2VTransformer
from model.sampling.causal import CausalDenoiser
from model.sampling.causal_stage import DenoisingSetup
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
    reference, past = torch.randn(1, 16, 1, 8, 8), torch.randn(1, 16, WARM, 8, 8)
    noise, features = torch.randn(16, CLIP, 8, 8), torch.randn(1, 3, 192, 4 * CLIP)
    # Before time 26 the reference stands at 30 whatever is drawn.
    ahead = [30 - BLOCK * b for b in range(BLOCKS)]
    schedule = Schedule((1000 * SIGMA,), (SIGMA, 0.0))
    planes = torch.randn(1, PLANES, 1, 8, 8).expand(-1, -1, CLIP, -1, -1)
    told = Conditioning(reference, past, None, CLIP, pose=lambda _: planes)
    loop = CausalDenoiser(DenoisingSetup(model, schedule, told, Written(noise, ahead)))
    made = torch.from_numpy(loop.denoise(features[0].numpy()).latents)
    before = torch.cat([past[0], made[:, :-BLOCK]], 1)
    motion = before.unflatten(1, (BLOCKS, WARM)).transpose(0, 1)[None]
    sight = MaskedInputs(
        noise[None], torch.tensor([SIGMA]), reference, motion, torch.tensor([ahead]), planes
    )
    with torch.inference_mode():
        velocity = masked_forward(model, sight, features)[0]
    streamed = (noise - made) / SIGMA
    assert (velocity - streamed).abs().max() < 1e-4 * streamed.abs().max()


def test_what_is_looked_at_is_worth_more() -> None:
    """On the average a latent is worth 1; of the eyes the first coefficient of a blink is most, one that tells little is less, and lips, which the viseme head tells, are nothing."""
    worth = weigh_latents(torch.device("cpu"))[0, :, 0]
    assert float(worth.mean()) == pytest.approx(1, abs=1e-5)
    names = [name for name, kept in LAYOUT[EYES].items() for _ in range(kept)]
    eyes = worth[:, 2, 3]
    assert int(eyes.argmax()) == names.index("blink")
    assert float(eyes[names.index("blink") + 3]) < 0.3 * float(eyes.max())
    lips = find_lips(torch.device("cpu"))[:, 0]
    assert (worth[lips.expand_as(worth)] == 0).all()
    assert (worth[~lips.expand_as(worth)] > 0).all()


def test_a_step_may_look_back_on_what_the_model_made() -> None:
    """With `own`, the past of later blocks is the model's own guess and not the truth: the loss is another one, and gradients flow through the second forward alone."""
    torch.manual_seed(0)
    shapes = {"still": (16, 1, 8, 8), "acts": (9,), "past": (16, WARM, 8, 8), "latents": (16, CLIP, 8, 8),
              "mel": (80, 4 * (FRAMES + 2 * CONTEXT_FRAMES)), "lips": (FRAMES, 3)}  # fmt: skip
    clips = Clips(**{name: torch.rand(2, *shape) for name, shape in shapes.items()})
    pupil, recipe = Pupil(Hearing()), AvatarRecipe(1)
    with torch.no_grad():
        pupil.transformer.head.head.weight.normal_(0, 0.1)
    losses = []
    for own in (False, True):
        batch = BatchMaker(recipe, torch.Generator().manual_seed(1))
        loss = batch.loss(pupil, clips, own=own)
        losses.append(float(loss.detach()))
    assert losses[0] != losses[1]
    loss.backward()
    assert pupil.transformer.cond_encoder.weight.grad.abs().sum() > 0
