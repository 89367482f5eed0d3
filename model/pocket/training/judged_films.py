"""Films of judged presenters, made clip by clip as `longtake` makes them, and what is read from them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, TypeVar

import numpy as np
import torch

from model.avatar import AudioWindow, Avatar, Seed
from model.motion_columns import MOTION
from model.pocket.training import measures
from model.pocket.training.face_measures import (
    FaceHold,
    find_narrow,
    measure_ghosts,
    measure_hold,
)
from model.pocket.training.findings import Take
from model.pocket.training.judged_presenters import Presenter, render_film
from model.pocket.training.measures import Byte, Float
from model.pocket.training.mouth_shape import MouthReader
from model.pocket.training.samples import Sample

LAST_CLIPS = 3
"""Of a long film, that are held against its first second."""
ENDS, EVERY = 10, 20
"""Clips at each end of a long film that are looked at, and one in so many between."""


MotionReader = Callable[[Float], Float]
"""The motion [4k, M] of latents [c, k, h, w]."""
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_given: list[Callable[[int], Any]] = []
"""What a process of `spread_work` does with the number of an item."""


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
    """What is kept of the film in which a presenter says this. Ghosts are told where its motion can be `read`."""
    who, traits = judged.who, avatar.traits
    latents, clips = zip(*make_film(avatar, who, sample.sound, seed), strict=True)
    frames = np.concatenate(clips)
    own = measures.measure_sharpness(who.picture[None], who.mouth)
    return Take(
        mouth=judged.reader.read(who.cut_mouth(frames)),
        rest=float(measures.mouth_area(who.picture[None], who.mouth)[0]),
        sharpness=measures.measure_sharpness(frames[::5], who.mouth) / own,
        sway=measures.measure_sway(frames, who.crown),
        blinks=len(measures.blink_times(measures.eye_openness(frames, who.eyes))),
        pops=measures.measure_pops(
            frames, block_frames=traits.block_frames, frames_per_latent=traits.frames_per_latent
        ),
        ghost=None
        if read is None
        else compare_ghosts(who, frames, np.concatenate([read(clip) for clip in latents])),
    )


def compare_ghosts(who: Presenter, frames: Byte, motion: Float) -> float | None:
    """How much more of the picture's lip corners stays beside the narrow mouths of a film than of a true film of the same motion [frame, M]; None where no mouth is narrow."""
    narrow = find_narrow(motion[:, MOTION.index("width")])
    if not len(narrow):
        return None
    truth = render_film(who, torch.from_numpy(motion[None, narrow]))
    film, true = (
        measure_ghosts(who.picture, who.face.to_array(), each) for each in (frames[narrow], truth)
    )
    return film - true


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
    judged, begin, end = choose_clips(clips), None, deque[Byte](maxlen=LAST_CLIPS)
    read: list[tuple[float, float, float]] = []
    for frames in make_some_clips(avatar, who, sound, judged):
        still = measures.background_psnr(frames, who.picture, who.still)
        colour = measures.colour_shift(frames, who.picture)
        read.append((still, colour, measures.measure_sharpness(frames[::8], who.mouth)))
        begin = frames[:25] if begin is None else begin
        end.append(frames)
    hold = (
        None
        if begin is None
        else measure_hold(who.picture, who.face.to_array(), begin, np.concatenate(end))
    )
    stills, colours, edges = np.array(read, np.float32).T
    own = measures.measure_sharpness(who.picture[None], who.mouth)
    drift = {"clips": float(clips), **_sum_drift(stills, colours, edges / np.float32(own))}
    return LongFilm(drift, hold)


def choose_clips(clips: int) -> list[int]:
    """The clips of a long film that are looked at: its ends, and one in EVERY between."""
    ends = min(ENDS, clips // 2)
    return sorted({*range(ends), *range(clips - ends, clips), *range(0, clips, EVERY)})


def make_some_clips(
    avatar: Avatar, who: Presenter, sound: Float, wanted: Sequence[int]
) -> Iterator[Byte]:
    """The frames [frame, y, x, rgb] of these clips of a film, which is denoised whole: each clip's latents depend on all before, its frames on few."""
    inputs = avatar.encode_inputs(who.picture, "", who.face)
    denoiser, decoder = avatar.denoiser(inputs, 99), avatar.decoder(inputs)
    traits = avatar.traits
    size = (traits.latent_channels, 0, traits.latent_height, traits.latent_width)
    before = np.empty(size, np.float32)
    for clip, features in enumerate(hear_clips(avatar, sound)):
        latents = denoiser.denoise(features).latents
        if clip in wanted:
            decoder.seek(clip, before[:, -traits.decoder_memory :])
            yield decoder.decode(latents)
        before = latents


def _sum_drift(still: Float, colour: Float, edges: Float) -> dict[str, float]:
    """First and last ten clips, out of what each clip that was looked at reads [clip]."""
    ends = min(ENDS, len(still) // 2)
    return {
        "first": float(still[:ends].mean()), "last": float(still[-ends:].mean()),
        "worst": float(still.min()), "colour": float(colour[-ends:].mean()), "worst_colour": float(colour.max()),
        "sharpness_first": float(edges[:ends].mean()), "sharpness_last": float(edges[-ends:].mean()),
    }  # fmt: skip


def spread_work(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """The results in their order, as many worked on at a time as there are processors, each by a process with one thread. Raises BrokenProcessPool where one is killed."""
    todo = list(items)
    # Forked, so that neither the work nor its items need to be pickled; results are.
    fork = get_context("fork")
    with ProcessPoolExecutor(os.cpu_count(), fork, _take_work, (work, todo)) as pool:
        return list(pool.map(_do_item, range(len(todo))))


def _take_work(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> None:
    torch.set_num_threads(1)
    _given[:] = [lambda number: work(items[number])]


def _do_item(number: int) -> Any:
    return _given[0](number)
