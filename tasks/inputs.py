"""What is computed once a run: the picture and the prompt as the model wants them, and the sound as it hears it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from model.pocket.face_boxes import FaceBoxes
from model.prompt_schedule import parse_changes
from model.seed_schedule import encode_seeds
from storage.dubbing import lay_dubs
from storage.picture import treat_picture
from storage.soundtrack import stream_sound
from storage.speaker import parse_turns
from storage.speaker_sound import stream_speakers, stream_turns
from tasks.base import RunTask
from tasks.events import emit_event
from tasks.face_picture import publish_face_picture
from tasks.face_search import map_to_film
from tasks.session import Session
from tasks.speakers import place_speakers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.speaker_places import Place
    from storage.picture_fit import Size
    from storage.run import Run

    Sound = NDArray[np.float32]


class EncodeInputs(RunTask):
    """Reference latent, prompt states, the sound at the model's rate with its mean and variance."""

    stage = "inputs"
    doing = "encoding the inputs"

    def complete(self) -> bool:
        """True if the film's sounds and the inputs are there."""
        run = self.opened_run
        return run.inputs.complete() and all(sound.complete() for sound in run.sounds.values())

    def run(self) -> None:
        """Stream the sound once, encode picture and prompt."""
        for attempt in self.attempts():
            with attempt as session:
                session.disk.check()
                encode_inputs(session)


def encode_inputs(session: Session) -> None:
    """Publish the film's sounds at the model's rate, and what the model makes of picture and prompt; of a dubbed film, what is missing."""
    run = session.run
    run.check_inputs()
    # A machine that computes otherwise is refused before anything is written.
    assert session.avatar
    if not (run.sounds[0].complete() and run.inputs.complete()):
        _encode_first_inputs(session)
    publish_dubbed_sounds(run, session.pulse)


def publish_dubbed_sounds(run: "Run", pulse: "Callable[[], None]" = lambda: None) -> None:
    """Publish, of the film's sounds, those with something dubbed over them that are not there."""
    for number, sound in run.sounds.items():
        if number and not sound.complete():
            dubs = run.film_sound(number).dubs
            blocks = lay_dubs(stream_sounds(run), dubs, run.spec.sample_rate)
            sound.publish(pulse_between(blocks, pulse))


def _encode_first_inputs(session: Session) -> None:
    run, spec, avatar = session.run, session.run.spec, session.avatar
    moments = SoundMoments()
    run.sounds[0].publish(moments.count_blocks(pulse_between(stream_sounds(run), session.pulse)))
    picture, done = run.picture or treat_picture(
        run.image_path, width=spec.width, height=spec.height, crop=spec.crop
    )
    run.picture = None
    place = find_place(run, (done.width, done.height))
    encoded = dict(avatar.encode_inputs(picture, spec.prompt, place, spec.script))
    # Where they were lost, the replay takes these: it tells whether they are those that the clips were made of.
    seeds = encode_seeds(spec.seed, parse_changes(spec.script))
    session.inputs = {**encoded, **seeds, "sound_moments": moments.array}
    session.agree()
    # Before the record: what goes to a store with it is what is there by then.
    if faces := (place,) if isinstance(place, FaceBoxes) else place.faces if place else ():
        publish_face_picture(run, picture, faces)
    run.inputs.publish(session.inputs)
    emit_event(
        "inputs_encoded", names=len(encoded), **{**asdict(done), "cut": sum(done.cut.values())}
    )


def pulse_between(blocks: "Iterable[Sound]", pulse: "Callable[[], None]") -> "Iterator[Sound]":
    """Pass the blocks of a sound on; between two of them the watchdog hears of it, and a signal is heeded."""
    for block in blocks:
        pulse()
        yield block


def stream_sounds(run: "Run") -> "Iterator[Sound]":
    """Blocks of what was heard first [sample], or of several speakers [sample, speaker]."""
    spec, sounds = run.spec, run.sound_files
    if len(sounds) > 1:
        return stream_speakers(sounds, spec.sample_rate)
    ((path, reading),) = sounds
    sound = stream_sound(path, spec.sample_rate, reading)
    return stream_turns(sound, parse_turns(spec.turns), spec.speaker_count) if spec.turns else sound


def find_place(run: "Run", picture: "Size") -> "Place":
    """Where who speaks is in the film, of a picture of this size; None where the model asks for nothing of it, or it is not known."""
    spec = run.spec
    if spec.speakers:
        return place_speakers(spec, picture, run.input_paths)
    return map_to_film(FaceBoxes.from_text(spec.face_boxes), picture, spec) if spec.face_boxes else None  # fmt: skip


class SoundMoments:
    """Mean and variance of a sound that passes by, of each of several speakers."""

    def __init__(self) -> None:
        self._count: int = 0
        self._sums: Any = 0.0
        self._squares: Any = 0.0

    def count_blocks(self, blocks: "Iterable[Sound]") -> "Iterator[Sound]":
        """Pass the blocks on, and count them in."""
        for block in blocks:
            wide = block.astype("float64")
            self._count += len(wide)
            self._sums += wide.sum(0)
            self._squares += (wide * wide).sum(0)
            yield block

    @property
    def array(self) -> "NDArray[np.float64]":
        """[mean, variance], or of several speakers [speaker, mean and variance]."""
        import numpy as np

        count = max(1, self._count)
        mean = np.asarray(self._sums, np.float64) / count
        return np.stack([mean, np.maximum(0.0, self._squares / count - mean * mean)], axis=-1)
