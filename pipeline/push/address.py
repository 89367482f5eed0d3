"""A server that a film is pushed to: how it is spoken to, and its name without what is secret in it."""

import shutil
import subprocess
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pipeline.push.whip import HTTP
from pipeline.sinks.address import UrlOption, choose_urls
from storage.errors import BadOption

PUSH = UrlOption("--push", "LONGTAKE_PUSH", "push")
Carried = Literal["flv", "mpegts", "whip"]
"""What a protocol carries, as libav names it."""
_FORMATS: dict[str, Carried] = {
    "rtmp": "flv",
    "rtmps": "flv",
    "srt": "mpegts",
    **dict.fromkeys(HTTP, "whip"),
}
_WEB = "whether it takes a film by WHIP has to be said: whip+https://"
_REFUSED = {"http": _WEB, "https": _WEB}


@dataclass(frozen=True)
class PushAddress:
    """One server that the film is pushed to."""

    url: str = field(repr=False)
    name: str
    """Its scheme, host and port: all that any message says of it. The path of an RTMP server is its key."""
    format: Carried

    @property
    def through_ffmpeg(self) -> bool:
        """True where the libav of PyAV does not speak the protocol, and the program ffmpeg does."""
        return self.format == "mpegts"

    @property
    def notice_seconds(self) -> float:
        """Seconds after which it is noticed that the server is gone: SRT and WebRTC wait for five and say of no packet that it has arrived; TCP is told."""
        return 0.0 if self.format == "flv" else 7.0


def add_push(parser: ArgumentParser) -> None:
    """Add --push to a parser."""
    parser.add_argument(
        PUSH.flag,
        action="append",
        default=[],
        metavar="URL",
        help=f"Push the film to a live server while it is made, again for each: rtmp(s)://HOST/APP/KEY, srt://HOST:PORT, whip+https://HOST/PATH. With --live. With a secret in it rather {PUSH.variable}.",
    )


def choose_servers(
    given: object, environment: Mapping[str, str], folder: Path
) -> tuple[PushAddress, ...]:
    """The servers that the flag names, or else the environment, or else longtake.toml. Raises BadOption."""
    urls = choose_urls(PUSH, given, environment, folder)
    return tuple(read_server(url, place) for url, place in urls)


def read_server(url: str, place: str) -> PushAddress:
    """The server of a URL that stands in `place`. Raises BadOption, which does not show the URL, also where nothing here speaks its protocol."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise BadOption(place, "…", "its host or port cannot be read") from None
    name = f"{parts.scheme}://{parts.hostname or ''}{port}"
    if parts.scheme not in _FORMATS or not parts.hostname:
        reason = _REFUSED.get(
            parts.scheme,
            "a URL such as rtmp://host/app/key, srt://host:9000 or whip+https://host/path",
        )
        raise BadOption(place, name if parts.hostname else "…", reason)
    server = PushAddress(url, name, _FORMATS[parts.scheme])
    if server.through_ffmpeg and not port:
        raise BadOption(place, name, "it names no port, as in srt://host:9000")
    if server.through_ffmpeg and find_ffmpeg() is None:
        raise BadOption(place, name, "it needs an ffmpeg that knows srt, and none is installed")
    return server


@cache
def find_ffmpeg() -> str | None:
    """An ffmpeg that speaks SRT: the machine's, or that of imageio-ffmpeg where it is installed; None where there is none."""
    for program in (shutil.which("ffmpeg"), _packaged_ffmpeg()):
        if program is not None and _speaks_srt(program):
            return program
    return None


def _packaged_ffmpeg() -> str | None:
    try:
        return str(import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


def _speaks_srt(program: str) -> bool:
    words = [program, "-hide_banner", "-protocols"]
    said = subprocess.run(words, capture_output=True, text=True, check=False)
    return "srt" in said.stdout.partition("Output:")[2].split()
