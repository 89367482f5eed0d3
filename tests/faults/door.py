"""A command line of the product over the tiny model, with faults: `python tests/faults/door.py longtake new …`, or `luigi LongVideo …`.

What fails is said in the environment, and off where nothing is said (tests/fake_avatar.py has the model's own faults):
FAULT_TOLD=file gets one line per stage that the product calls done. FAULT_FILL=words:file fills the disk, by that file, when a draft for a path with
these words in it is created. FAULT_CALL=fsync:once (or write, open; or always; or a number, the call that fails) fails with FAULT_ERRNO (EIO) wherever a
path of the run has FAULT_WHERE in it. FAULT_SLOW=seconds waits before each sync. FAULT_CLOCK=seconds lets the time of day jump there and back by so much.
FAULT_LIMIT=FSIZE:bytes (or NOFILE:files) limits the process.
FAULT_HOST=name is what this machine is called: two of them on one. FAULT_LATENTS=1 lets the latents come out otherwise than those of other machines.
FAULT_STORE=number:before (or after) kills the process at that write to an object store.
FAULT_ENCODE=clip:times and FAULT_OOM, FAULT_NAN=stage:clip:times are faults of the encoder and of the device.
"""

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main(shell: str, words: list[str]) -> int:
    """Install the faults, then be that command line."""
    import fake_avatar

    fake_avatar.install()
    for name, install in FAULTS.items():
        if said := os.environ.get(name):
            install(said)
    if shell == "luigi":
        from luigi.cmdline import luigi_run

        luigi_run(["--module", "tasks", *words])
        return 0
    from pipeline.cli import main as longtake

    return longtake(words)


def tell(path: str) -> None:
    """One line per stage that is called done, on another disk than the run's."""
    from tasks import events

    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def listener(event: str, facts: dict[str, Any]) -> None:
        if event == "stage_seconds":
            os.write(file, f"{facts['stage']} {facts['clip']}\n".encode())

    events._listeners.append(listener)


def fill(said: str) -> None:
    """Fill the disk when a draft of such a path is created."""
    from storage import publish

    words, filler = said.split(":", 1)

    def full(step: str, path: Path) -> None:
        if step in {"create", "mkdir"} and words in str(path) and not Path(filler).exists():
            _fill(filler)

    publish.kill_point = full


def _fill(filler: str) -> None:
    file = os.open(filler, os.O_WRONLY | os.O_CREAT)
    for size in (1 << 16, 1 << 12, 1):
        try:
            while True:
                os.write(file, b"\1" * size)
        except OSError:
            continue
    os.close(file)


def fail_calls(said: str) -> None:
    """Let a call of the system fail where a path of the run has such words in it."""
    name, when = said.split(":")
    code = getattr(errno, os.environ.get("FAULT_ERRNO", "EIO"))
    where, real, count = os.environ.get("FAULT_WHERE", ""), getattr(os, name), [0]

    def failing(first: Any, *rest: Any, **named: Any) -> Any:
        if _hits(first, where):
            count[0] += 1
            if when == "always" or count[0] == (1 if when == "once" else int(when)):
                raise OSError(code, os.strerror(code))
        return real(first, *rest, **named)

    setattr(os, name, failing)


def _hits(first: Any, where: str) -> bool:
    try:
        there = Path(f"/proc/self/fd/{first}")
        path = str(there.readlink()) if isinstance(first, int) else str(first)
    except OSError:
        return False
    return "partial" in path and where in path


def be_slow(said: str) -> None:
    """Wait before each sync."""
    from storage import publish

    def wait(step: str, _path: Path) -> None:
        if step in {"fsync", "dirsync"}:
            time.sleep(float(said))

    publish.kill_point = wait


def jump(said: str) -> None:
    """Let the time of day jump, there at the first twentieth look at it and back at the next."""
    real, looks = time.time, [0]

    def jumping() -> float:
        looks[0] += 1
        return real() + float(said) * (looks[0] // 20 % 2)

    time.time = jumping


def die_at_request(said: str) -> None:
    """Die as by `kill -9` at so many writes to the store: before it is sent, or after it was answered."""
    from storage.remote.folder_store import FolderStore
    from storage.remote.object_store import BucketStore

    number, when = said.split(":")
    count = [0]

    def watch(of: type, name: str) -> None:
        real = getattr(of, name)

        def write(self: Any, *words: Any) -> Any:
            count[0] += 1
            due = count[0] == int(number)
            if due and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            made = real(self, *words)
            if due:
                os.kill(os.getpid(), signal.SIGKILL)
            return made

        setattr(of, name, write)

    for of in (FolderStore, BucketStore):
        for name in ("put", "create", "replace", "delete", "copy"):
            watch(of, name)


def name_machine(said: str) -> None:
    """Let this machine have another name than the one that it is on."""
    import socket

    socket.gethostname = lambda: said


def compute_otherwise(said: str) -> None:
    """Let every clip come out with other latents."""
    import fake_avatar

    real = fake_avatar.FakeDenoiser.denoise

    def denoise(self: Any, given: Any) -> Any:
        made = real(self, given)
        made.latents[...] += float(said)
        return made

    fake_avatar.FakeDenoiser.denoise = denoise


def limit(said: str) -> None:
    """Let the system refuse this process more than so much."""
    import resource

    name, most = said.split(":")
    kind = getattr(resource, f"RLIMIT_{name}")
    resource.setrlimit(kind, (int(most), resource.getrlimit(kind)[1]))


def fail_encoder(said: str) -> None:
    """Let the encoder of a clip fail so many times."""
    import tasks.clip

    clip, left = map(int, said.split(":"))
    lefts, real = [left], tasks.clip.encode_segment

    def encode(path: Path, *rest: Any, **named: Any) -> str:
        if path.stem == f"{clip:05d}" and lefts[0]:
            lefts[0] -= 1
            raise RuntimeError("scripted fault of the encoder")
        return real(path, *rest, **named)

    tasks.clip.encode_segment = encode


def break_model(kind: str) -> Callable[[str], None]:
    """Let a stage of a clip run out of memory, or come out as no number, so many times."""

    def install(said: str) -> None:
        import fake_avatar

        stage, clip, left = said.split(":")
        of = {"denoise": fake_avatar.FakeDenoiser, "decode": fake_avatar.FakeDecoder}[stage]
        lefts, real = [int(left)], getattr(of, stage)

        def work(self: Any, given: Any) -> Any:
            due = self.next_clip == int(clip) and lefts[0] > 0
            lefts[0] -= due
            if due and kind == "oom":
                raise MemoryError("CUDA out of memory (scripted)")
            made = real(self, given)
            if due:
                made.latents[0, 0] = made.steps[-1, 0, 0] = float(kind)
            return made

        setattr(of, stage, work)

    return install


FAULTS: dict[str, Callable[[str], None]] = {
    "FAULT_TOLD": tell,
    "FAULT_FILL": fill,
    "FAULT_CALL": fail_calls,
    "FAULT_SLOW": be_slow,
    "FAULT_LIMIT": limit,
    "FAULT_CLOCK": jump,
    "FAULT_STORE": die_at_request,
    "FAULT_HOST": name_machine,
    "FAULT_LATENTS": compute_otherwise,
    "FAULT_ENCODE": fail_encoder,
    "FAULT_OOM": break_model("oom"),
    "FAULT_NAN": break_model("nan"),
    "FAULT_INF": break_model("inf"),
}


if __name__ == "__main__":
    # The root first: tests/ has folders of the same names as the packages.
    sys.path[:1] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]
    sys.exit(main(sys.argv[1], sys.argv[2:]))
