"""Where examples to predict come from: a file or a pipe, read twice or read ahead."""

from __future__ import annotations

import os
import queue
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Generic, TypeVar

from ..errors import InputError

STREAM = "-"

T = TypeVar("T")

# The number of a line, from 1, and its content.
Line = tuple[int, bytes]


class InputSource:
    """A file or standard input, as numbered lines.

    Args:
        path: A file, or `-` for standard input.
        twice: Whether it will be read more than once, or not from its beginning to its end. What is not a plain file
            (a pipe) is then first copied to disk, so that memory stays bounded.

    Attributes:
        name: For messages.
        file: The opened file.
        is_live: Whether it is a pipe that may still be written to.

    Raises:
        InputError: The file is missing or cannot be read.
    """

    def __init__(self, path: str, twice: bool) -> None:
        self.name = "standard input" if path == STREAM else path
        try:
            # Not sys.stdin's own buffer: at the end Python waits for it, and a thread may be reading.
            self.file: BinaryIO = open(
                os.dup(sys.stdin.fileno()) if path == STREAM else os.path.expanduser(path), "rb"
            )
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such file. Check the path.") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
        is_plain = path != STREAM and stat.S_ISREG(os.fstat(self.file.fileno()).st_mode)
        self.is_live = not is_plain and not twice
        if twice and not is_plain:
            copy = tempfile.TemporaryFile()
            shutil.copyfileobj(self.file, copy)
            copy.seek(0)
            self.file = copy

    def lines(self) -> Iterator[Line]:
        """Gives every line with its number."""
        return enumerate(self.file, start=1)

    def rewind(self) -> None:
        """Goes back to the beginning; only with `twice`."""
        self.file.seek(0)


class ReadAhead(Generic[T]):
    """Takes items from an iterator that may wait for them, in a separate thread.

    Args:
        items: What is read; nothing else may read it.
        limit: How many items wait here at most.
    """

    def __init__(self, items: Iterable[T], limit: int) -> None:
        self._queue: queue.Queue[T | _End] = queue.Queue(maxsize=limit)
        self._end: _End | None = None
        threading.Thread(target=self._fill, args=(items,), daemon=True).start()

    def __iter__(self) -> Iterator[T]:
        while taken := self.take(1):
            yield from taken

    def take(self, limit: int) -> list[T]:
        """Returns what is there, up to `limit`; waits for one item, and for no more. Empty at the end.

        Raises:
            Exception: What the iterator raised, after all that it gave before.
        """
        taken: list[T] = []
        while self._end is None and len(taken) < limit:
            try:
                item = self._queue.get(block=not taken)
            except queue.Empty:
                break
            if isinstance(item, _End):
                self._end = item
            else:
                taken.append(item)
        if not taken and self._end is not None and self._end.error is not None:
            raise self._end.error
        return taken

    def _fill(self, items: Iterable[T]) -> None:
        try:
            for item in items:
                self._queue.put(item)
        except Exception as error:
            self._queue.put(_End(error))
        else:
            self._queue.put(_End(None))


class _End:
    def __init__(self, error: Exception | None) -> None:
        self.error = error
