"""What one clip is made of besides those before it: what the model hears of it, and its poses."""

from collections.abc import Iterator

import luigi

from tasks.base import ClipTask
from tasks.clip_context import count_heard_ahead, features_are_there
from tasks.inputs import EncodeInputs


class ExtractAudio(ClipTask):
    """Features of one clip's span, from a bounded window of the sound; beside them the latents of its part of the pose video, where there is one."""

    stage = "audio"
    doing = "hearing the sound"
    order = 3

    def complete(self) -> bool:
        """True if the records of both say done."""
        return features_are_there(self.opened_run, self.clip)

    @property
    def due(self) -> int:
        """Before the denoiser gets there, running ahead."""
        return self.clip - count_heard_ahead(self.opened_run)

    def requires(self) -> Iterator[luigi.Task]:
        """The sound."""
        yield EncodeInputs(folder=self.folder)

    def run(self) -> None:
        """Extract, publish, and let the denoiser look again."""
        for attempt in self.attempts():
            with attempt as session:
                session.disk.check()
                session.agree()
                run, clip = session.run, self.clip
                if not run.audio.complete(clip):
                    run.audio.publish(clip, session.extract_features(clip))
                if run.spec.pose and not run.pose.complete(clip):
                    run.pose.publish(clip, session.encode_pose(clip))
                session.denoise_ahead.wake()
