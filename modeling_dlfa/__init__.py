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
    from .inference.predictor import Predictor
    from .modeling_dlfa import (
        DlfaForSequenceClassification,
        DlfaForTokenClassification,
        DlfaModel,
        DlfaPreTrainedModel,
    )
    from .results.results import Results, load_results
    from .scoring.cross_lingual import CrossLingualMetric
    from .tasks import Task
    from .training.adapters import freeze_backbone, lora_config
    from .training.arguments import CrossLingualTrainingArguments
    from .training.train import train
    from .trimming.trim import trim_vocabulary

__all__ = [
    "CrossLingualMetric",
    "CrossLingualTrainingArguments",
    "DlfaConfig",
    "DlfaForSequenceClassification",
    "DlfaForTokenClassification",
    "DlfaModel",
    "DlfaPreTrainedModel",
    "Predictor",
    "Results",
    "Task",
    "__version__",
    "freeze_backbone",
    "load_results",
    "lora_config",
    "train",
    "trim_vocabulary",
    "verify_weights",
]
_HOMES = {
    "CrossLingualMetric": "scoring.cross_lingual",
    "CrossLingualTrainingArguments": "training.arguments",
    "DlfaConfig": "configuration_dlfa",
    "DlfaForSequenceClassification": "modeling_dlfa",
    "DlfaForTokenClassification": "modeling_dlfa",
    "DlfaModel": "modeling_dlfa",
    "DlfaPreTrainedModel": "modeling_dlfa",
    "Predictor": "inference.predictor",
    "Results": "results.results",
    "Task": "tasks",
    "freeze_backbone": "training.adapters",
    "load_results": "results.results",
    "lora_config": "training.adapters",
    "train": "training.train",
    "trim_vocabulary": "trimming.trim",
    "verify_weights": "checkpoints.weights",
}

registration.install()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
