"""Films in which several presenters speak by turns, side by side: who speaks is held against the same face alone, who listens against a shut mouth."""

from collections.abc import Sequence

import numpy as np

from model.avatar import Avatar, DeviceConfig, Options
from model.pocket.avatar import PocketAvatar
from model.pocket.face_boxes import FaceBoxes
from model.pocket.training.findings import APERTURE, SpeakerFindings
from model.pocket.training.judged_films import Judged, hear_clips, make_film
from model.pocket.training.judged_presenters import Presenter
from model.pocket.training.measures import Byte, Float, correlate_at_lag
from model.pocket.training.mouth_shape import MouthTrack
from model.pocket.training.samples import Sample
from model.speaker_places import SpeakerPlaces


def judge_speakers(one: Avatar, people: Sequence[Judged], samples: Sequence[Sample]) -> SpeakerFindings:  # fmt: skip
    """A film in which these presenters, side by side, say one sample each, one after the other; `one` makes films of one of them."""
    clip = one.traits.clip_frames
    length = min(len(sample.curves) for sample in samples) // clip * clip
    turns = [slice(n * length, (n + 1) * length) for n in range(len(people))]
    sounds = [
        place_sound(sample.sound, turn, len(people) * length, one.traits.samples_per_frame)
        for sample, turn in zip(samples, turns, strict=True)
    ]
    film = film_group([each.who for each in people], sounds)
    both = np.split(film, len(people), axis=2)
    spoken, alone, listening = [], [], []
    for number, (judged, sample) in enumerate(zip(people, samples, strict=True)):
        seen = judged.reader.read(judged.who.cut_mouth(both[number]))
        own = [frames for _, frames in make_film(one, judged.who, sounds[number], number)]
        by_itself = judged.reader.read(judged.who.cut_mouth(np.concatenate(own)))
        truth = sample.curves[:length, APERTURE]
        spoken.append(correlate_at_lag(seen.opening[turns[number]], truth))
        alone.append(correlate_at_lag(by_itself.opening[turns[number]], truth))
        listening.append(measure_listening(seen, turns[number], judged))
    return SpeakerFindings(len(people), spoken, alone, listening)


def place_sound(sound: Float, turn: slice, frames: int, samples_per_frame: int) -> Float:
    """A sound [sample] of so many frames with silence around the turn that it is heard in."""
    first, last = turn.start * samples_per_frame, turn.stop * samples_per_frame
    placed = np.zeros(frames * samples_per_frame, np.float32)
    placed[first:last] = sound[: last - first]
    return placed


def film_group(people: Sequence[Presenter], sounds: Sequence[Float]) -> Byte:
    """The film [frame, y, x, rgb] of presenters side by side who say these sounds."""
    side = people[0].picture.shape[0]
    avatar = PocketAvatar(Options(side * len(people), side, speakers=len(people)), DeviceConfig())
    places = SpeakerPlaces(tuple(shift_face(each.face, n * side) for n, each in enumerate(people)))
    inputs = avatar.encode_inputs(np.concatenate([each.picture for each in people], 1), "", places)
    denoiser, decoder = avatar.denoiser(inputs, 0), avatar.decoder(inputs)
    clips = zip(*(hear_clips(avatar, sound) for sound in sounds), strict=True)
    return np.concatenate([decoder.decode(denoiser.denoise(np.stack(heard)).latents) for heard in clips])  # fmt: skip


def shift_face(face: FaceBoxes, right: float) -> FaceBoxes:
    """A face so many pixels farther to the right."""
    return face.map_boxes(lambda box: (box[0] + right, *box[1:]))


def measure_listening(seen: MouthTrack, turn: slice, judged: Judged) -> float:
    """The mouth's dark area beyond that of the picture, where it listens against where it speaks: as `silence: mouth area against speech` has it."""
    who = judged.who
    rest = float(judged.reader.read(who.cut_mouth(who.picture[None])).area[0])
    spoken = float(seen.area[turn].mean()) - rest
    quiet = np.maximum(np.delete(seen.area, np.r_[turn]) - rest, 0).mean()
    return float(quiet) / max(spoken, 1e-6)
