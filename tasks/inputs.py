"""What is computed once a run: the picture and the prompt as the model wants them, and the sound as it hears it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from model.pocket.face_boxes import FaceBoxes
from storage.picture import treat_picture
from storage.soundtrack import stream_sound
from tasks.base import RunTask
from tasks.events import emit_event
from tasks.face_picture import publish_face_picture
from tasks.face_search import map_to_film
from tasks.session import Session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Sound = NDArray[np.float32]


class EncodeInputs(RunTask):
    """Reference latent, prompt states, the sound at the model's rate with its mean and variance."""

    stage = "inputs"
    doing = "encoding the inputs"

    def complete(self) -> bool:
        """True if the sound and the inputs are there."""
        return bool(self.opened_run.sound.complete() and self.opened_run.inputs.complete())

    def run(self) -> None:
        """Stream the sound once, encode picture and prompt."""
        for attempt in self.attempts():
            with attempt as session:
                session.disk.check()
                encode_inputs(session)


def encode_inputs(session: Session) -> None:
    """Publish the sound at the model's rate, then what the model makes of picture and prompt."""
    run, spec = session.run, session.run.spec
    run.check_inputs()
    # A machine that computes otherwise is refused before anything is written.
    avatar = session.avatar
    moments = SoundMoments()
    sound = stream_sound(run.audio_path, spec.sample_rate, spec.reading)
    run.sound.publish(moments.count_blocks(pulse_between(sound, session)))
    picture, done = run.picture or treat_picture(
        run.image_path, width=spec.width, height=spec.height, crop=spec.crop
    )
    run.picture = None
    face = None
    if spec.face_boxes:
        face = map_to_film(FaceBoxes.from_text(spec.face_boxes), (done.width, done.height), spec)
    encoded = dict(avatar.encode_inputs(picture, spec.prompt, face, spec.script))
    # Where they were lost, the replay takes these: it tells whether they are those that the clips were made of.
    session.inputs = {**encoded, "sound_moments": moments.array}
    session.agree()
    run.inputs.publish(session.inputs)
    if face is not None:
        publish_face_picture(run, picture, face)
    emit_event(
        "inputs_encoded", names=len(encoded), **{**asdict(done), "cut": sum(done.cut.values())}
    )


def pulse_between(blocks: "Iterable[Sound]", session: Session) -> "Iterator[Sound]":
    """Pass the blocks of a sound on; between two of them the watchdog hears of it, and a signal is heeded."""
    for block in blocks:
        session.pulse()
        yield block


class SoundMoments:
    """Mean and variance of a sound that passes by."""

    def __init__(self) -> None:
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def count_blocks(self, blocks: "Iterable[Sound]") -> "Iterator[Sound]":
        """Pass the blocks on, and count them in."""
        for block in blocks:
            wide = block.astype("float64")
            self._count += wide.size
            self._sum += float(wide.sum())
            self._squares += float((wide * wide).sum())
            yield block

    @property
    def array(self) -> "NDArray[np.float64]":
        """[mean, variance]."""
        import numpy as np

        count = max(1, self._count)
        mean = self._sum / count
        return np.array([mean, max(0.0, self._squares / count - mean * mean)])
