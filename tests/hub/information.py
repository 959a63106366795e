"""Routes that tell about a repository: info, and the check of a card's metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from .messages import Answer, Request, json_answer
from .repository import Commit, Repository
from .routing import API, route

if TYPE_CHECKING:
    from .server import HubServer

# Tags that the Hub derives from a card: field and prefix.
_TAG_FIELDS = {"license": "license:", "base_model": "base_model:", "datasets": "dataset:", "language": ""}


def card_metadata(text: str) -> Any:
    """Returns the YAML between the two `---` lines that begin a card, None where there are none.

    Raises:
        yaml.YAMLError: It is no YAML.
    """
    if not text.startswith("---\n") or "\n---" not in text[3:]:
        return None
    return yaml.safe_load(text[4 : text.index("\n---", 3)])


def _listed(value: Any) -> list[str]:
    return [str(item) for item in (value if isinstance(value, list) else [value] if value else [])]


def _tags(commit: Commit, card: dict[str, Any]) -> list[str]:
    tags = _listed(card.get("library_name")) + _listed(card.get("tags"))
    if any(path.endswith(".safetensors") for path in commit.files):
        tags.append("safetensors")
    for name, prefix in _TAG_FIELDS.items():
        tags += [prefix + item for item in _listed(card.get(name))]
    return list(dict.fromkeys(tags))


@route("GET", API + "(?:/revision/(?P<revision>[^/]+))?")
def info(hub: HubServer, request: Request, kind: str, repo_id: str, revision: str | None) -> Answer:
    repository = hub.visible(kind, repo_id, request.account)
    commit = repository.commit(revision or "main")
    values = _describe(hub, repository, commit, blobs=request.flag("blobs"))
    expand = request.query.get("expand", []) + request.query.get("expand[]", [])
    if expand:
        values = {key: values[key] for key in ("_id", "id", *expand) if key in values}
    return json_answer(values, **{"X-Repo-Commit": commit.oid})


def _describe(hub: HubServer, repository: Repository, commit: Commit, blobs: bool) -> dict[str, Any]:
    def text(path: str) -> str:
        return hub.objects.path(commit.files[path].sha256).read_text() if path in commit.files else ""

    try:
        card = card_metadata(text("README.md")) or {}
    except yaml.YAMLError:
        card = {}
    siblings: list[dict[str, Any]] = [{"rfilename": path} for path in commit.files]
    for entry in siblings if blobs else []:
        file = commit.files[entry["rfilename"]]
        entry |= {"size": file.size, "blobId": file.blob_id}
        if file.lfs:
            entry["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": 120 + len(str(file.size))}
    state = repository.state
    values: dict[str, Any] = {
        "_id": repository.repo_id,
        "id": repository.repo_id,
        "author": repository.namespace,
        "sha": commit.oid,
        "lastModified": commit.date,
        "createdAt": state["created"],
        "private": state["private"],
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": _tags(commit, card),
        "cardData": card,
        "siblings": siblings,
        "usedStorage": sum(file.size for file in commit.files.values()),
    }
    if repository.kind == "models":
        config = json.loads(text("config.json") or "{}")
        values["modelId"] = repository.repo_id
        values["config"] = {key: config[key] for key in ("architectures", "model_type", "auto_map") if key in config}
        values |= {key: card[key] for key in ("pipeline_tag", "library_name") if key in card}
        if "model-index" in card:
            values["model-index"] = card["model-index"]
    return values


@route("POST", "/api/validate-yaml")
def validate_yaml(hub: HubServer, request: Request) -> Answer:
    errors, warnings = check_card(request.json()["content"])
    values = {
        name: [{"message": message} for message in messages]
        for name, messages in (("errors", errors), ("warnings", warnings))
    }
    return json_answer(values, 400 if errors else 200)


def check_card(text: str) -> tuple[list[str], list[str]]:
    """Returns what the Hub would refuse in a card's metadata, and what it would warn of."""
    try:
        card = card_metadata(text)
    except yaml.YAMLError as error:
        return [f"The metadata is no YAML: {error}"], []
    if card is None:
        return [], ["empty or missing yaml metadata in repo card"]
    if not isinstance(card, dict):
        return ["The metadata is no mapping"], []
    errors = []
    for name in ("license", "library_name", "pipeline_tag"):
        if name in card and not isinstance(card[name], str):
            errors.append(f'"{name}" must be a string')
    for name in ("language", "datasets", "metrics", "tags", "base_model"):
        value = card.get(name, [])
        if not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            # A bare `no` is a language to its author and false to YAML.
            errors.append(f'"{name}" must be a string or a list of strings')
    return errors + _model_index_errors(card.get("model-index", [])), []


def _model_index_errors(index: Any) -> list[str]:
    if not isinstance(index, list):
        return ['"model-index" must be a list']
    errors = []
    for model in index:
        if not isinstance(model, dict) or not isinstance(model.get("name"), str):
            errors.append('"model-index[].name" must be a string')
            continue
        for result in model.get("results", []):
            task, dataset = result.get("task", {}), result.get("dataset", {})
            if not task.get("type") or not dataset.get("type") or not dataset.get("name"):
                errors.append('"model-index[].results[]" needs task.type, dataset.type and dataset.name')
            for metric in result.get("metrics") or [{}]:
                if not metric.get("type") or metric.get("value") is None:
                    errors.append('"model-index[].results[].metrics[]" needs type and value')
    return errors
