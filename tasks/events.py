"""What happens while a film is made, told to the log, to the run's events.jsonl and to whoever listens: the bar, the lines, the places of --events-to.

Every event with its facts; tests/tasks/test_events.py holds the table to what is emitted.

============== ======================================================================================
run_asked      seconds (since the command; the first event of a new run)
run_started    run, clips, done, first_clip, offline, ahead, clip_batch_size, model
inputs_encoded names; of the picture width, height, cut, added (shares), turned, flattened, frames, profile (storage/picture.py, Treatment)
run_shared     parent, clip, until, seed, copied (bytes that no link could be made for): a retake has what it shares
clip_denoised  clip, seconds (of the denoiser alone)
clip_published clip, frames, redone (its frames were there), seconds (since the one before)
clip_replayed  clip, seconds: denoised again on the way to a later clip; equal to what is published, unless it is of an older take (a retake's), which is not compared
replay_planned first, stop, reason (why it starts at first): clips first to stop - 1 will be denoised again; not told where the denoiser goes on over published clips from where it stands
clip_retry     clip, attempt (the one that begins), stage, error
clip_failed    clip, attempts, stage, error
run_refused    error: this machine, its software or its weights cannot go on with the run
stage_seconds  stage, clip, seconds
damage_found   stage, clip, file and flaw (where they are known): withdrawn, will be made again
repair_started files (damaged), clips (to be published again)
damage_met     error: a reader came upon it; the run is looked through, byte by byte
latents_restored clip: from its steps, whose last they are
carry_published next_clip, seconds, cost (what of them the film pays for)
carry_failed   next_clip, error: the film goes on, a resume replays more
carry_skipped  next_clip, reason: the same
carry_every_chosen every, clip_seconds, write_seconds, cost (of a carry, in seconds): so many clips lie between two carries from now on
memory_relieved clip, stage, change (the setting that was given up), error
space_low      path, free, size (free, in words): fewer than 5 GB, told once
space_pruned   count, bytes, size: by-products that the retention need not keep are gone
by_products_pruned count, bytes (that came free), size: what a changed setting does not keep any more is gone
by_products_gone frames, steps (clips of each), run: they would be kept now, and were removed before
space_short    path, needed, free: not enough for two clips
stalled        stage, clip, seconds, line, stacks: the watchdog ends the process
run_restarted  code, failures: by --keep-going
lease_awaited  holder, seconds: whoever has the lease of a run on an object store is watched for so long, whether it lives
store_opened   url, epoch, records (that the store has), fetched (brought here), bytes, withdrawn (that only this machine had), aside (the working folder held another film), seconds
beginning_awaited url, seconds: nobody has begun the run yet whose clips are to be decoded; it is waited for, so long at most
segment_taken  clip, bytes: another machine has decoded it (`--stages decode`)
segment_offered clip, seconds: this machine has decoded it, for the one that makes the film
decoder_gone   clip (the first of a block): the machine that was to decode it has not gone on for a lease's time to live; what it has not offered is decoded here
lock_taken_over before: the dead process that had held the run
by_product_failed stage, clip, error: the film goes on without
joint_accepted clip, redone
luigid_unreachable error
ranks_awaited  ranks (that a launcher was to start, and that have not joined), seconds: they are waited for, so long at most; told once
ranks_started  ranks, parallel (steps, layers or heads), reason (why that): the model is shared out over so many processes
size_stepped_down asked, made: the device has no room for more
device_sampled clip, card, used and total (bytes), temperature, load (percent): what its driver says of the device after each clip
clips_cut      asked, made, length (h:mm:ss)
sink_failing   sink (scheme and host of a place of --events-to), error: told once, the film goes on
events_dropped sink, count, error: so many did not arrive there
memory_peak    host, and what the model says of its device, in bytes, at the film's end
seam_measured  clip, seconds, frame_step, frame_inside, latent_step, latent_inside, apart: the join before a clip of a retake
live_started   path (of the playlist), clips (that it has): RUN/live is kept from now on
live_extended  clip, seconds (that it took): it stands in the playlist
live_finished  path, clips: the playlist is that of the whole film
push_connected server, clip (the first that it took, or the first after a fault)
push_failing   server (scheme, host and port of --push), error: told once until it takes the film again
push_ended     server, sent, lost: clips that it took in all, and that did not reach it
film_published path, clips, frames
run_interrupted signal, resume (the command)
============== ======================================================================================
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.printable import spell_unprintable
from storage.run_paths import append_bytes

Fact = str | int | float | bool | None
Listener = Callable[[str, dict[str, Fact]], None]

_listeners: list[Listener] = []
_files: list[Path] = []
_lock = threading.RLock()


def emit_event(event: str, **facts: Fact) -> None:
    """Tell it to the log, to the run's events.jsonl and to all listeners; safe from any thread."""
    import structlog

    log = structlog.get_logger()
    # Whoever renders it, our logs or Luigi's: what an error or a name says is one line, and acts on no terminal.
    log.info(
        event, **{n: spell_unprintable(v) if isinstance(v, str) else v for n, v in facts.items()}
    )
    with _lock:
        if _files:
            _append_line(_files[-1], event, facts)
        for listener in tuple(_listeners):
            try:
                listener(event, facts)
            except Exception:  # a listener's fault never costs a clip
                log.exception("listener_failed", told=event)


@contextmanager
def listen_to_events(callback: Listener) -> Iterator[None]:
    """Call `callback(event, facts)` for every event of this process, in the thread that emits it."""
    with _lock:
        _listeners.append(callback)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(callback)


@contextmanager
def record_events(path: Path) -> Iterator[None]:
    """Append every event to this JSON-lines file meanwhile."""
    with _lock:
        _files.append(path)
    try:
        yield
    finally:
        with _lock:
            _files.remove(path)


def _append_line(path: Path, event: str, facts: dict[str, Fact]) -> None:
    line = json.dumps({"time": round(time.time(), 3), "pid": os.getpid(), "event": event, **facts})
    # One write to an appending file: lines of two processes cannot mix. Logs are not worth an fsync, nor a film: on a
    # full disk they lose lines.
    with suppress(OSError):
        append_bytes(path, (line + "\n").encode())
