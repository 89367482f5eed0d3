"""A store that is a bucket, through obstore: S3 and what speaks like it, Google's and Azure's, and the memory of this process for tests."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from storage.errors import (
    BadInput,
    BadOption,
    NoConditionalWrites,
    NoSuchBucket,
    StoreRefused,
    StoreUnreachable,
)
from storage.remote.run_store import Content, StoredObject

if TYPE_CHECKING:
    from obstore.store import MemoryStore, ObjectStore

PART_BYTES = 8 << 20
PARTS_AT_ONCE = 4
_INSTANCE = "169.254.169.254"
"""Where a machine of a provider is given credentials; asked where the environment has none."""
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT")
_SKEWED = "RequestTimeTooSkewed"
_CLOCK = f"the clock of this machine, by which requests are signed, is off: set it ({_SKEWED})"
_SETTINGS = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}
"""How the names of what the environment says of a store begin."""
_ON_THE_WAY, _PAUSE = "HTTP error", 0.5
"""How the library calls a request that was lost before its answer came; seconds until it is sent again."""
Answer = TypeVar("Answer")
_CODE = re.compile(r"<Code>(.*?)</Code>(?:.*?<Message>(.*?)</Message>)?", re.DOTALL)
_CAUSES = (
    re.compile(r'message: "([^"]+)"'),
    re.compile(r"error: \"?(failed to lookup[^\",]*)"),
    re.compile(r" - (.+)"),
)

_memories: "dict[str, MemoryStore]" = {}
"""The stores in memory by their URLs: each opening finds what the one before left."""


class BucketStore:
    """Objects below a prefix of a bucket."""

    def __init__(self, url: str, *, patience: float) -> None:
        """`patience`: seconds for which a request is tried again. Credentials, region and endpoint are those of the environment, as for every other program."""
        self.url, self._patience = url, patience
        self._store = _connect(url, patience)

    def put(self, name: str, content: Content) -> None:
        """Write an object, whatever is there."""
        import obstore

        with self._translate_errors():
            obstore.put(
                self._store, name, content, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
            )

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless one is there."""
        return self._put_if(name, content, "create")

    def replace(self, name: str, content: bytes, tag: str) -> bool:
        """Write an object in place of exactly that version."""
        return self._put_if(name, content, json.loads(tag))

    def get(self, name: str) -> StoredObject | None:
        """An object."""
        import obstore

        try:
            with self._translate_errors():
                found = obstore.get(self._store, name)
                return StoredObject(bytes(found.bytes()), _render_tag(found.meta))
        except FileNotFoundError:
            return None

    def fetch(self, name: str, target: Path) -> bool:
        """Write the content of an object into a file, a piece at a time."""
        import obstore

        try:
            with self._translate_errors(), target.open("wb") as file:
                for piece in obstore.get(self._store, name).stream(PART_BYTES):
                    file.write(piece)
        except FileNotFoundError:
            return False
        return True

    def measure(self, name: str) -> int | None:
        """Bytes of an object."""
        import obstore

        try:
            with self._translate_errors():
                return int(obstore.head(self._store, name)["size"])
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        """Remove an object."""
        import obstore

        def send(_again: bool) -> None:
            with suppress(FileNotFoundError), self._translate_errors():
                obstore.delete(self._store, name)

        self._send_until_answered(send)

    def copy(self, name: str, target: str) -> None:
        """Have an object by another name as well."""
        import obstore

        with self._translate_errors():
            obstore.copy(self._store, name, target)

    def list_names(self, prefix: str) -> Iterator[str]:
        """Names of the objects below a prefix."""
        import obstore

        with self._translate_errors():
            for page in obstore.list(self._store, prefix):
                yield from (str(each["path"]) for each in page)

    def _put_if(self, name: str, content: bytes, condition: Any) -> bool:
        """Write an object under a condition. What is refused when it is sent again is ours where it has our content: then the first answer was lost."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def send(again: bool) -> bool:
            try:
                with self._translate_errors():
                    obstore.put(self._store, name, content, mode=condition)
            except (AlreadyExistsError, PreconditionError):
                found = self.get(name) if again else None
                return found is not None and found.content == content
            return True

        return self._send_until_answered(send)

    def _send_until_answered(self, send: Callable[[bool], Answer]) -> Answer:
        """What comes of a request that the library sends no second time, as to other programs it may not arrive twice; `send` is told whether it was sent before. Raises as that, once patience is over."""
        end, again = time.monotonic() + self._patience, False
        while True:
            try:
                return send(again)
            except StoreUnreachable as error:
                if time.monotonic() > end or _ON_THE_WAY not in str(error.__cause__):
                    raise
            again = True
            time.sleep(_PAUSE)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Raise one line for what a store says; what only means `no` (FileNotFoundError, AlreadyExistsError, PreconditionError) passes."""
        from obstore.exceptions import (
            AlreadyExistsError,
            BaseError,
            PermissionDeniedError,
            PreconditionError,
            UnauthenticatedError,
        )

        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise
        except (PermissionDeniedError, UnauthenticatedError) as error:
            words = _CLOCK if _SKEWED in str(error) else _describe_fault(error)
            raise StoreRefused(self.url, words) from error
        except (BaseError, FileNotFoundError) as error:
            said = str(error)
            if "NoSuchBucket" in said or "ContainerNotFound" in said:
                raise NoSuchBucket(self.url) from error
            if isinstance(error, FileNotFoundError):
                raise
            if "NotImplemented" in said:
                raise NoConditionalWrites(self.url, _describe_fault(error)) from error
            if _INSTANCE in said:
                words = "the environment has no credentials, and this machine is given none"
                raise StoreRefused(self.url, words) from error
            raise StoreUnreachable(self.url, _describe_fault(error)) from error


def _connect(url: str, patience: float) -> "ObjectStore":
    try:
        from obstore import store as obstores
        from obstore.exceptions import BaseError
    except ImportError:
        words = "the package obstore, which is not installed (in longtake's folder: pip install '.[store]')"
        raise BadInput(f"A run at {url} needs {words}.") from None
    if url.startswith("memory:"):
        return _memories.setdefault(url, obstores.MemoryStore())
    _require_settings(_SETTINGS[url.partition(":")[0]])
    options: Any = {
        # A loopback or a local server is asked for by its own http address, on purpose.
        "allow_http": any(os.environ.get(name, "").startswith("http:") for name in _ENDPOINTS),
        "connect_timeout": "3s",
        "timeout": "30s",
    }
    backoff: Any = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=5)}
    retries: Any = {
        "max_retries": 3 if patience < 10 else 20,
        "retry_timeout": timedelta(seconds=patience),
        "backoff": backoff,
    }
    try:
        return obstores.from_url(url, client_options=options, retry_config=retries)
    except (BaseError, ValueError) as error:
        raise BadInput(f"{url} cannot be used: {_describe_fault(error)}.") from error


def _require_settings(prefix: str) -> None:
    """Raise BadOption for what the environment says that no request can be made of: obstore panics at the first one, which is no line. No word is shown that may be a secret."""
    for name, word in sorted(os.environ.items()):
        if name.startswith(prefix) and not word.isprintable():
            raise BadOption(name, "", "it holds a line break or a control character")
        if name in _ENDPOINTS and name.startswith(prefix) and not _is_endpoint(word):
            raise BadOption(name, word, "http://HOST:PORT or https://HOST is needed")


def _is_endpoint(word: str) -> bool:
    try:
        parts = urlsplit(word)
        plain = parts.hostname is not None and (parts.port is None or parts.port > 0)
    except ValueError:  # of the port
        return False
    return plain and parts.scheme in {"http", "https"} and " " not in word


def _render_tag(facts: Mapping[str, Any]) -> str:
    names = ("e_tag", "version")
    return json.dumps({name: facts[name] for name in names if facts.get(name) is not None})


def _describe_fault(error: Exception) -> str:
    """What a store said, in a few words of its own."""
    said = str(error)
    if found := _CODE.search(said):
        return ": ".join(word.strip().rstrip(".") for word in found.groups() if word)
    for cause in _CAUSES:
        if found := cause.search(said):
            return found[1].strip().rstrip(".")
    return said.partition("\n")[0].rstrip(".")
