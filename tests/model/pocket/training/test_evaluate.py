"""The whole table of an avatar that draws the truth, and how much of it is asked for."""

import numpy as np
import pytest
import torch

from model.avatar import AudioWindow, Denoised, ModelTraits
from model.pocket.prompts import read_prompt
from model.pocket.training import evaluate, levels
from model.pocket.training.judged_presenters import Presenter, make_presenters, render_film
from model.pocket.training.motion import draw_motion
from model.pocket.training.samples import Sample, read_samples

SIZE = 64
torch.set_num_threads(1)


class Mimic:
    """An avatar that draws the truth: it knows what each stretch of sound says. Its latents are its motion."""

    def __init__(self, people: list[Presenter], samples: list[Sample]) -> None:
        self.people, self.size = people, len(people[0].picture)
        self.said = {}
        for sample in samples:
            for start in range(0, len(sample.curves) - 47, 48):
                span = sample.sound[start * 640 : (start + 48) * 640]
                self.said[span.tobytes()] = sample.curves[start : start + 48]

    @property
    def traits(self) -> ModelTraits:
        side = self.size // 16
        return ModelTraits(
            name="mimic", fps=25, clip_frames=48, block_frames=12, frames_per_latent=4, latent_channels=1,
            latent_width=side, latent_height=side, size_multiple=16, default_width=self.size, default_height=self.size, steps=4,
            sample_rate=16_000, audio_layers=1, audio_channels=1, audio_margin=160, decoder_memory=1,
        )  # fmt: skip

    def encode_inputs(
        self, picture: np.ndarray, prompt: str, _face: object
    ) -> dict[str, np.ndarray]:
        found = [i for i, who in enumerate(self.people) if np.array_equal(who.picture, picture)]
        return {"who": np.array(found[0]), "acts": np.float32(read_prompt(prompt).row)}

    def extract_audio(self, heard: AudioWindow) -> np.ndarray:
        still = np.tile(np.float32([0, 0.5, 0]), (48, 1))
        return self.said.get(heard.sound[160:-160].tobytes(), still)

    def denoiser(self, inputs: dict[str, np.ndarray], seed: int) -> "Stream":
        return Stream(self.people[int(inputs["who"])], seed, inputs["acts"])

    def decoder(self, inputs: dict[str, np.ndarray]) -> "Stream":
        return Stream(self.people[int(inputs["who"])], 0, inputs["acts"])


class Stream:
    """Both its denoiser and its decoder."""

    def __init__(self, who: Presenter, seed: int, acts: np.ndarray) -> None:
        self.who, self.clip = who, 0
        generator = torch.Generator().manual_seed(seed)
        self.motion = draw_motion(1, 480, None, generator, torch.from_numpy(acts)[None])

    def denoise(self, curves: np.ndarray) -> Denoised:
        motion = self.motion[:, self.clip * 48 : self.clip * 48 + 48].clone()
        motion[..., -3:] = torch.from_numpy(curves)
        self.clip += 1
        return Denoised(motion.numpy(), motion.numpy()[None])

    def seek(self, clip: int, preceding: np.ndarray) -> None:
        self.clip = clip

    def decode(self, latents: np.ndarray) -> np.ndarray:
        return render_film(self.who, torch.from_numpy(latents))


@pytest.fixture(scope="module")
def table() -> list[levels.LevelRow]:
    """The table of an avatar that draws the truth, with two faces and voices of every kind."""
    voices = ("en-us+linda", "de+travis", "flite-slt", "cmn+m8")
    samples = [evaluate._cut_sample(s, 96) for s in read_samples() if s.voice in voices]
    people = make_presenters(2, SIZE)
    plan = evaluate.EvaluationPlan(
        faces=2, clips=2, other_faces=1, noisy_voices=1, quiet_clips=4, long_clips=2,
        parts=("speech", "silence", "long", "acts"), act_prompts=20,
    )  # fmt: skip
    late = evaluate._delay_sound(samples[0], 640)
    shifted = np.concatenate([samples[0].curves[:1]] * 3 + [samples[0].curves])[:96]
    mimic = Mimic(
        people,
        [*samples, *evaluate._add_backgrounds(samples, 1), Sample("late", late.sound, shifted)],
    )
    judged = evaluate.Evaluation(
        mimic, people, samples, plan, lambda latents: latents.reshape(-1, 14)
    )
    return levels.tabulate_levels(judged.judge_parts())


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

    def plan(*words: str) -> evaluate.EvaluationPlan:
        return evaluate.plan_evaluation(evaluate.parse_arguments(words))

    assert plan() == evaluate.EvaluationPlan()
    assert plan("--quick") == evaluate.QUICK
    small = plan("--quick", "--faces", "1", "--long", "7", "--parts", "long", "acts")
    assert (small.faces, small.other_faces, small.long_clips) == (1, 1, 7)
    assert small.clips == evaluate.QUICK.clips
    assert small.parts == ["long", "acts"]
    assert plan("--long-faces", "12").presenters == 12


def test_a_part_alone_has_its_rows_alone() -> None:
    """Of long films nothing is said of lips, and no mouth is learnt."""
    people = make_presenters(1, 64)
    sample = evaluate._cut_sample(read_samples()[0], 48)
    plan = evaluate.EvaluationPlan(faces=1, long_clips=2, parts=("long",))
    found = evaluate.Evaluation(Mimic(people, [sample]), people, [sample], plan)
    rows = levels.tabulate_levels(found.judge_parts())
    assert rows
    assert all("clips" in row.what or "first second" in row.what for row in rows)
