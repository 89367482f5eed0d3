"""The whole table of an avatar that draws the truth, and how much of it is asked for."""

import numpy as np
import pytest
import torch

from model.avatar import Denoised, ModelTraits
from model.pocket.training import evaluate, levels
from model.pocket.training.judged_presenters import Presenter, make_presenters, render_film
from model.pocket.training.motion import draw_motion
from model.pocket.training.samples import Sample, read_samples

SIZE = 128
torch.set_num_threads(1)


class Mimic:
    """An avatar that draws the truth: it knows what each stretch of sound says."""

    def __init__(self, people: list[Presenter], samples: list[Sample], late: int = 0) -> None:
        self.people, self.late = people, late
        self.said = {}
        for sample in samples:
            curves = np.roll(sample.curves, late, 0)
            for start in range(0, len(curves) - 47, 48):
                span = sample.sound[start * 640 : (start + 48) * 640]
                self.said[span.tobytes()] = curves[start : start + 48]

    @property
    def traits(self) -> ModelTraits:
        return ModelTraits(
            name="mimic", fps=25, clip_frames=48, block_frames=12, frames_per_latent=4, latent_channels=1,
            latent_width=SIZE // 16, latent_height=SIZE // 16, size_multiple=16, default_width=SIZE, default_height=SIZE, steps=4,
            sample_rate=16_000, audio_layers=1, audio_channels=1, audio_margin=160, decoder_memory=1,
            prompt_acts=False,
        )  # fmt: skip

    def encode_inputs(
        self, picture: np.ndarray, _prompt: str, _face: object
    ) -> dict[str, np.ndarray]:
        found = [i for i, who in enumerate(self.people) if np.array_equal(who.picture, picture)]
        return {"who": np.array(found[0])}

    def extract_audio(self, heard) -> np.ndarray:
        still = np.tile(np.float32([0, 0.5, 0]), (48, 1))
        return self.said.get(heard.sound[160:-160].tobytes(), still)

    def denoiser(self, inputs: dict[str, np.ndarray], seed: int) -> "Mimic.Stream":
        return Mimic.Stream(self.people[int(inputs["who"])], seed)

    def decoder(self, inputs: dict[str, np.ndarray]) -> "Mimic.Stream":
        return Mimic.Stream(self.people[int(inputs["who"])], 0)

    class Stream:
        def __init__(self, who: Presenter, seed: int) -> None:
            self.who, self.clip = who, 0
            self.motion = draw_motion(1, 480, None, torch.Generator().manual_seed(seed))

        def denoise(self, curves: np.ndarray) -> Denoised:
            motion = self.motion[:, self.clip * 48 : self.clip * 48 + 48].clone()
            motion[..., -3:] = torch.from_numpy(curves)
            self.clip += 1
            return Denoised(motion.numpy(), motion.numpy()[None])

        def decode(self, latents: np.ndarray) -> np.ndarray:
            return render_film(self.who, torch.from_numpy(latents))


@pytest.fixture(scope="module")
def table() -> list[levels.LevelRow]:
    """The table of an avatar that draws the truth, with two faces and voices of every kind."""
    voices = ("en-us+linda", "de+travis", "flite-slt", "cmn+m8")
    samples = [evaluate._cut_sample(s, 96) for s in read_samples() if s.voice in voices]
    people = make_presenters(2, SIZE)
    plan = evaluate.EvaluationPlan(2, 2, other_faces=1, noisy_voices=1, quiet_clips=4, long_clips=2)
    late = evaluate._delay_sound(samples[0], 640)
    shifted = np.concatenate([samples[0].curves[:1]] * 3 + [samples[0].curves])[:96]
    mimic = Mimic(
        people,
        [*samples, *evaluate._add_backgrounds(samples, 1), Sample("late", late.sound, shifted)],
    )
    return levels.tabulate_levels(evaluate.evaluate_avatar(mimic, people, samples, plan))


def test_an_avatar_that_draws_the_truth_meets_every_level(table: list[levels.LevelRow]) -> None:
    """The truth passes: a level that it failed would be a fault of the measure."""
    assert [row.what for row in table if not row.met] == []


def test_the_truth_is_its_own_ceiling(table: list[levels.LevelRow]) -> None:
    """Against the ceiling the truth reads one; sound three frames late reads three."""
    value = {row.what: row.value for row in table}
    assert value["r / ceiling, mean over voices"] == pytest.approx(1, abs=0.03)
    assert value["sound 3 frames late: best lag"] == 3
    assert value["best lag, frames"] == 0


def test_voices_of_every_kind_are_judged(table: list[levels.LevelRow]) -> None:
    """Other synthesisers, Mandarin, noise, music, width, rounding and the sprite have rows of their own."""
    names = " ".join(row.what for row in table)
    kinds = (
        "another synthesiser",
        "Mandarin",
        "noise at 10 dB",
        "music at 10 dB",
        "width",
        "rounding",
    )
    assert not [kind for kind in (*kinds, "more than a sprite's") if kind not in names]


def test_what_is_asked_by_name_goes_before_quick() -> None:
    """--quick is a plan of its own, in which a number may be another; no group has more faces than there are."""
    assert evaluate.plan_evaluation(evaluate.parse_arguments([])) == evaluate.EvaluationPlan()
    assert evaluate.plan_evaluation(evaluate.parse_arguments(["--quick"])) == evaluate.QUICK
    words = ["--quick", "--faces", "1", "--long", "7"]
    plan = evaluate.plan_evaluation(evaluate.parse_arguments(words))
    assert (plan.faces, plan.other_faces, plan.long_clips) == (1, 1, 7)
    assert plan.clips == evaluate.QUICK.clips
