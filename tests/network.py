"""Machines that share a wire alone: network namespaces on a bridge, each with a disk of its own, all else read-only; an S3 server in one of them. A wire can be pulled, or swallow what comes.

Needs Linux, root and iproute2. A namespace is gone with the process that holds it, which ends with this one, however that ends.
"""

import ipaddress
import os
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.s3_server import S3Server, serving_s3

ROOT = Path(__file__).parents[1]
_CUTS = {
    "unplugged": "ip link set {port} down",
    "swallowed": "bridge link set dev {port} state 0",
}
_HEALS = {
    "unplugged": "ip link set {port} up",
    "swallowed": "bridge link set dev {port} state 3",
}
WAYS = tuple(_CUTS)
"""How a wire is cut: its carrier is gone, or what is sent on it is never heard of again, as by a firewall."""
_NETS = list(ipaddress.ip_network("198.18.0.0/15").subnets(new_prefix=20))
"""Addresses that are kept for benches: no network of the world has them."""
_DISK = """\
mount --make-rprivate /
mount --bind {disk} /mnt
mount --bind /dev/shm /srv
mount -t tmpfs none /dev/shm
{kept}umount /srv
mount -t tmpfs none {disks}
mkdir -p {disk}
mount --move /mnt {disk}
mount -o remount,bind,ro /
"""
_KEPT = """\
mkdir /dev/shm/{top}
mount --bind /srv/{top} /dev/shm/{top}
mount -o remount,bind,ro /dev/shm/{top}
"""
"""Where tests have their folders in memory, these are to be read, too; all else of /dev/shm is the machine's own."""


class Namespace:
    """Interfaces, and mounts, of their own."""

    def __init__(self, setup: str = "") -> None:
        """`setup` is run within. Raises OSError with what was said where namespaces cannot be made."""
        script = f"set -e\n{setup}ip link set lo up\necho ready\nexec cat"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", script],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._holder.stdout is not None
        said = self._holder.stdout.readline().decode().strip()
        if said != "ready":
            self.close()
            raise OSError(said)

    @property
    def process(self) -> int:
        """Who holds it."""
        return self._holder.pid

    @property
    def lead(self) -> list[str]:
        """The words before a command that is to run within; its process is the command's own."""
        return ["nsenter", f"--target={self.process}", "--net", "--mount", "--wd"]

    def run(self, *lines: str) -> None:
        """Run commands within; raises OSError with what was said where one fails."""
        for line in lines:
            run_words([*self.lead, *shlex.split(line)])

    def close(self) -> None:
        """Let go of it; who is still within keeps it."""
        with self._holder:  # closes its pipes, and waits for it
            self._holder.kill()


def run_words(words: Sequence[str]) -> None:
    """Run a command; raises OSError with what it said where it fails."""
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{shlex.join(words)}: {done.stderr.strip()}")


class Machine(Namespace):
    """One on the wire."""

    def __init__(self, setup: str, switch: Namespace, port: str, address: str) -> None:
        """`port` is its end of the wire at the bridge."""
        super().__init__(setup)
        self._switch, self._port, self._way = switch, port, ""
        switch.run(
            f"ip link add {port} type veth peer name eth0 netns {self.process}",
            f"ip link set {port} master br0 up",
        )
        self.run(f"ip address add {address} dev eth0", "ip link set eth0 up")

    def cut(self, way: str) -> None:
        """Cut its wire in one of the WAYS, instead of how it was cut before."""
        self.heal()
        self._way = way
        self._switch.run(_CUTS[way].format(port=self._port))

    def heal(self) -> None:
        """What was cut is whole."""
        if self._way:
            self._switch.run(_HEALS[self._way].format(port=self._port))
        self._way = ""


class Network:
    """The bridge, a leg of it to this process, and the machines on it by their disks."""

    def __init__(self, disks: Path) -> None:
        """`disks`: the folder that all machines' disks lie below. Raises OSError where namespaces cannot be made."""
        self.disks, self._machines = disks, dict[Path, Machine]()
        net = _NETS[os.getpid() % len(_NETS)]
        self._addresses = (f"{each}/{net.prefixlen}" for each in net.hosts())
        own, here, leg = next(self._addresses), next(self._addresses), f"leg{os.getpid()}"
        self.address = own.partition("/")[0]
        self.switch = Namespace()
        self.switch.run(
            # By itself a bridge takes the lowest address of its ports, another one as they come.
            "ip link add br0 address 02:00:00:00:00:01 type bridge",
            f"ip address add {own} dev br0",
            "ip link set br0 up",
            f"ip link add leg type veth peer name {leg} netns {os.getpid()}",
            "ip link set leg master br0 up",
        )
        for words in (f"address add {here} dev {leg}", f"link set {leg} up"):
            run_words(["ip", *words.split()])

    def machine(self, disk: Path) -> Machine:
        """The machine with that disk; a new one where there is none."""
        if disk not in self._machines:
            disk.mkdir(parents=True, exist_ok=True)
            below = self.disks.parts[3:] if self.disks.is_relative_to("/dev/shm") else ()
            places = {
                name: shlex.quote(str(path))
                for name, path in (("disk", disk), ("disks", self.disks))
            }
            setup = _DISK.format(kept=_KEPT.format(top=below[0]) if below else "", **places)
            address = next(self._addresses)
            port = f"port{int(ipaddress.ip_interface(address)) & 0xFFFF}"
            self._machines[disk] = Machine(setup, self.switch, port, address)
        return self._machines[disk]

    def enter(self, disk: Path) -> Sequence[str]:
        """The words before a command of the machine with that disk."""
        home = ("env", f"HOME={disk}", f"TMPDIR={disk}", "PYTHONDONTWRITEBYTECODE=1")
        return [*self.machine(disk).lead, *home]

    def remove(self, place: Path) -> None:
        """Take the machines off whose disks lie below a folder."""
        for disk in [each for each in self._machines if place in each.parents]:
            self._machines.pop(disk).close()

    def close(self) -> None:
        """Take all apart."""
        self.remove(self.disks)
        self.switch.close()


@contextmanager
def networked(disks: Path) -> Iterator[tuple[Network, S3Server]]:
    """A network with an S3 server on it. Raises OSError where namespaces cannot be made."""
    network = Network(disks)
    try:
        network.machine(disks / "first")  # whether there can be any
        with serving_s3(host=network.address, lead=network.switch.lead) as server:
            yield network, server
    finally:
        network.close()
