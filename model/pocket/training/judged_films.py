"""Films of judged presenters, made clip by clip as `longtake` makes them, and what is read from them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from model.avatar import AudioWindow, Avatar, Seed
from model.motion_columns import MOTION
from model.pocket.training import measures
from model.pocket.training.face_measures import FaceHold, measure_ghosts, measure_hold
from model.pocket.training.findings import WIDTH, Take
from model.pocket.training.judged_presenters import Presenter
from model.pocket.training.measures import Byte, Float
from model.pocket.training.mouth_shape import MouthReader
from model.pocket.training.samples import Sample

LAST_CLIPS = 3
"""Of a long film, that are held against its first second."""


MotionReader = Callable[[Float], Float]
"""The motion [4k, M] of latents [c, k, h, w]."""
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Judged:
    """A presenter, and who reads its mouth."""

    who: Presenter
    reader: MouthReader


def hear_clips(avatar: Avatar, sound: Float) -> Iterator[Float]:
    """The features of each whole clip of a sound at 16 kHz."""
    traits = avatar.traits
    span = traits.clip_frames * traits.samples_per_frame
    heard = np.pad(sound, traits.audio_margin)
    for start in range(0, len(sound) - span + 1, span):
        window = heard[start : start + span + 2 * traits.audio_margin]
        yield avatar.extract_audio(AudioWindow(window))


def make_film(
    avatar: Avatar, who: Presenter, sound: Float, seed: Seed = 0
) -> Iterator[tuple[Float, Byte]]:
    """The film's clips, latents [c, k, h, w] and frames [frame, y, x, rgb], of a presenter who says `sound` (16 kHz), in whole clips."""
    inputs = avatar.encode_inputs(who.picture, "", who.face)
    denoiser, decoder = avatar.denoiser(inputs, seed), avatar.decoder(inputs)
    for features in hear_clips(avatar, sound):
        latents = denoiser.denoise(features).latents
        yield latents, decoder.decode(latents)


def judge_film(
    avatar: Avatar, judged: Judged, sample: Sample, seed: Seed, read: MotionReader | None = None
) -> Take:
    """What is kept of the film in which a presenter says this. Ghosts are looked for where its mouth is narrow; where nobody can `read` its motion, where the true mouth is."""
    who, traits = judged.who, avatar.traits
    latents, clips = zip(*make_film(avatar, who, sample.sound, seed), strict=True)
    frames = np.concatenate(clips)
    own = measures.measure_sharpness(who.picture[None], who.mouth)
    width = (
        sample.curves[: len(frames), WIDTH]
        if read is None
        else np.concatenate([read(clip) for clip in latents])[:, MOTION.index("width")]
    )
    return Take(
        mouth=judged.reader.read(who.cut_mouth(frames)),
        rest=float(measures.mouth_area(who.picture[None], who.mouth)[0]),
        sharpness=measures.measure_sharpness(frames[::5], who.mouth) / own,
        sway=measures.measure_sway(frames, who.crown),
        blinks=len(measures.blink_times(measures.eye_openness(frames, who.eyes))),
        pops=measures.measure_pops(
            frames, block_frames=traits.block_frames, frames_per_latent=traits.frames_per_latent
        ),
        ghost=measure_ghosts(who.picture, who.face.to_array(), frames, width),
    )


@dataclass(frozen=True)
class LongFilm:
    """How a long film holds."""

    drift: dict[str, float]
    """How the background, the colours and the edges do: first and last ten clips."""
    hold: FaceHold | None
    """How the face does: the last clips against the first second."""


def judge_long_film(
    avatar: Avatar, who: Presenter, samples: Sequence[Sample], clips: int
) -> LongFilm:
    """What happens in a film in which somebody says all of the samples, again and again."""
    span = avatar.traits.clip_frames * avatar.traits.samples_per_frame
    sound = np.resize(np.concatenate([sample.sound for sample in samples]), clips * span)
    still, colour, edges = np.zeros((3, clips), np.float32)
    begin, end = None, deque[Byte](maxlen=LAST_CLIPS)
    for clip, (_, frames) in enumerate(make_film(avatar, who, sound, seed=99)):
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
    return LongFilm(_sum_drift(still, colour, edges / np.float32(own)), hold)


def _sum_drift(still: Float, colour: Float, edges: Float) -> dict[str, float]:
    """First and last ten clips, out of what each clip reads [clip]."""
    ends = min(10, len(still) // 2)
    return {
        "clips": len(still), "first": float(still[:ends].mean()), "last": float(still[-ends:].mean()),
        "worst": float(still.min()), "colour": float(colour[-ends:].mean()), "worst_colour": float(colour.max()),
        "sharpness_first": float(edges[:ends].mean()), "sharpness_last": float(edges[-ends:].mean()),
    }  # fmt: skip


def spread_work(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """The results in their order, as many worked on at a time as there are processors: a film takes one."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))
