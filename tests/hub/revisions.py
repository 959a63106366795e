"""Routes about refs: branches, tags, pull requests, history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .messages import Answer, Request, json_answer
from .repository import HEADS, PULLS, TAGS
from .routing import API, route

if TYPE_CHECKING:
    from .server import HubServer


@route("GET", API + "/refs")
def refs(hub: HubServer, request: Request, kind: str, repo_id: str) -> Answer:
    known = hub.visible(kind, repo_id, request.account).state["refs"]

    def below(prefix: str) -> list[dict[str, str]]:
        found = [ref for ref in known if ref.startswith(prefix)]
        return [{"name": ref[len(prefix) :], "ref": ref, "targetCommit": known[ref]} for ref in found]

    answer = {"branches": below(HEADS), "tags": below(TAGS), "converts": []}
    if request.flag("include_prs"):
        answer["pullRequests"] = below(PULLS)
    return json_answer(answer)


@route("POST", API + "/branch/(?P<name>[^/]+)")
def create_branch(hub: HubServer, request: Request, kind: str, repo_id: str, name: str) -> Answer:
    with hub.lock:
        repository = hub.writable(kind, repo_id, request.account)
        repository.new_ref(HEADS, name, repository.commit(request.json().get("startingPoint") or "main").oid)
    return json_answer({}, 201)


@route("POST", API + "/tag/(?P<revision>[^/]+)")
def create_tag(hub: HubServer, request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    with hub.lock:
        repository = hub.writable(kind, repo_id, request.account)
        repository.new_ref(TAGS, request.json()["tag"], repository.commit(revision).oid)
    return json_answer({}, 201)


@route("GET", API + "/commits/(?P<revision>[^/]+)")
def commits(hub: HubServer, request: Request, kind: str, repo_id: str, revision: str) -> Answer:
    history = hub.visible(kind, repo_id, request.account).history(revision)
    entries = [
        {"id": made.oid, "title": made.title, "message": made.message, "date": made.date}
        | {"authors": [{"user": made.author}]}
        for made in history
    ]
    return json_answer(entries)


@route("GET", API + "/discussions")
def discussions(hub: HubServer, request: Request, kind: str, repo_id: str) -> Answer:
    pull_requests = hub.visible(kind, repo_id, request.account).state["prs"]
    entries = [
        {**made, "author": {"name": made["author"]}, "isPullRequest": True, "status": "open"} for made in pull_requests
    ]
    return json_answer({"discussions": entries, "count": len(entries), "start": 0})
