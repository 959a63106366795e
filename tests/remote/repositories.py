"""The repositories that the tests of this folder publish, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification, DlfaModel

from ..hub import HubServer
from ..online import ROOT

CODE = {path.name for path in (ROOT / "modeling_dlfa").glob("*_dlfa.py")}
AUTO_MAP = {
    "AutoConfig": "configuration_dlfa.DlfaConfig",
    "AutoModel": "modeling_dlfa.DlfaModel",
    "AutoModelForSequenceClassification": "modeling_dlfa.DlfaForSequenceClassification",
    "AutoModelForTokenClassification": "modeling_dlfa.DlfaForTokenClassification",
}
REPOS = {
    DlfaModel: "org/remote-base",
    DlfaForSequenceClassification: "org/remote-sequence",
    DlfaForTokenClassification: "org/remote-token",
}
SEQUENCE = REPOS[DlfaForSequenceClassification]


@dataclass(frozen=True)
class Published:
    """The models as they were before publishing, and what they computed."""

    models: dict[type, Any]
    results: dict[str, list[Any]]


def read(hub: HubServer, repo_id: str, path: str, revision: str = "main") -> bytes:
    file = hub.repository("models", repo_id).commit(revision).file(path)
    return hub.objects.path(file.sha256).read_bytes()
