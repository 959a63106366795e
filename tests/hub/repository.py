"""One repository: commits and refs as JSON files, which another process may serve next."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .errors import HubError, entry_not_found, revision_not_found
from .objects import write_atomically

HEADS, TAGS, PULLS = "refs/heads/", "refs/tags/", "refs/pr/"
_NAME = re.compile(r"^(?!\.)[\w.-]{1,96}(?<![.-])$", re.ASCII)
_REF = re.compile(r"^(?!.*(\.\.|//|@\{|\.lock$))[\w.][\w./-]*$", re.ASCII)


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def check_name(name: str) -> None:
    if not _NAME.match(name) or "--" in name or ".." in name or name.endswith((".git", ".ipynb")):
        raise HubError(400, f"Invalid repository name: {name!r}")


def check_path(path: str) -> str:
    parts = path.split("/")
    bad = any(part in ("", ".", "..", ".git") for part in parts) or "\\" in path or any(ord(c) < 32 for c in path)
    if bad or len(path) > 1000:
        raise HubError(400, f"Invalid path: {path!r}")
    return path


@dataclass(frozen=True)
class File:
    """A file of a commit: its content, its git blob (of the pointer, for LFS) and how it is kept."""

    sha256: str
    size: int
    blob_id: str
    lfs: bool


@dataclass(frozen=True)
class Commit:
    """A state of the files, and where it came from."""

    oid: str
    parent: str | None
    title: str
    message: str
    author: str
    date: str
    files: dict[str, File]

    def file(self, path: str) -> File:
        if path not in self.files:
            raise entry_not_found(path, self.oid)
        return self.files[path]


class Repository:
    """A model or a dataset, kept in a folder; every change is one replaced file."""

    def __init__(self, folder: Path, kind: str, repo_id: str) -> None:
        self.folder, self.kind, self.repo_id = folder, kind, repo_id
        self.namespace = repo_id.split("/")[0]

    @property
    def exists(self) -> bool:
        return (self.folder / "repository.json").is_file()

    @property
    def state(self) -> dict[str, Any]:
        return json.loads((self.folder / "repository.json").read_text())

    def update(self, **changes: Any) -> None:
        write_atomically(self.folder / "repository.json", json.dumps({**self.state, **changes}, indent=1).encode())

    def create(self, private: bool, author: str, files: dict[str, File]) -> None:
        commit = self._write_commit(None, "initial commit", "", author, files)
        state = {"private": private, "created": now(), "refs": {HEADS + "main": commit.oid}, "prs": []}
        write_atomically(self.folder / "repository.json", json.dumps(state, indent=1).encode())

    def delete(self) -> None:
        shutil.rmtree(self.folder)

    def commit(self, revision: str) -> Commit:
        """Returns the commit of a branch, a tag, a full ref or a commit id, which may be abbreviated."""
        refs = self.state["refs"]
        for ref in (HEADS + revision, TAGS + revision, revision):
            if ref in refs:
                return self._read_commit(refs[ref])
        if re.fullmatch(r"[0-9a-f]{7,40}", revision):
            found = list((self.folder / "commits").glob(f"{revision}*.json"))
            if len(found) == 1:
                return self._read_commit(found[0].stem)
        raise revision_not_found(revision)

    def branch_ref(self, revision: str) -> str:
        """Returns the full name of a ref that may be committed to."""
        for ref in (HEADS + revision, revision):
            if ref in self.state["refs"] and ref.startswith((HEADS, PULLS)):
                return ref
        raise revision_not_found(revision)

    def history(self, revision: str) -> list[Commit]:
        commits = [self.commit(revision)]
        while commits[-1].parent is not None:
            commits.append(self._read_commit(commits[-1].parent))
        return commits

    def advance(self, ref: str, title: str, message: str, author: str, files: dict[str, File]) -> Commit:
        """Adds a commit to a ref. The ref is written last: until then nothing has happened."""
        commit = self._write_commit(self.state["refs"][ref], title, message, author, files)
        self.set_ref(ref, commit.oid)
        return commit

    def set_ref(self, ref: str, oid: str | None) -> None:
        refs = self.state["refs"]
        if oid is None:
            del refs[ref]
        else:
            refs[ref] = oid
        self.update(refs=refs)

    def new_ref(self, prefix: str, name: str, oid: str) -> None:
        if not _REF.match(name) or name.startswith("refs/") or re.fullmatch(r"[0-9a-f]{40}", name):
            raise HubError(400, f"Invalid reference name: {name!r}")
        if prefix + name in self.state["refs"]:
            raise HubError(409, f"Reference already exists: {name}")
        self.set_ref(prefix + name, oid)

    def open_pull_request(self, revision: str, title: str, author: str) -> str:
        """Returns the new ref, `refs/pr/N`, at the state of `revision`."""
        pull_requests = self.state["prs"]
        number = len(pull_requests) + 1
        oid = self.commit(revision).oid
        self.update(prs=[*pull_requests, {"num": number, "title": title, "author": author, "createdAt": now()}])
        self.set_ref(f"{PULLS}{number}", oid)
        return f"{PULLS}{number}"

    def _write_commit(
        self, parent: str | None, title: str, message: str, author: str, files: dict[str, File]
    ) -> Commit:
        values: dict[str, Any] = {"parent": parent, "title": title, "message": message, "author": author}
        values |= {"date": now(), "files": {path: asdict(file) for path, file in sorted(files.items())}}
        oid = hashlib.sha1(json.dumps(values, sort_keys=True).encode()).hexdigest()
        write_atomically(self.folder / "commits" / f"{oid}.json", json.dumps(values, indent=1).encode())
        return self._read_commit(oid)

    def _read_commit(self, oid: str) -> Commit:
        values = json.loads((self.folder / "commits" / f"{oid}.json").read_text())
        files = {path: File(**file) for path, file in values.pop("files").items()}
        return Commit(oid=oid, files=files, **values)
