"""The table of levels: whether the shipped avatar talks in time, blinks and stays itself.

    python -m model.pocket.training.evaluate [--faces 8] [--quick] [--long CLIPS] [--eight] [--json FILE]

Films of drawn presenters that training never met, saying what the held-out voices say, are made clip by
clip as `longtake` makes them, and read by model.pocket.training.measures. Development only: it imports the renderer.
"""

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import structlog
import torch
from numpy.typing import NDArray

from model.avatar import AudioWindow, Avatar, DeviceConfig, Options
from model.pocket.avatar import PocketAvatar
from model.pocket.face_boxes import Box as FaceBox
from model.pocket.face_boxes import FaceBoxes
from model.pocket.training import measures
from model.pocket.training.face_measures import FaceHold, measure_ghosts, measure_hold
from model.pocket.training.levels import DELAY, Findings, Take, tabulate_levels
from model.pocket.training.measures import Box, Byte, Float
from model.pocket.training.motion import draw_motion
from model.pocket.training.samples import Sample, read_samples
from model.presenters.face import (
    draw_identities,
    eye_boxes,
    mouth_reach,
    neutral_motion,
    pixel_weights,
    render_faces,
)

SEED = 700_000
"""Where the identities of the judged faces begin; training's generators are elsewhere."""
LAST_CLIPS = 3
"""Of a long film, that are held against its first second."""
_GROW = 0.06
_EYE_GROW = 0.03


@dataclass(frozen=True)
class Presenter:
    """A drawn face: its identity [1, I], its reference picture, and where things are in it."""

    identity: torch.Tensor
    picture: Byte
    face: FaceBoxes
    mouth: Box
    eyes: tuple[Box, ...]
    crown: Box
    still: NDArray[np.bool_]
    """Where nothing moves, however the head does [y, x]."""


@dataclass(frozen=True)
class EvaluationPlan:
    """How much is judged."""

    faces: int = 8
    clips: int = 5
    """Clips of each face with each voice."""
    quiet_clips: int = 8
    long_clips: int = 40
    long_faces: int = 1
    """Faces that have a long film."""
    rebuilt: int = 4
    """Faces that go through the motion autoencoder alone."""


def make_presenters(number: int, size: int, first: int = SEED) -> list[Presenter]:
    """Presenters that nobody was trained on."""
    return [_make_presenter(first + place, size) for place in range(number)]


def make_film(avatar: Avatar, who: Presenter, sound: Float, seed: int = 0) -> Iterator[Byte]:
    """The film's clips [frame, y, x, rgb] of a presenter who says `sound` (16 kHz), in whole clips."""
    traits = avatar.traits
    span = traits.clip_frames * traits.samples_per_frame
    inputs = avatar.encode_inputs(who.picture, "", who.face)
    denoiser, decoder = avatar.denoiser(inputs, seed), avatar.decoder(inputs)
    heard = np.pad(sound, traits.audio_margin)
    for start in range(0, len(sound) - span + 1, span):
        window = heard[start : start + span + 2 * traits.audio_margin]
        features = avatar.extract_audio(AudioWindow(window))
        yield decoder.decode(denoiser.denoise(features).latents)


def evaluate_avatar(avatar: Avatar, samples: Sequence[Sample], plan: EvaluationPlan) -> Findings:
    """Everything the table needs except the motion autoencoder alone."""
    traits, found = avatar.traits, Findings()
    presenters = make_presenters(plan.faces, traits.default_width)
    frames = plan.clips * traits.clip_frames
    for number, sample in enumerate(_cut_sample(sample, frames) for sample in samples):
        found.truth[sample.voice] = sample.curves[:, 0]
        found.takes[sample.voice] = [
            _make_take(avatar, who, sample.sound, number, sample.curves[:, 1]) for who in presenters
        ]
        ghosts = [take.ghost for take in found.takes[sample.voice]]
        found.ghosts += [ghost for ghost in ghosts if ghost is not None]
        found.ceilings[sample.voice] = [_draw_truth(who, sample, number) for who in presenters]
        structlog.get_logger().info("voice_judged", voice=sample.voice)
    late = _delay_sound(_cut_sample(samples[0], frames), traits.samples_per_frame)
    found.delayed = measures.lag_profile(
        [_make_take(avatar, presenters[0], late.sound, 0).area], late.curves[:, 0]
    )
    quiet = np.zeros(plan.quiet_clips * traits.clip_frames * traits.samples_per_frame, np.float32)
    found.quiet = [_make_take(avatar, who, quiet, 50) for who in presenters]
    for who in presenters[: plan.long_faces]:
        drift, hold = measure_long_film(avatar, who, samples, plan.long_clips)
        found.drift = found.drift or drift
        found.holds += [] if hold is None else [hold]
    return found


def measure_long_film(
    avatar: Avatar, who: Presenter, samples: Sequence[Sample], clips: int
) -> tuple[dict[str, float], FaceHold | None]:
    """How the background, the colours and the edges hold over a long film, first and last ten clips; and how the face does, its last clips against its first second."""
    whole = np.concatenate([sample.sound for sample in samples])
    span = avatar.traits.clip_frames * avatar.traits.samples_per_frame
    sound = np.resize(whole, clips * span)
    ends = min(10, clips // 2)
    still, colour, edges = np.zeros(clips), np.zeros(clips), np.zeros(clips)
    begin, end = None, deque[Byte](maxlen=LAST_CLIPS)
    for clip, frames in enumerate(make_film(avatar, who, sound, seed=99)):
        still[clip] = measures.background_psnr(frames, who.picture, who.still)
        colour[clip] = measures.colour_shift(frames, who.picture)
        edges[clip] = measures.measure_sharpness(frames[::8], who.mouth)
        begin = frames[:25] if begin is None else begin
        end.append(frames)
    hold = (
        None
        if begin is None
        else measure_hold(who.picture, who.face.to_array(), begin, np.concatenate(end))
    )
    own = measures.measure_sharpness(who.picture[None], who.mouth)
    drift = {
        "clips": clips, "first": float(still[:ends].mean()), "last": float(still[-ends:].mean()),
        "worst": float(still.min()), "colour": float(colour[-ends:].mean()), "worst_colour": float(colour.max()),
        "sharpness_first": float(edges[:ends].mean()) / own, "sharpness_last": float(edges[-ends:].mean()) / own,
    }  # fmt: skip
    return drift, hold


def measure_round_trip(
    avatar: PocketAvatar, presenters: Sequence[Presenter], curves: Float
) -> dict[str, float]:
    """PSNR of true films after the motion autoencoder alone: everywhere, and on mouth and eyes."""
    whole, features = [], []
    for number, who in enumerate(presenters):
        motion = _motion_of(curves, 900 + number)
        true = _render_film(who, motion)
        made = rebuild_film(avatar, who, true)
        weight = pixel_weights(who.identity, motion, true.shape[1])[0, :, 0].numpy() - 1
        whole.append(measures.compute_psnr(made, true))
        features.append(measures.compute_psnr(made, true, weight))
    return {"all": float(np.mean(whole)), "mouth_eyes": float(np.mean(features))}


def rebuild_film(avatar: PocketAvatar, who: Presenter, frames: Byte) -> Byte:
    """Frames [frame, y, x, rgb], whole clips of them, as motion latents of the presenter's picture and back."""
    clip = avatar.traits.clip_frames
    inputs = avatar.encode_inputs(who.picture, "", who.face)
    decoder = avatar.decoder(inputs)
    parts = range(0, len(frames), clip)
    return np.concatenate(
        [decoder.decode(avatar.encode_frames(inputs, frames[at : at + clip])) for at in parts]
    )


def _make_presenter(seed: int, size: int) -> Presenter:
    identity = draw_identities(1, torch.Generator().manual_seed(seed), plain=True)
    rest = neutral_motion(1, 1)
    picture = _to_bytes(render_faces(identity, rest, size)[0])[0]
    mouth = mouth_reach(identity, rest)[0, 0]
    eyes = eye_boxes(identity, rest)[0, 0]
    top = float(eyes[0, 1] - 2.5 * eyes[0, 3])
    crown = torch.tensor([float(mouth[0]), top - 0.3, 0.5, 0.3])
    moved = _to_bytes(render_faces(identity, _extreme_poses(), size)[0]).astype(np.int16)
    still = np.abs(moved - picture).max((0, 3)) <= 1
    face = FaceBoxes(*(_to_face_box(box, size) for box in (mouth, *eyes)))
    return Presenter(identity, picture, face, _box_in_pixels(mouth, size, _GROW),
                     tuple(_box_in_pixels(eye, size, _EYE_GROW) for eye in eyes), _box_in_pixels(crown, size, 0), still)  # fmt: skip


def _extreme_poses() -> torch.Tensor:
    """Poses further out than any that presenters take [1, t, M]."""
    ends = [(-0.12, 0.12), (-0.08, 0.08), (-0.12, 0.12), (-0.04, 0.04), (0.0, 1.0)]
    poses = torch.tensor(list(product(*ends)))
    motion = neutral_motion(1, len(poses))
    motion[0, :, :4], motion[0, :, -3] = poses[:, :4], poses[:, 4]
    return motion


def _box_in_pixels(box: torch.Tensor, size: int, grow: float) -> Box:
    cx, cy, wide, high = box.tolist()
    edges = (cx - wide - grow, cy - high - grow, cx + wide + grow, cy + high + grow)
    left, top, right, bottom = (min(max(round((edge + 1) * size / 2), 0), size) for edge in edges)
    return left, top, right, bottom


def _to_face_box(box: torch.Tensor, size: int) -> FaceBox:
    cx, cy, wide, high = (value * size / 2 for value in box.tolist())
    return cx - wide + size / 2, cy - high + size / 2, 2 * wide, 2 * high


def _to_bytes(pictures: torch.Tensor) -> Byte:
    """[frame, rgb, y, x] in 0..1 as [frame, y, x, rgb] in 0..255."""
    return (pictures * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def _make_take(
    avatar: Avatar, who: Presenter, sound: Float, seed: int, width: Float | None = None
) -> Take:
    traits = avatar.traits
    frames = np.concatenate(list(make_film(avatar, who, sound, seed)))
    own = measures.measure_sharpness(who.picture[None], who.mouth)
    return Take(
        area=measures.mouth_area(frames, who.mouth),
        rest=float(measures.mouth_area(who.picture[None], who.mouth)[0]),
        sharpness=measures.measure_sharpness(frames[::5], who.mouth) / own,
        sway=measures.measure_sway(frames, who.crown),
        blinks=len(measures.blink_times(measures.eye_openness(frames, who.eyes))),
        pops=measures.measure_pops(
            frames, block_frames=traits.block_frames, frames_per_latent=traits.frames_per_latent
        ),
        ghost=None
        if width is None
        else measure_ghosts(who.picture, who.face.to_array(), frames, width[: len(frames)]),
    )


def _motion_of(curves: Float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return draw_motion(1, len(curves), torch.from_numpy(curves)[None], generator)


def _render_film(who: Presenter, motion: torch.Tensor, window: Box | None = None) -> Byte:
    """A true film, or a window of it, a few frames at a time."""
    size, parts = who.picture.shape[0], torch.split(motion, 16, 1)
    return np.concatenate(
        [_to_bytes(render_faces(who.identity, part, size, window)[0]) for part in parts]
    )


def _draw_truth(who: Presenter, sample: Sample, seed: int) -> Float:
    """The mouth area of a true film with motion of its own."""
    left, top, right, bottom = who.mouth
    film = _render_film(who, _motion_of(sample.curves, seed), who.mouth)
    return measures.mouth_area(film, (0, 0, right - left, bottom - top))


def _cut_sample(sample: Sample, frames: int) -> Sample:
    frames = min(frames, len(sample.curves))
    return replace(sample, sound=sample.sound[: frames * 640], curves=sample.curves[:frames])


def _delay_sound(sample: Sample, samples_per_frame: int) -> Sample:
    late = np.pad(sample.sound, (DELAY * samples_per_frame, 0))[: len(sample.sound)]
    return replace(sample, sound=late)


def main() -> None:
    """Judge the shipped avatar and print the table; the status says whether every level is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=8)
    parser.add_argument("--clips", type=int, default=5, help="clips of each face with each voice")
    parser.add_argument("--quick", action="store_true", help="two clips of each, four voices")
    parser.add_argument("--long", type=int, default=40, metavar="CLIPS")
    parser.add_argument("--long-faces", type=int, default=1, help="faces that have a long film")
    parser.add_argument("--eight", action="store_true", help="computed as --fp8 does on a card")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    plan = EvaluationPlan(
        faces=asked.faces, clips=asked.clips, long_clips=asked.long, long_faces=asked.long_faces
    )
    samples = read_samples()
    if asked.quick:
        plan = replace(plan, clips=3, quiet_clips=4, rebuilt=2)
        samples = samples[::3]
    avatar = PocketAvatar(Options(256, 256), DeviceConfig().threads)
    if asked.eight:
        avatar.round_to_eight_bits()
    found = evaluate_avatar(avatar, samples, plan)
    curves = samples[0].curves[: 2 * avatar.traits.clip_frames]
    found.rebuilt = measure_round_trip(
        avatar, make_presenters(plan.rebuilt, avatar.traits.default_width), curves
    )
    rows = tabulate_levels(found)
    for row in rows:
        sys.stdout.write(
            f"{'ok  ' if row.met else 'FAIL'}  {row.what:52s} {row.value:8.3f}  {row.level}\n"
        )
    if asked.json:
        facts = {"rows": [asdict(row) for row in rows], "drift": found.drift}
        asked.json.write_text(json.dumps(facts, indent=1, default=float) + "\n")
    sys.exit(0 if all(row.met for row in rows) else 1)


if __name__ == "__main__":
    main()
