"""Luigi sees a window of clips at a time: its scheduler costs O(pending) per task, so 25 clips and not 10 000."""

import gc
from collections.abc import Callable, Container, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import luigi

from storage.errors import StageFailed, count_times
from storage.remote.address import name_run
from tasks.audio import ExtractAudio
from tasks.base import FolderTask
from tasks.clip import DecodeClip, DenoiseClip, segment_is_there
from tasks.clip_context import count_heard_ahead, features_are_there
from tasks.session import Session

if TYPE_CHECKING:
    from luigi.scheduler import Scheduler
    from luigi.worker import Worker

    from storage.run import Run

CLIPS_PER_BATCH = 25

ClipKind = type[DenoiseClip] | type[DecodeClip] | type[ExtractAudio]
KINDS: dict[str, ClipKind] = {kind.stage: kind for kind in (DenoiseClip, DecodeClip, ExtractAudio)}


NEVER_SECONDS = 1e9


class SchedulerFactory(luigi.interface._WorkerSchedulerFactory):
    """Luigi's own schedulers; a worker that ends when nothing can be done, as a task counts its tries by itself."""

    worker_settings: ClassVar[dict[str, Any]] = {"keep_alive": False}
    """What workers are given besides Luigi's own words."""

    def create_local_scheduler(self) -> "Scheduler":
        """One that gives no failed task again, and never takes the one worker for dead: a machine that slept, or whose clock was set, is not."""
        return luigi.scheduler.Scheduler(
            prune_on_get_work=True,
            record_task_history=False,
            retry_delay=NEVER_SECONDS,
            worker_disconnect_delay=NEVER_SECONDS,
        )

    def create_worker(
        self, scheduler: "Scheduler", worker_processes: int, assistant: bool = False
    ) -> "Worker":
        """One with the settings of this factory."""
        return luigi.worker.Worker(
            scheduler=scheduler,
            worker_processes=worker_processes,
            assistant=assistant,
            **self.worker_settings,
        )


class ClipBatch(FolderTask, luigi.WrapperTask):
    """Some clips at once. One root: of several, Luigi would walk the chain anew for each."""

    stage: str = luigi.Parameter(description="latents, segment or audio.")
    clips: tuple[int, ...] = luigi.ListParameter(description="The clips.")
    heard: tuple[int, ...] = luigi.ListParameter(
        description="Clips beyond, whose sound the denoiser hears."
    )
    # Luigi raises what a task needs to the task's own priority: above the clips', this would take their order from them.
    priority = -int(NEVER_SECONDS)

    def requires(self) -> Iterator[luigi.Task]:
        """The clips, and the sound of those that the denoiser comes to, running ahead."""
        for clip in self.clips:
            yield KINDS[self.stage](folder=self.folder, clip=clip)
        for clip in self.heard:
            yield ExtractAudio(folder=self.folder, clip=clip)


def clip_batches(session: Session) -> Iterator[ClipBatch]:
    """All clips of the session's part that are missing, a window at a time, in the order that the settings name."""
    span = session.part.span(session.run.spec.clips)
    denoised = range(span.stop if session.run.settings.offline else span.start)
    lost = chain(denoised, find_lost_clips(session.run, range(denoised.stop, span.stop)))
    yield from make_batches(session, DenoiseClip, lost, span)
    yield from make_batches(session, DecodeClip, span, span)
    yield from make_batches(session, ExtractAudio, clips_without_features(session.run))


def find_lost_clips(run: "Run", span: range) -> Iterator[int]:
    """The clips up to one whose latents are published, or were damaged, and which those came of: what is missing of them was lost, and is made first."""
    start = span.start
    for stop in (*(join for join in run.spec.joins if join in span), span.stop):
        made = (clip for clip in reversed(range(start, stop)) if run.records.read("latents", clip))
        yield from range(start, next(made, start - 1) + 1)
        start = stop


def clips_without_features(run: "Run") -> Iterator[int]:
    """The clips whose sound was lost after they were made of it; no other task asks for it again."""
    return (clip for clip in range(run.spec.clips) if run.latents.complete(clip))


def make_batches(
    session: Session, kind: ClipKind, clips: Iterable[int], coming: Container[int] = ()
) -> Iterator[ClipBatch]:
    """The missing ones of these clips, a window at a time; the sound of those that are `coming` is heard before they are due."""
    folder, run = str(session.run.root), session.run
    made: dict[ClipKind, Callable[[int], bool]] = {
        DenoiseClip: run.latents.complete,
        ExtractAudio: partial(features_are_there, run),
    }
    there = made.get(kind) or partial(segment_is_there, run)
    missing = (clip for clip in clips if not there(clip))
    for window in chunk_clips(missing, CLIPS_PER_BATCH):
        beyond = range(window[-1] + 1, window[-1] + 1 + count_heard_ahead(run))
        heard = [clip for clip in beyond if clip in coming]
        yield ClipBatch(folder=folder, stage=kind.stage, clips=tuple(window), heard=tuple(heard))
        release_luigi_memory(session)


def release_luigi_memory(session: Session) -> None:
    """Let go of what Luigi holds of a window: every task that it has ever seen, and some 60 objects a clip that hold each other.

    Python looks for such circles ever more rarely the more objects there are. Those of libraries and models, which stay, are put out of its sight after
    the first window, so that a look takes 2 ms; who lets a model go (model.device.heap.release_memory) brings them back.
    """
    luigi.Task.clear_instance_cache()
    gc.collect()
    if not session.heap_hidden:
        gc.freeze()
        session.heap_hidden = True


def luigi_settings(local_scheduler: bool | None) -> dict[str, Any]:
    """What luigi.build is called with for every root; `local_scheduler=None` takes what Luigi's own command line says."""
    chosen = {} if local_scheduler is None else {"local_scheduler": local_scheduler}
    return {"worker_scheduler_factory": SchedulerFactory(), "workers": 1, **chosen}


def require_built(session: Session, roots: Iterable[luigi.Task]) -> Iterator[luigi.Task]:
    """These, one by one: each is to be built before the next is asked for, or what failed is raised. Luigi's own word is not trusted: the records are."""
    for root in roots:
        yield root
        session.stop.raise_if_stopped()
        if session.failure is not None:
            raise session.failure
        if not root.complete():
            told = (f"waiting for {root}", "Luigi did not run it; its log says why")
            raise StageFailed(
                count_times(1), *told, f"longtake resume {name_run(session.run.root)}"
            )


def chunk_clips(clips: Iterable[int], size: int) -> Iterator[list[int]]:
    """The clips in lists of `size`, lazily."""
    several: list[int] = []
    for clip in clips:
        several.append(clip)
        if len(several) == size:
            yield several
            several = []
    if several:
        yield several
