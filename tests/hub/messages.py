"""A request and its answer, between the socket and the routes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPMessage
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs

from .accounts import Account
from .errors import HubError
from .faults import Dropped, Fault

CHUNK = 64 * 1024


@dataclass
class Request:
    """What a route sees of a request; the body is read when it is asked for."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: HTTPMessage
    stream: BinaryIO
    fault: Fault | None = None
    account: Account | None = None
    received: int = 0
    _body: Iterator[bytes] | None = None
    _content: bytes | None = None

    def flag(self, name: str) -> bool:
        return self.query.get(name, ["0"])[-1].lower() in ("1", "true")

    def chunks(self) -> Iterator[bytes]:
        """Yields what is left of the body."""
        if self._body is None:
            self._body = self._read()
        return self._body

    def body(self) -> bytes:
        if self._content is None:
            self._content = b"".join(self.chunks())
        return self._content

    def json(self) -> dict[str, Any]:
        try:
            return json.loads(self.body())
        except ValueError as error:
            raise HubError(400, f"Body is not JSON: {error}") from None

    def form(self) -> dict[str, list[str]]:
        """Returns the fields of a form, which v0.x and v2.x of the client send where others send JSON."""
        if "json" in self.headers.get("Content-Type", ""):
            return {key: value if isinstance(value, list) else [str(value)] for key, value in self.json().items()}
        return parse_qs(self.body().decode())

    def _read(self) -> Iterator[bytes]:
        limit = self.fault.drop_upload_after if self.fault else None
        speed = self.fault.bytes_per_second if self.fault else None
        for chunk in self._pieces(CHUNK if speed is None else max(1, min(CHUNK, speed // 20))):
            if speed:
                time.sleep(len(chunk) / speed)
            self.received += len(chunk)
            if limit is not None and self.received >= limit:
                raise Dropped
            yield chunk

    def _pieces(self, size: int) -> Iterator[bytes]:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while length := int(self.stream.readline().split(b";")[0], 16):
                yield from self._exactly(length, size)
                self.stream.readline()
            while self.stream.readline().strip():
                pass
        else:
            yield from self._exactly(int(self.headers.get("Content-Length") or 0), size)

    def _exactly(self, length: int, size: int) -> Iterator[bytes]:
        while length:
            chunk = self.stream.read(min(size, length))
            if not chunk:
                raise Dropped  # The client is gone.
            length -= len(chunk)
            yield chunk


@dataclass
class Answer:
    """A status, headers and a body: bytes, or a part of a file."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    file: Path | None = None
    start: int = 0
    length: int = 0

    def pieces(self) -> Iterator[bytes]:
        if self.file is None:
            yield from (self.content[at : at + CHUNK] for at in range(0, len(self.content), CHUNK))
            return
        with self.file.open("rb") as file:
            file.seek(self.start)
            left = self.length
            while left:
                chunk = file.read(min(CHUNK, left))
                left -= len(chunk)
                yield chunk

    @property
    def size(self) -> int:
        return self.length if self.file is not None else len(self.content)


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode())


def file_answer(request: Request, path: Path, headers: dict[str, str]) -> Answer:
    """Returns a file, or the part of it that a `Range` header asks for.

    Raises:
        HubError: 416, for a range that begins beyond the end.
    """
    size, asked = path.stat().st_size, request.headers.get("Range")
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", **headers}
    if asked is None:
        return Answer(200, headers, file=path, length=size)
    first, _, last = asked.removeprefix("bytes=").strip().partition("-")
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start >= size or end < start:
        raise HubError(416, "Range not satisfiable", headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Answer(206, headers, file=path, start=start, length=end - start + 1)
