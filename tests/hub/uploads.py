"""Routes of an upload: how to send which file, the large files themselves, the commit."""

from __future__ import annotations

import base64
import binascii
import json
import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from .errors import HubError, entry_not_found
from .ignoring import is_ignored
from .messages import Answer, Request, json_answer
from .objects import git_blob_id
from .repository import File, check_path
from .routing import API, SITE, STORE, route

if TYPE_CHECKING:
    from .server import HubServer

LFS_PATTERNS = (
    *("*.safetensors", "*.bin", "*.h5", "*.msgpack", "*.onnx", "*.pt", "*.pth", "*.pkl", "*.npz", "*.npy"),
    *("*.parquet", "*.arrow", "*.model", "*.gz", "*.zip", "*.tar", "*.png", "*.jpg", "*.jpeg", "*tfevents*"),
)
GIT_ATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in LFS_PATTERNS)
# Larger files cannot be part of a commit itself.
LARGEST_REGULAR = 10 * 1024 * 1024
_SHA256 = re.compile(r"^[0-9a-f]{64}$")


@route("POST", API + "/preupload/(?P<revision>[^/]+)")
def preupload(hub: HubServer, request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    pull_request = request.flag("create_pr")
    repository = _uploadable(hub, request, kind, repo_id, pull_request)
    if not pull_request:
        repository.branch_ref(revision)
    present = repository.commit(revision).files
    values = request.json()
    # The rules that the commit brings count before those that are there.
    rules = values.get("gitIgnore")
    if rules is None and ".gitignore" in present:
        rules = hub.objects.path(present[".gitignore"].sha256).read_text(encoding="utf-8")
    answers = []
    for file in values["files"]:
        path = check_path(file["path"])
        sample = base64.b64decode(file.get("sample", ""))
        named = any(fnmatch(path.split("/")[-1], pattern) for pattern in LFS_PATTERNS)
        mode = "lfs" if named or file["size"] > LARGEST_REGULAR or b"\0" in sample else "regular"
        answer = {"path": path, "uploadMode": mode, "shouldIgnore": is_ignored(path, rules or "")}
        if path in present:
            answer["oid"] = present[path].sha256 if present[path].lfs else present[path].blob_id
        answers.append(answer)
    return json_answer({"files": answers, "commitOid": repository.commit(revision).oid})


def _uploadable(hub: HubServer, request: Request, kind: str, repo_id: str, pull_request: bool) -> Any:
    if not pull_request:
        return hub.writable(kind, repo_id, request.account)
    # Whoever sees a repository and holds a token that writes may propose a change.
    repository = hub.visible(kind, repo_id, request.account)
    if request.account is None:
        raise HubError(401, "Invalid username or password.")
    if request.account.role != "write":
        raise HubError(403, "Forbidden: this token has no write access")
    return repository


@route("POST", SITE + r"\.git/info/lfs/objects/batch")
def batch(hub: HubServer, request: Request, kind: str | None, repo_id: str) -> Answer:
    kind, values = kind or "models", request.json()
    if values.get("operation") != "upload":
        raise HubError(400, f"Operation {values.get('operation')!r} is not served here.")
    # A pull request's upload names no ref.
    repository = _uploadable(hub, request, kind, repo_id, pull_request="ref" not in values)
    if "basic" not in values.get("transfers", ["basic"]):
        raise HubError(400, "Only the basic transfer is served here.")
    answers: list[dict[str, Any]] = []
    for item in values["objects"]:
        oid, size = item["oid"], item["size"]
        answer: dict[str, Any] = {"oid": oid, "size": size}
        if not _SHA256.match(oid) or not isinstance(size, int) or size < 0:
            answer["error"] = {"code": 422, "message": "Invalid object"}
        elif not hub.objects.path(oid).is_file():
            prefix = "datasets/" if kind == "datasets" else ""
            verify = f"{hub.url}/{prefix}{repository.repo_id}.git/info/lfs/objects/verify"
            answer["authenticated"] = True
            answer["actions"] = {"upload": {"href": hub.signed_url("PUT", oid, size)}, "verify": {"href": verify}}
        answers.append(answer)
    return json_answer({"transfer": "basic", "objects": answers})


@route("POST", SITE + r"\.git/info/lfs/objects/verify")
def verify(hub: HubServer, request: Request, kind: str | None, repo_id: str) -> Answer:
    hub.visible(kind or "models", repo_id, request.account)
    values = request.json()
    path = hub.objects.path(values["oid"])
    if not _SHA256.match(values["oid"]) or not path.is_file() or path.stat().st_size != values["size"]:
        raise HubError(404, "Object not found or of another size")
    return json_answer({})


@route("PUT", r"/objects/(?P<sha256>[0-9a-f]{64})", STORE)
def put(hub: HubServer, request: Request, sha256: str) -> Answer:
    hub.objects.receive(request.chunks(), sha256, check_signature(hub, request, sha256))
    return Answer(headers={"ETag": f'"{sha256}"'})


def check_signature(hub: HubServer, request: Request, sha256: str) -> int:
    """Returns the size that a signed URL stands for."""
    if request.headers.get("Authorization"):
        raise HubError(400, "Only one auth mechanism allowed: the URL is signed, send no Authorization")
    size = int(request.query.get("size", ["-1"])[0])
    method = "GET" if request.method == "HEAD" else request.method
    if request.query.get("signature") != [hub.signature(method, sha256, size)]:
        raise HubError(403, "SignatureDoesNotMatch")
    return size


@route("POST", API + "/commit/(?P<revision>[^/]+)")
def commit(hub: HubServer, request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    pull_request = request.flag("create_pr")
    try:
        lines = [json.loads(line) for line in request.body().splitlines() if line.strip()]
        header, operations = lines[0]["value"], [(line["key"], line["value"]) for line in lines[1:]]
        title, parent = header["summary"], header.get("parentCommit")
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise HubError(400, f"Malformed commit: {error!r}") from None
    if lines[0]["key"] != "header" or not title.strip():
        raise HubError(400, "A commit begins with a header that has a summary.")
    with hub.lock:
        repository = _uploadable(hub, request, kind, repo_id, pull_request)
        assert request.account is not None
        head = repository.commit(revision)
        if parent and not head.oid.startswith(parent):
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        ref = None if pull_request else repository.branch_ref(revision)
        files = _apply(hub, head, operations)
        author = request.account.name
        ref = ref or repository.open_pull_request(revision, title, author)
        made = repository.advance(ref, title, header.get("description") or "", author, files)
    prefix = f"{hub.url}/{'datasets/' if kind == 'datasets' else ''}{repo_id}"
    values = {"success": True, "commitOid": made.oid, "commitUrl": f"{prefix}/commit/{made.oid}", "hookOutput": ""}
    if pull_request:
        values["pullRequestUrl"] = f"{prefix}/discussions/{ref.rsplit('/', 1)[-1]}"
    return json_answer(values)


def _apply(hub: HubServer, head: Any, operations: list[tuple[str, dict[str, Any]]]) -> dict[str, File]:
    """Returns the files after the operations; nothing of the repository is changed."""
    files = dict(head.files)
    for key, value in operations:
        path = check_path(value["path"].rstrip("/") if key == "deletedFolder" else value["path"])
        if key == "file":
            files[path] = _regular(hub, value)
        elif key == "lfsFile":
            files[path] = _lfs(hub, value)
        elif key in ("deletedFile", "deletedFolder"):
            gone = [name for name in files if name == path or (key == "deletedFolder" and name.startswith(path + "/"))]
            if not gone:
                raise entry_not_found(path + " (A file with this name doesn't exist)", head.oid)
            for name in gone:
                del files[name]
        else:
            raise HubError(400, f"Unknown operation {key!r}")
    for path in files:
        if any(other.startswith(path + "/") for other in files):
            raise HubError(400, f"{path!r} is a file and a folder")
    return files


def _regular(hub: HubServer, value: dict[str, Any]) -> File:
    try:
        content = base64.b64decode(value["content"], validate=True)
    except binascii.Error as error:
        raise HubError(400, f"Malformed content: {error}") from None
    if len(content) > LARGEST_REGULAR:
        raise HubError(400, f"{value['path']} is larger than 10 MiB: upload it by LFS")
    return File(hub.objects.add(content), len(content), git_blob_id(content), lfs=False)


def _lfs(hub: HubServer, value: dict[str, Any]) -> File:
    oid = value.get("oid", "")
    path = hub.objects.path(oid)
    if value.get("algo") != "sha256" or not _SHA256.match(oid) or not path.is_file():
        raise HubError(400, f"LFS pointer pointed to a file that does not exist: {value['path']}")
    size = path.stat().st_size
    if value.get("size", size) != size:
        raise HubError(400, f"LFS pointer states another size: {value['path']}")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"
    return File(oid, size, git_blob_id(pointer.encode()), lfs=True)
