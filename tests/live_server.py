"""A live server for the tests: ffmpeg that listens for RTMP or SRT and writes down what is pushed to it."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from tests import ffmpeg
from tests.waiting import wait_until


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(type=kind) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def listen(url: str, target: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A server that writes down what is pushed to it."""
    way, kind = ["-listen", "1"], []
    if url.startswith("srt"):
        # Byte by byte: where the connection ends, its demuxer would throw the last frame away.
        way, kind = ["-f", "data"], ["-map", "0", "-f", "data"]
    known = [
        "-loglevel",
        "error",
        "-y",
        *way,
        "-i",
        url,
        "-c",
        "copy",
        "-flush_packets",
        "1",
        *kind,
    ]
    process = subprocess.Popen([ffmpeg.program(), *known, str(target)], stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for_port(port: int) -> None:
    """Until somebody listens; asked of the kernel, as ffmpeg takes one connection and no second."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    wait_until(lambda: wanted in Path("/proc/net/tcp").read_text(encoding="utf-8"))


def frames_of(path: Path) -> list[float]:
    """The times of the frames that arrived, those of a torn end left out."""
    times: list[float] = []
    try:
        with av.open(str(path)) as container:
            times.extend(float(frame.time or 0) for frame in container.decode(video=0))
    except av.FFmpegError:
        pass
    return times
