"""Routes that read files: trees, single paths, contents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import HubError, entry_not_found
from .messages import Answer, Request, file_answer, json_answer
from .repository import Commit, File
from .routing import API, SITE, STORE, route
from .uploads import check_signature

if TYPE_CHECKING:
    from .server import HubServer


def describe(path: str, file: File) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": file.blob_id, "size": file.size, "path": path}
    if file.lfs:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 120 + len(str(file.size))}
    return entry


def _expanded(entries: list[dict[str, Any]], commit: Commit) -> list[dict[str, Any]]:
    last = {"id": commit.oid, "title": commit.title, "date": commit.date}
    safe = {"status": "safe", "avScan": {}, "pickleImportScan": {}}
    return [{**entry, "lastCommit": last, "securityFileStatus": safe} for entry in entries]


def _folders(commit: Commit) -> set[str]:
    parts = [path.split("/") for path in commit.files]
    return {"/".join(names[:depth]) for names in parts for depth in range(1, len(names))}


def _folder(path: str, commit: Commit) -> dict[str, Any]:
    return {"type": "directory", "oid": commit.oid, "size": 0, "path": path}


@route("GET", API + "/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?")
def tree(hub: HubServer, request: Request, kind: str, repo_id: str, revision: str, path: str | None) -> Answer:
    commit = hub.visible(kind, repo_id, request.account).commit(revision)
    folders = _folders(commit)
    if path and path not in folders:
        raise entry_not_found(path, commit.oid)
    prefix = f"{path}/" if path else ""
    entries = [_folder(name, commit) for name in folders] + [describe(*item) for item in commit.files.items()]
    entries = [entry for entry in entries if entry["path"].startswith(prefix)]
    if not request.flag("recursive"):
        entries = [entry for entry in entries if "/" not in entry["path"][len(prefix) :]]
    entries.sort(key=lambda entry: entry["path"])
    return json_answer(_expanded(entries, commit) if request.flag("expand") else entries)


@route("POST", API + "/paths-info/(?P<revision>[^/]+)")
def paths_info(hub: HubServer, request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    commit = hub.visible(kind, repo_id, request.account).commit(revision)
    form, folders, entries = request.form(), _folders(commit), []
    for path in form.get("paths", []):
        if path in commit.files:
            entries.append(describe(path, commit.files[path]))
        elif path in folders:
            entries.append(_folder(path, commit))
    if form.get("expand", ["false"])[-1].lower() in ("1", "true"):
        entries = _expanded(entries, commit)
    return json_answer(entries)


@route("GET", SITE + "/(?:resolve|raw)/(?P<revision>[^/]+)/(?P<path>.+)")
def resolve(hub: HubServer, request: Request, kind: str | None, repo_id: str, revision: str, path: str) -> Answer:
    commit = hub.visible(kind or "models", repo_id, request.account).commit(revision)
    file = commit.file(path)
    headers = {"X-Repo-Commit": commit.oid, "Content-Disposition": f'inline; filename="{path.split("/")[-1]}"'}
    if not file.lfs:
        return file_answer(request, hub.objects.path(file.sha256), {**headers, "ETag": f'"{file.blob_id}"'})
    linked = {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    location = {"Location": hub.signed_url("GET", file.sha256, file.size)}
    return Answer(302, {**headers, **linked, **location, "ETag": f'"{file.blob_id}"'})


@route("GET", r"/objects/(?P<sha256>[0-9a-f]{64})", STORE)
def get(hub: HubServer, request: Request, sha256: str) -> Answer:
    check_signature(hub, request, sha256)
    path = hub.objects.path(sha256)
    if not path.is_file():
        raise HubError(404, "NoSuchKey")
    return file_answer(request, path, {"ETag": f'"{sha256}"'})
