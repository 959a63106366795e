"""Contents of files, each under its sha256."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .errors import HubError


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that a killed server leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(name, path)


def git_blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Objects:
    """A folder of contents."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        return self.folder / sha256

    def add(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        write_atomically(self.path(sha256), content)
        return sha256

    def receive(self, chunks: Iterable[bytes], sha256: str, size: int) -> None:
        """Keeps an upload if it is what was announced; nothing of it stays otherwise."""
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".upload-")
        digest, received = hashlib.sha256(), 0
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    received += len(chunk)
                    file.write(chunk)
            if received != size or digest.hexdigest() != sha256:
                raise HubError(400, f"BadDigest: got {received} bytes of sha256 {digest.hexdigest()}")
            os.replace(name, self.path(sha256))
        finally:
            Path(name).unlink(missing_ok=True)
