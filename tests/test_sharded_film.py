"""Films of several ranks through the real commands: killed, stopped, launched by torchrun, gone on with by another number of ranks, they are the same bytes."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from tests import forked
from tests.waiting import LONG, holds, wait_until

ROOT = Path(__file__).parents[1]
PICTURE, SOUND = ROOT / "examples" / "mila.png", ROOT / "examples" / "harbour.wav"
FILM = (str(PICTURE), str(SOUND), "--size", "64*64", "--num-clip", "3", "--carry-every", "1")
NEW = (sys.executable, "-m", "pipeline", "new", *FILM)
SOON = {**os.environ, "LONGTAKE_RANK_LIMIT": "6", "OMP_WAIT_POLICY": "passive"}
TORCHRUN = ("torch.distributed.run", "--nproc-per-node", "2", "-m", "--")
ACCELERATE = (
    "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "-m",
)  # fmt: skip
"""With --multi_gpu it starts processes whether or not there are cards; --cpu starts one, or asks for MPI."""


def run(*words: str) -> str:
    """What a command that ends well says."""
    done = forked.run(
        words, cwd=ROOT, env=SOON, check=False, capture_output=True, text=True, timeout=LONG
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def resume(film: Path, *more: str) -> str:
    """Go on with a film."""
    return run(sys.executable, "-m", "pipeline", "resume", str(film), *more)


@contextmanager
def begun(
    film: Path, *more: str, new: Sequence[str] = NEW
) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A film whose first clip is denoised, and the processes of its other ranks; none of them is left, whatever becomes of it."""
    words = [*new, "--run", str(film), *more]
    worker = forked.Popen(words, cwd=ROOT, env=SOON, stderr=subprocess.PIPE, text=True)
    try:
        wait_until((film / "commits" / "latents.00000.json").exists, of=worker)
        ranks = psutil.Process(worker.pid).children()
        yield worker, ranks
        gone, alive = (
            psutil.wait_procs([psutil.Process(worker.pid), *ranks], LONG)
            if worker.poll() is None
            else psutil.wait_procs(ranks, LONG)
        )
        assert not alive, gone
    finally:
        worker.kill()
        worker.wait()


def pieces(film: Path) -> dict[str, bytes]:
    """The film, its segments, and its latents after each step."""
    folders = [film / name for name in ("segments", "latents", "steps")]
    kept = [
        film / "video.mp4",
        *(path for each in folders for path in each.rglob("*") if path.is_file()),
    ]
    return {str(path.relative_to(film)): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process makes."""
    film = tmp_path_factory.mktemp("unbroken") / "film"
    run(*NEW, "--run", str(film))
    return pieces(film)


@pytest.mark.parametrize(
    ("first", "victim", "then"),
    [
        (("--gpus", "3", "--parallel", "steps"), 1, ("--gpus", "2", "--parallel", "layers")),
        pytest.param(
            ("--gpus", "4", "--parallel", "layers"), 3, ("--gpus", "1"), marks=pytest.mark.slow
        ),
        (("--gpus", "2"), 0, ("--gpus", "4", "--parallel", "steps")),
    ],
    ids=["a rank of three", "a rank of four", "rank 0"],
)
def test_a_killed_rank_ends_all(
    first: tuple[str, ...],
    victim: int,
    then: tuple[str, ...],
    unbroken: dict[str, bytes],
    tmp_path: Path,
) -> None:
    """Killed with -9, a rank is named in one line and all others end; another number of ranks goes on, and the film is that of one process, to the byte."""
    film = tmp_path / "film"
    with begun(film, *first) as (worker, ranks):
        (ranks[victim - 1] if victim else psutil.Process(worker.pid)).kill()
        said = worker.communicate(timeout=LONG)[1]
    if victim:
        assert f"Rank {victim} of {len(ranks) + 1} was killed by SIGKILL." in said
        assert worker.returncode == 4
    resume(film, *then)
    assert pieces(film) == unbroken


def test_guidance_is_shared_by_two_ranks(tmp_path: Path) -> None:
    """A film of wan-s2v of two processes, one of which is killed, and gone on with by two: the bytes of one."""
    weights, flags = tmp_path / "ckpt", ("--model", "wan-s2v", "--sample-steps", "3")
    run(sys.executable, "-m", "model.tools.make_checkpoint", "--out", str(weights), "--size", "tiny")  # fmt: skip
    words = (*NEW, *flags, "--num-clip", "2", "--weights", str(weights), "--device", "cpu")
    run(*words, "--run", str(tmp_path / "one"))
    with begun(tmp_path / "two", "--gpus", "2", new=words) as (worker, ranks):
        ranks[0].kill()
        said = worker.communicate(timeout=LONG)[1]
    assert "Rank 1 of 2 was killed by SIGKILL." in said
    resume(tmp_path / "two", "--gpus", "2")
    assert pieces(tmp_path / "two") == pieces(tmp_path / "one")


@pytest.mark.slow
def test_eight_ranks_and_clips_of_a_block(tmp_path: Path) -> None:
    """Eight clips are begun behind the one that is denoised; killed, the film is gone on with by four ranks: the bytes of one process."""
    weights, film = tmp_path / "ckpt", tmp_path / "eight"
    run(sys.executable, "-m", "model.tools.make_checkpoint", "--out", str(weights), "--size", "tiny", "--layers", "8")  # fmt: skip
    flags = ("--model", "live-avatar", "--infer-frames", "12", "--num-clip", "14", "--carry-every", "5")  # fmt: skip
    words = (*NEW, *flags, "--weights", str(weights), "--device", "cpu")
    run(*words, "--run", str(tmp_path / "one"))
    eight = ("--gpus", "8", "--parallel", "layers")
    with begun(film, *eight, new=words) as (worker, ranks):
        wait_until((film / "commits" / "latents.00007.json").exists, of=worker)
        ranks[4].kill()
        said = worker.communicate(timeout=LONG)[1]
    assert "Rank 5 of 8 was killed by SIGKILL." in said
    resume(film, "--gpus", "4", "--parallel", "layers")
    assert pieces(film) == pieces(tmp_path / "one")


@pytest.mark.slow
def test_by_heads_a_killed_film_goes_on_by_heads_alone(tmp_path: Path) -> None:
    """Killed, it ends as the unbroken one, to the byte. One process computes other last bits: it is refused, or makes a joint, from the carry that ranks have saved."""
    by_heads = ("--gpus", "2", "--parallel", "heads")
    whole, film, joined = (tmp_path / name for name in ("whole", "film", "joined"))
    run(*NEW, "--run", str(whole), *by_heads)
    with begun(film, *by_heads) as (worker, ranks):
        ranks[0].kill()
        said = worker.communicate(timeout=LONG)[1]
    assert "Rank 1 of 2 was killed by SIGKILL." in said
    shutil.copytree(film, joined)
    alone = (sys.executable, "-m", "pipeline", "resume", str(film), "--gpus", "1")
    refused = forked.run(
        alone, cwd=ROOT, env=SOON, check=False, capture_output=True, text=True, timeout=LONG
    )
    assert refused.returncode == 3
    assert "other numerics: device was cpu, 2 by heads, is cpu." in refused.stderr
    assert "2 ranks share the heads: as asked" in resume(film, *by_heads)
    assert pieces(film) == pieces(whole)
    resume(joined, "--gpus", "1", "--accept-joint")
    assert [each["clip"] for each in json.loads((joined / "run.json").read_text())["joints"]]


@pytest.mark.slow
def test_a_stopped_rank_is_named(unbroken: dict[str, bytes], tmp_path: Path) -> None:
    """A rank that hangs is named after its time, all end, and the same film goes on."""
    film = tmp_path / "film"
    with begun(film, "--gpus", "3") as (worker, ranks):
        ranks[1].suspend()
        said = worker.communicate(timeout=LONG)[1]
    assert re.search(r"Rank 2 of 3 (has given no sign of life for|was stopped, for) 6 s\.", said)
    assert worker.returncode == 4
    said = resume(film)
    assert "3 ranks share the steps: each has memory for the whole model" in said
    assert pieces(film) == unbroken


def test_ctrl_c_ends_all_ranks(unbroken: dict[str, bytes], tmp_path: Path) -> None:
    """The first Ctrl-C of a terminal, which every process of it gets, ends the film after what is under way; no rank is left."""
    film = tmp_path / "film"
    with begun(film, "--gpus", "2", "--parallel", "layers") as (worker, ranks):
        for each in (*ranks, psutil.Process(worker.pid)):
            each.send_signal(signal.SIGINT)
        said = worker.communicate(timeout=LONG)[1]
    assert worker.returncode == 130, said
    assert "go on with: longtake resume" in said
    resume(film)
    assert pieces(film) == unbroken


@pytest.mark.parametrize("launcher", [TORCHRUN, ACCELERATE], ids=["torchrun", "accelerate"])
def test_a_launcher_starts_the_ranks(
    launcher: tuple[str, ...], unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    """Its two processes make one film; where it is there already, both end, whichever launcher it was."""
    film = tmp_path / "film"
    words = [sys.executable, "-m", *launcher, "pipeline", "new", *FILM, "--run", str(film)]
    assert "2 ranks share the steps" in run(*words)
    assert pieces(film) == unbroken
    assert "it was there already" in run(*words)


@pytest.mark.parametrize("late", [0, 1])
def test_who_waits_for_another_rank_says_so(
    late: int, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    """After some seconds, once: for whom and how long at most; whoever comes late is joined by all, and the film is that of one process."""
    film, port = tmp_path / "film", str(free_port())
    said = [tmp_path / f"rank{rank}.said" for rank in range(2)]

    def start(rank: int) -> subprocess.Popen[bytes]:
        place = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
        words, env = [*NEW, "--run", str(film)], SOON | place
        with said[rank].open("wb") as stderr:
            return forked.Popen(words, cwd=ROOT, env=env, stderr=stderr)

    line = (
        f"[INFO] Rank 1 waits for rank 0 (port {port}), at most 300 s\n",
        "[INFO] Waits for rank 1, which has not joined: 300 s at most\n",
    )[late]
    with ExitStack() as started:
        first = end_at_exit(started, start(1 - late))
        wait_until(lambda: holds(said[1 - late], line), of=first)
        second = end_at_exit(started, start(late))
        assert [first.wait(LONG), second.wait(LONG)] == [0, 0], said
    assert said[1 - late].read_text(encoding="utf-8").count("aits for") == 1
    # Rank 0, if it is the late one, may have to wait as well: on a busy machine joining takes as long.
    logged = holds(film / "inference.log", "ranks_awaited ranks=1 seconds=300.0")
    assert logged == holds(said[0], "Waits for rank 1")
    assert logged or not late
    assert pieces(film) == unbroken


def end_at_exit(stack: ExitStack, process: "subprocess.Popen[bytes]") -> "subprocess.Popen[bytes]":
    """The process, which is ended with the stack."""
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def free_port() -> int:
    """One at which nobody listens."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


def test_what_cannot_be_shared_out_is_one_line(tmp_path: Path) -> None:
    """More ranks than steps, numbers that are none, a port that is taken: said before anything is made."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        launched = {
            "RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(taken.getsockname()[1]),
        }  # fmt: skip
        for words, more, line in (
            (
                ("--gpus", "5", "--parallel", "steps"),
                {},
                "--gpus 5 cannot be used: there are 4 denoising steps",
            ),
            (
                ("--gpus", "3", "--parallel", "heads"),
                {},
                "--gpus 3 cannot be used: by heads each has as many as another of 4 heads, 16",
            ),
            (("--gpus", "0,0"), {}, "--gpus 0,0 cannot be used: how many, such as 4"),
            ((), launched, "the ranks' store: Address already in use."),
        ):
            command = [*NEW, "--run", str(tmp_path / "film"), *words]
            done = forked.run(
                command, cwd=ROOT, env=SOON | more, check=False, capture_output=True, text=True
            )
            assert done.returncode == 2
            assert line in done.stderr.splitlines()[-1]
            assert not (tmp_path / "film").exists()
