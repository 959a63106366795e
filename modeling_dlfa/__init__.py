"""DLFA: attention-based fusion of a lower layer with the last layer of a multilingual encoder.

Importing the package registers the models with the Auto classes of transformers, and imports neither torch nor
transformers: the names below are resolved when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import registration
from .version import __version__

if TYPE_CHECKING:
    from .checkpoints.weights import verify_weights
    from .configuration_dlfa import DlfaConfig
    from .modeling_dlfa import (
        DlfaForSequenceClassification,
        DlfaForTokenClassification,
        DlfaModel,
        DlfaPreTrainedModel,
    )

__all__ = [
    "DlfaConfig",
    "DlfaForSequenceClassification",
    "DlfaForTokenClassification",
    "DlfaModel",
    "DlfaPreTrainedModel",
    "__version__",
    "verify_weights",
]

_HOMES = {"DlfaConfig": "configuration_dlfa", "verify_weights": "checkpoints.weights"}

registration.install()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name, "modeling_dlfa")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
