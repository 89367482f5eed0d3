"""What the model hears of one clip."""

from collections.abc import Iterator

import luigi

from tasks.base import ClipTask
from tasks.inputs import EncodeInputs


class ExtractAudio(ClipTask):
    """Features of one clip's span, from a bounded window of the sound."""

    stage = "audio"
    doing = "hearing the sound"
    order = 3

    @property
    def due(self) -> int:
        """Before the denoiser gets there, running ahead."""
        return self.clip - self.opened_run.settings.ahead

    def requires(self) -> Iterator[luigi.Task]:
        """The sound."""
        yield EncodeInputs(folder=self.folder)

    def run(self) -> None:
        """Extract, publish, and let the denoiser look again."""
        for attempt in self.attempts():
            with attempt as session:
                session.disk.check()
                session.agree()
                session.run.audio.publish(self.clip, session.extract_features(self.clip))
                session.denoise_ahead.wake()
