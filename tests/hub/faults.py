"""Failures that a test orders, and the record of what was asked."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass


class Dropped(Exception):
    """The connection ends here, without an answer."""


@dataclass
class Fault:
    """What happens to requests instead of, or beside, the right answer.

    Attributes:
        pattern: Regular expression, searched in `"METHOD /path"`; uploads and downloads of LFS objects are
            `"PUT /objects/…"` and `"GET /objects/…"`.
        times: How many matching requests are hit; None for all.
        skip: How many matching requests go well before.
        status: Answer with this status and nothing else.
        delay: Seconds before anything happens.
        bytes_per_second: Speed of the request's and the answer's body.
        drop_upload_after: Close the connection after so many bytes of the request's body.
    """

    pattern: str
    times: int | None = 1
    skip: int = 0
    status: int | None = None
    delay: float = 0.0
    bytes_per_second: int | None = None
    drop_upload_after: int | None = None


@dataclass(frozen=True)
class Exchange:
    """A request and the status of its answer; None where the connection ended before one."""

    method: str
    path: str
    status: int | None
    received: int


class Faults:
    """The faults in force, and the log."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._log: list[Exchange] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Ends all faults and forgets what was asked."""
        with self._lock:
            self._faults, self._log = [], []

    def strike(self, method: str, path: str) -> Fault | None:
        """Returns the fault that hits this request, and counts it."""
        with self._lock:
            for fault in self._faults:
                if fault.times == 0 or not re.search(fault.pattern, f"{method} {path}"):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None

    def record(self, exchange: Exchange) -> None:
        with self._lock:
            self._log.append(exchange)

    def requests(self, pattern: str = "") -> list[Exchange]:
        """Returns what was asked so far, where `"METHOD /path"` matches."""
        with self._lock:
            return [entry for entry in self._log if re.search(pattern, f"{entry.method} {entry.path}")]
