"""A client that does what no library would: sends halves, and waits."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

BOUNDARY = "--x\r\nContent-Disposition: form-data; name={}; filename=a.png\r\n\r\n"


@contextmanager
def connect_to(port: int, sent: bytes = b"") -> Iterator[socket.socket]:
    """A connection on which so much was sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(sent)
        yield connection


def write_head(line: str, *headers: str) -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{line} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()


def write_upload(length: int, sent: int = 100) -> bytes:
    """The head of an upload that says it is so long, and the beginning of its picture."""
    kind = "Content-Type: multipart/form-data; boundary=x"
    head = write_head("POST /v1/runs", kind, f"Content-Length: {length}")
    return head + BOUNDARY.format("picture").encode() + b"x" * sent


def read_answer(connection: socket.socket) -> tuple[int, str]:
    """The status and the first words of what is answered; 0 where the connection was closed without one."""
    said = connection.recv(1 << 16)
    while said and b"\r\n\r\n" not in said:
        said += connection.recv(1 << 16)
    status = int(said[9:12]) if said else 0
    while status >= 400 and b"message" not in said:
        said += connection.recv(1 << 16)
    return status, said.decode(errors="replace")


def ask(port: int, line: str, *headers: str) -> tuple[int, str]:
    """What is answered to a request without a body."""
    with connect_to(port, write_head(line, "Connection: close", *headers)) as connection:
        return read_answer(connection)
