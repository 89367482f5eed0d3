"""The table of levels: whether the shipped avatar talks in time, blinks and stays itself.

    python -m model.pocket.training.evaluate [--faces 8] [--quick] [--long CLIPS] [--act-clips CLIPS] [--parts PART ...]

Films of drawn presenters that training never met, saying what the held-out voices say, are made clip by
clip as `longtake` makes them, and read by model.pocket.training.measures. Development only: it imports the renderer.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import structlog
import torch

from model.avatar import Avatar, DeviceConfig, Float, Options
from model.pocket.avatar import PocketAvatar
from model.pocket.motion_curves import decode_curves
from model.pocket.training import measures
from model.pocket.training.findings import (
    APERTURE,
    LIPS,
    MANDARIN,
    Findings,
    Take,
    VoiceFindings,
    name_kind,
)
from model.pocket.training.judged_acts import Stage, judge_prompts, read_prompts
from model.pocket.training.judged_films import (
    Judged,
    MotionReader,
    judge_film,
    judge_long_film,
    spread_work,
)
from model.pocket.training.judged_pauses import insert_pauses, judge_pause
from model.pocket.training.judged_presenters import (
    Presenter,
    learn_mouth,
    make_presenters,
    move_with_speech,
)
from model.pocket.training.judged_speakers import judge_speakers
from model.pocket.training.levels import DELAY, LevelRow, tabulate_levels
from model.pocket.training.mouth_shape import MouthTrack
from model.pocket.training.round_trip import measure_round_trip
from model.pocket.training.samples import Sample, add_background, read_samples
from model.pocket.training.sprite import judge_sprite
from model.pocket.training.visemes import REST

BACKGROUNDS = ("noise", "music")


PARTS = ("speech", "silence", "long", "acts", "motion", "speakers", "pauses")
"""Lips and all else of films of speech; of films of silence, beside them; long films; prompts; true motion through latents and decoder; two and three speakers in one film; pauses in speech."""
QUICK_VOICES = ("en-us+linda", "fr+m8", "de+travis", "cmn+belinda", "flite-slt")


@dataclass(frozen=True)
class EvaluationPlan:
    """How much is judged."""

    faces: int = 8
    clips: int = 5
    """Clips of each face with each voice."""
    other_faces: int = 8
    """Faces that speak with other synthesisers, in Mandarin and over backgrounds."""
    noisy_voices: int = 3
    """Voices that are heard over each of BACKGROUNDS."""
    quiet_clips: int = 8
    long_clips: int = 40
    long_faces: int = 1
    """Faces that have a long film."""
    act_clips: int = 0
    """Clips of a film at whose end prompts are judged, too; 0: only at its beginning."""
    act_prompts: int = 1
    """Of so many held-out prompts one is judged."""
    groups: int = 4
    """Films of two and of three speakers."""
    rebuilt: int = 4
    """Faces whose true motion goes through latents and decoder."""
    pause_faces: int = 4
    """Faces that speak with a pause, with as many voices."""
    parts: Sequence[str] = PARTS

    @property
    def presenters(self) -> int:
        """Faces that are needed."""
        return max(self.faces, self.long_faces, self.rebuilt)


QUICK = EvaluationPlan(
    faces=4, clips=3, other_faces=2, noisy_voices=1, quiet_clips=4, long_clips=20, act_prompts=8, groups=1, rebuilt=2, pause_faces=2
)  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """An avatar, those who show what it can, and how much of it is asked."""

    avatar: Avatar
    drawn: Sequence[Presenter]
    samples: Sequence[Sample]
    plan: EvaluationPlan
    read_motion: MotionReader | None = None
    """What latents come to; without it neither acts nor ghosts are judged."""

    @cached_property
    def people(self) -> list[Judged]:
        """Those who speak, and who reads their mouths."""
        curves = [sample.curves for sample in self.samples]
        with _report_part("mouths of presenters"):
            return spread_work(
                lambda who: Judged(who, learn_mouth(who, curves)), self.drawn[: self.plan.faces]
            )

    @cached_property
    def spoken(self) -> list[Sample]:
        """What is said: the beginnings of the samples."""
        frames = self.plan.clips * self.avatar.traits.clip_frames
        return [_cut_sample(sample, frames) for sample in self.samples]

    def judge_speech(self, found: Findings) -> None:
        """Every voice, some over backgrounds, and one that is late."""
        ceilings: dict[str, list[MouthTrack]] = {}
        backgrounds = _add_backgrounds(self.spoken, self.plan.noisy_voices)
        for number, sample in enumerate([*self.spoken, *backgrounds]):
            spoken = sample.voice.partition(" over ")[0]
            faces = len(self.people) if name_kind(sample.voice) == LIPS else self.plan.other_faces
            judged = self.people[:faces]
            with _report_part(sample.voice):
                if spoken not in ceilings:
                    ceilings[spoken] = spread_work(_read_truth(sample, number), judged)
                found.voices.append(self._judge_voice(judged, sample, number))
                found.voices[-1].ceilings = ceilings[spoken][: len(judged)]
        late = _delay_sound(self.spoken[0], self.avatar.traits.samples_per_frame)
        with _report_part("late sound"):
            take = self._judge_film(self.people[0], late, 0)
        found.delayed = measures.lag_profile([take.mouth.opening], late.curves[:, APERTURE])

    def _judge_voice(self, people: Sequence[Judged], sample: Sample, seed: int) -> VoiceFindings:
        takes = spread_work(lambda one: self._judge_film(one, sample, seed), people)
        sprites = [judge_sprite(one, sample.sound) for one in people]
        return VoiceFindings(sample.voice, sample.curves, takes, sprites=sprites)

    def _judge_film(self, one: Judged, sample: Sample, seed: int) -> Take:
        return judge_film(self.avatar, one, sample, seed, self.read_motion)

    def judge_silence(self, found: Findings) -> None:
        """What everybody does who hears nothing."""
        traits = self.avatar.traits
        quiet = _make_silence(self.plan.quiet_clips * traits.clip_frames, traits.samples_per_frame)
        with _report_part("silence"):
            found.quiet = spread_work(lambda one: self._judge_film(one, quiet, 50), self.people)

    def judge_pauses(self, found: Findings) -> None:
        """What some do in a pause of some voices."""
        if (read := self.read_motion) is None:
            return
        voices = [one for one in self.samples if name_kind(one.voice) in (LIPS, MANDARIN)]
        spread = np.linspace(0, len(voices) - 1, min(self.plan.pause_faces, len(voices)))
        people = self.drawn[: self.plan.pause_faces]
        for number, place in enumerate(spread.round().astype(int)):
            for sample in insert_pauses(voices[place]):
                # A seed for each: what lids and eyes do hangs on it more than on the face.
                films = [
                    partial(judge_pause, self.avatar, who, sample, len(people) * number + n, read)
                    for n, who in enumerate(people)
                ]
                with _report_part(f"pause of {voices[place].voice}, {sample.voice}"):
                    takes = spread_work(lambda film: film(), films)
                found.pauses.setdefault(sample.voice, []).extend(takes)

    def judge_long(self, found: Findings) -> None:
        """Long films of some."""
        with _report_part("long films"):
            films = spread_work(
                lambda who: judge_long_film(self.avatar, who, self.samples, self.plan.long_clips),
                self.drawn[: self.plan.long_faces],
            )
        found.drift = films[0].drift
        found.holds = [film.hold for film in films if film.hold is not None]

    def judge_acts(self, found: Findings) -> None:
        """Held-out prompts, one presenter's films of them."""
        if self.read_motion is None:
            return
        stage = Stage(self.avatar, self.samples[0].sound, self.plan.act_clips, self.read_motion)
        with _report_part("prompts"):
            prompts = read_prompts()[:: self.plan.act_prompts]
            found.acts = judge_prompts(stage, self.drawn[0], prompts)

    def judge_motion(self, found: Findings) -> None:
        """What latents and decoder make of true motion."""
        curves = self.samples[0].curves[: 2 * self.avatar.traits.clip_frames]
        with _report_part("true motion"):
            found.rebuilt = measure_round_trip(self.avatar, self.drawn[: self.plan.rebuilt], curves)

    def judge_speakers(self, found: Findings) -> None:
        """Films in which two and three speak by turns, each with a voice of its own."""
        voices = [each for each in self.spoken if name_kind(each.voice) == LIPS]
        for count in (2, 3):
            with _report_part(f"{count} speakers"):
                for first in range(0, self.plan.groups * count, count):
                    group = range(first, first + count)
                    people = [self.people[n % len(self.people)] for n in group]
                    said = [voices[n % len(voices)] for n in group]
                    found.groups.append(judge_speakers(self.avatar, people, said))

    def judge_parts(self) -> Findings:
        """What the plan has."""
        found = Findings()
        for part in self.plan.parts:
            getattr(self, f"judge_{part}")(found)
        return found


def _read_truth(sample: Sample, seed: int) -> Callable[[Judged], MouthTrack]:
    """What reads the mouth of a true film with motion of its own."""
    motion = move_with_speech(sample.curves, seed)
    return lambda one: one.reader.read(one.who.draw_mouths(motion))


def _add_backgrounds(samples: Sequence[Sample], number: int) -> Iterator[Sample]:
    """Some of the voices over each background."""
    for kind in BACKGROUNDS:
        spoken = [sample for sample in samples if name_kind(sample.voice) == LIPS]
        yield from (add_background(sample, kind) for sample in spoken[:number])


def _make_silence(frames: int, samples_per_frame: int) -> Sample:
    curves = np.tile(np.asarray(REST, np.float32), (frames, 1))
    return Sample("nobody", np.zeros(frames * samples_per_frame, np.float32), curves)


def _cut_sample(sample: Sample, frames: int) -> Sample:
    frames = min(frames, len(sample.curves))
    return replace(sample, sound=sample.sound[: frames * 640], curves=sample.curves[:frames])


def _delay_sound(sample: Sample, samples_per_frame: int) -> Sample:
    late = np.pad(sample.sound, (DELAY * samples_per_frame, 0))[: len(sample.sound)]
    return replace(sample, sound=late)


@contextmanager
def _report_part(part: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    seconds = round(time.monotonic() - begun, 1)
    structlog.get_logger().info("part_judged", part=part, seconds=seconds)


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few films of each kind: four minutes"
    )
    parser.add_argument("--faces", type=int)
    parser.add_argument("--clips", type=int, help="clips of each face with each voice")
    parser.add_argument("--long", type=int, metavar="CLIPS", dest="long_clips")
    parser.add_argument("--long-faces", type=int, help="faces that have a long film")
    parser.add_argument(
        "--act-clips",
        type=int,
        metavar="CLIPS",
        help="prompts are judged at the end of so long films, too",
    )
    parser.add_argument(
        "--act-prompts", type=int, metavar="N", help="of N held-out prompts one is judged"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="these alone")
    parser.add_argument("--eight", action="store_true", help="computed as --fp8 does on a card")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(words)


def plan_evaluation(asked: argparse.Namespace) -> EvaluationPlan:
    """How much is judged: --quick or all, and what is asked by name."""
    plan = QUICK if asked.quick else EvaluationPlan()
    known = {field.name for field in fields(plan)}
    given = {name: value for name, value in vars(asked).items() if name in known}
    plan = replace(plan, **{name: value for name, value in given.items() if value is not None})
    return replace(plan, other_faces=min(plan.other_faces, plan.faces))


def read_motion(latents: Float) -> Float:
    """The motion [4k, M] of pocket's latents [c, k, h, w]."""
    motion: Float = decode_curves(torch.from_numpy(latents)[None])[0].numpy()
    return motion


def print_table(rows: Iterable[LevelRow]) -> None:
    """A line for each row."""
    for row in rows:
        sys.stdout.write(
            f"{'ok  ' if row.met else 'FAIL'}  {row.what:58s} {row.value:8.3f}  {row.level}\n"
        )


def main() -> None:
    """Judge the shipped avatar and print the table; the status says whether every level is met."""
    asked = parse_arguments()
    plan = plan_evaluation(asked)
    samples = read_samples()
    if asked.quick:
        samples = [sample for sample in samples if sample.voice in QUICK_VOICES]
    avatar = PocketAvatar(Options(256, 256), DeviceConfig())
    if asked.eight:
        avatar.round_to_eight_bits()
    with _report_part("presenters"):
        presenters = make_presenters(plan.presenters, avatar.traits.default_width)
    found = Evaluation(avatar, presenters, samples, plan, read_motion).judge_parts()
    rows = tabulate_levels(found)
    print_table(rows)
    if asked.json:
        acts = asdict(found.acts) if found.acts else {}
        facts = {"rows": [asdict(row) for row in rows], "drift": found.drift, "acts": acts}
        asked.json.write_text(json.dumps(facts, indent=1, default=float) + "\n")
    sys.exit(0 if all(row.met for row in rows) else 1)


if __name__ == "__main__":
    main()
