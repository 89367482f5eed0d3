"""A WHIP server (RFC 9725) as libav's muxer gets to it: its URL, its token, and the relay in between."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pipeline.upkeep.child_process import module_command

HTTP = {"whip": "http", "whips": "https", "whip+http": "http", "whip+https": "https"}
"""Schemes of an address, and how the server is spoken to."""
VARIABLE = "LONGTAKE_PUSH_TOKEN"
"""Of the environment: for each WHIP server whose address has none."""


class ServerFault(Exception):  # noqa: N818 - of the server
    """Why a server does not take the film, as words that show no secret."""


@dataclass(frozen=True)
class Muxer:
    """What libav's WHIP muxer is opened with."""

    url: str
    options: dict[str, str]


def split_token(url: str) -> tuple[str, str]:
    """A WHIP address as the URL that is asked, and the token: what stands before the @, or that of the environment, or none."""
    parts = urlsplit(url)
    secret, _, host = parts.netloc.rpartition("@")
    name, _, word = secret.partition(":")
    token = unquote(word or name) or os.environ.get(VARIABLE, "")
    return parts._replace(scheme=HTTP[parts.scheme], netloc=host).geturl(), token


@contextmanager
def start_whip_relay(url: str, seconds: int) -> Iterator[Muxer]:
    """A relay to this address, in which an answer may take so long. What is raised in the block is raised as ServerFault where the relay knows the reason."""
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    command = module_command("pipeline.push.whip_relay")
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=nowhere, text=True, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n".join((*split_token(url), str(seconds), "")))
        process.stdin.flush()
        port, certificate, key = (process.stdout.readline().strip() for _ in range(3))
        # Packets do not wait for each other: in a pause of the film there is none of the picture.
        options = {"cert_file": certificate, "key_file": key, "max_interleave_delta": "1"}
        try:
            yield Muxer(f"http://127.0.0.1:{port}/", options)
        except Exception as fault:
            with suppress(BrokenPipeError):
                process.stdin.close()
            if reasons := [line for line in process.stdout if line.startswith("failed ")]:
                raise ServerFault(reasons[0].removeprefix("failed ").strip()) from fault
            raise
