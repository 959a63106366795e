"""Routes about repositories as a whole: create, delete, who am I."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import HubError
from .messages import Answer, Request, json_answer
from .objects import git_blob_id
from .repository import File, check_name
from .routing import API, route
from .uploads import GIT_ATTRIBUTES

if TYPE_CHECKING:
    from .server import HubServer

_KINDS = {"model": "models", "dataset": "datasets"}


def _target(request: Request) -> tuple[str, str]:
    """Returns kind and id of the repository that a body names; the user's own namespace where it names none."""
    if request.account is None:
        raise HubError(401, "Invalid username or password.")
    values = request.json()
    kind = _KINDS.get(values.get("type") or "model")
    if kind is None:
        raise HubError(400, f"Repositories of type {values['type']!r} are not served here.")
    check_name(values["name"])
    return kind, f"{values.get('organization') or request.account.name}/{values['name']}"


@route("POST", "/api/repos/create")
def create(hub: HubServer, request: Request) -> Answer:
    kind, repo_id = _target(request)
    namespace = repo_id.split("/")[0]
    assert request.account is not None
    if not request.account.may_write(namespace):
        raise HubError(403, f"You don't have the rights to create a {kind[:-1]} under the namespace {namespace!r}.")
    values = request.json()
    url = f"{hub.url}/{'datasets/' if kind == 'datasets' else ''}{repo_id}"
    with hub.lock:
        repository = hub.repository(kind, repo_id)
        if repository.exists:
            message = f"You already created this {kind[:-1]} repo: {repo_id}"
            raise HubError(409, message, body={"error": message, "url": url, "id": repo_id})
        content = GIT_ATTRIBUTES.encode()
        first = File(hub.objects.add(content), len(content), git_blob_id(content), lfs=False)
        private = values.get("private") or values.get("visibility") == "private"
        repository.create(bool(private), request.account.name, {".gitattributes": first})
    return json_answer({"url": url, "name": repo_id, "id": repo_id})


@route("DELETE", "/api/repos/delete")
def delete(hub: HubServer, request: Request) -> Answer:
    kind, repo_id = _target(request)
    with hub.lock:
        hub.writable(kind, repo_id, request.account).delete()
    return Answer()


@route("GET", API + "/auth-check")
def auth_check(hub: HubServer, request: Request, kind: str, repo_id: str) -> Answer:
    hub.visible(kind, repo_id, request.account)
    return Answer()


@route("GET", "/api/whoami-v2")
def whoami(hub: HubServer, request: Request) -> Answer:
    account = request.account
    if account is None:
        raise HubError(401, "Invalid username or password.")
    organizations = [{"type": "org", "name": name, "fullname": name} for name in account.organizations]
    token = {"displayName": "test", "role": account.role}
    return json_answer(
        {
            "type": "user",
            "id": account.name,
            "name": account.name,
            "fullname": account.name,
            "orgs": organizations,
            "auth": {"type": "access_token", "accessToken": token},
        }
    )
