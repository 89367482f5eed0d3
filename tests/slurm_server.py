"""A real Slurm of one node on this machine: Debian's slurmctld, slurmd and munge, as root, in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.waiting import wait_until

NEEDED = ("slurmctld", "slurmd", "sbatch", "munged")
_CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def is_installed() -> bool:
    """Whether its programs are here, and may be started."""
    return os.getuid() == 0 and all(map(shutil.which, NEEDED))


@contextmanager
def serving(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which Slurm's commands find it."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    config = folder / "slurm.conf"
    facts = {"host": socket.gethostname(), "ports": _free_ports(), "cores": os.cpu_count()}
    config.write_text(_CONFIG.format(folder=folder, **facts), encoding="utf-8")
    munge = ["--key-file=munge.key", "--socket=munge.socket", "--pid-file=munged.pid"]
    munge += ["--log-file=munged.log", "--seed-file=munge.seed", "--force"]
    environment = {"SLURM_CONF": str(config)}
    try:
        subprocess.run(["munged", *(f"{each}" for each in _absolute(munge, folder))], check=True)
        for daemon in ("slurmctld", "slurmd"):
            subprocess.run([daemon, "-f", config], check=True)
        asked = ["sinfo", "--noheader", "--format=%t"]
        wait_until(lambda: _ask(asked, environment) == "idle", every=0.2)
        yield environment
    finally:
        for name in ("slurmd", "slurmctld", "munged"):
            with suppress(FileNotFoundError, ProcessLookupError):
                os.kill(int((folder / f"{name}.pid").read_text()), signal.SIGTERM)


def _absolute(words: list[str], folder: Path) -> Iterator[str]:
    for word in words:
        name, equals, value = word.partition("=")
        yield f"{name}={folder / value}" if equals else name


def _ask(words: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        words, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _free_ports() -> list[int]:
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in (first, second)]
