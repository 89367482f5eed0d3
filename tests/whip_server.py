"""A WHIP server for the tests, by aiortc, in a process of its own: what it is sent it takes apart, and says what has arrived.

    python whip_server.py PORT TOKEN [CERTIFICATE KEY]    a line of JSON for each thing; TOKEN may be empty; with a certificate by https

Runs with nothing of longtake, as its av may be another.
"""

import asyncio
import json
import re
import ssl
import sys
import time
from typing import Any

import numpy as np
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import RtcpSrPacket

LOUD = 9000
CLOCKS = {"audio": 48_000, "video": 90_000}


def tell(**facts: object) -> None:
    print(json.dumps({"at": time.time(), **facts}), flush=True)


def listen_to_reports() -> None:
    """Say the first timestamp of each stream, and what its reports hold: seconds of the sender's clock at a timestamp."""
    take_packet, take_report = RTCRtpReceiver._handle_rtp_packet, RTCRtpReceiver._handle_rtcp_packet
    kind_of = {}

    async def hear_packet(self: Any, packet: Any, **facts: object) -> None:
        if packet.payload and packet.ssrc not in kind_of and packet.payload_type in (106, 111):
            kind_of[packet.ssrc] = self._RTCRtpReceiver__kind
            tell(first=kind_of[packet.ssrc], timestamp=packet.timestamp)
        await take_packet(self, packet, **facts)

    async def hear_report(self: Any, packet: Any) -> None:
        if isinstance(packet, RtcpSrPacket):
            facts = packet.sender_info
            clock = facts.ntp_timestamp / 2**32
            tell(report=self._RTCRtpReceiver__kind, clock=clock, timestamp=facts.rtp_timestamp)
        await take_report(self, packet)

    RTCRtpReceiver._handle_rtp_packet = hear_packet
    RTCRtpReceiver._handle_rtcp_packet = hear_report


async def take_track(track: Any) -> None:
    try:
        while True:
            frame = await track.recv()
            if track.kind == "video":
                shown = frame.to_ndarray(format="gray")
                tell(frame=frame.time, mean=float(shown.mean()), size=[frame.width, frame.height])
            else:
                samples = frame.to_ndarray().reshape(-1, 2)[:, 0].astype(int)
                loud = np.flatnonzero(np.abs(samples) > LOUD)
                click = float(frame.time + loud[0] / frame.sample_rate) if len(loud) else None
                tell(sound=frame.time, samples=frame.samples, click=click)
    except Exception as fault:  # noqa: BLE001 - whatever ends it
        tell(ended=track.kind, why=type(fault).__name__)


class Server:
    """Sessions, by number."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._sessions: list[RTCPeerConnection] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path = head.split(" ")[:2]
        size = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(size.group(1)) if size else 0)
        token = re.search(r"authorization: *Bearer (\S+)", head, re.IGNORECASE)
        if (token.group(1) if token else "") != self._token:
            code, more, text = "401 Unauthorized", "", ""
        elif method == "POST" and path.startswith("/whip/"):
            code, text = "201 Created", await self._open(body.decode())
            more = (
                f"Location: /session/{len(self._sessions) - 1}\r\nContent-Type: application/sdp\r\n"
            )
        elif method == "POST" and path.startswith("/moved/"):
            code, more, text = "307 Temporary Redirect", "Location: /whip/key\r\n", ""
        elif method == "DELETE":
            code, more, text = "200 OK", "", ""
            tell(deleted=path)
            await self._sessions[int(path.rsplit("/", 1)[1])].close()
        else:
            code, more, text = "404 Not Found", "", ""
        writer.write(f"HTTP/1.1 {code}\r\n{more}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode())  # fmt: skip
        await writer.drain()
        writer.close()

    async def _open(self, offer: str) -> str:
        # aiortc knows two profiles by name, though its decoder takes all.
        offer = re.sub(r"profile-level-id=\w{6}", "profile-level-id=42e01f", offer)
        session = RTCPeerConnection()
        self._sessions.append(session)
        session.on("track", lambda track: asyncio.ensure_future(take_track(track)))
        session.on("connectionstatechange", lambda: tell(state=session.connectionState))
        await session.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await session.setLocalDescription(await session.createAnswer())
        return str(session.localDescription.sdp)


async def main(port: str, token: str, *secured: str) -> None:
    listen_to_reports()
    context = None
    if secured:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*secured)
    server = await asyncio.start_server(Server(token).answer, "127.0.0.1", int(port), ssl=context)
    tell(listens=int(port))
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
