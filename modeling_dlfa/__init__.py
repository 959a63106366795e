"""DLFA: attention-based fusion of a lower layer with the last layer of a multilingual encoder.

Importing the package registers the models with the Auto classes of transformers.
"""

from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification

from .configuration_dlfa import DlfaConfig
from .modeling_dlfa import (
    DlfaForSequenceClassification,
    DlfaForTokenClassification,
    DlfaModel,
    DlfaPreTrainedModel,
)
from .version import __version__

__all__ = [
    "DlfaConfig",
    "DlfaForSequenceClassification",
    "DlfaForTokenClassification",
    "DlfaModel",
    "DlfaPreTrainedModel",
    "__version__",
]

AutoConfig.register(DlfaConfig.model_type, DlfaConfig, exist_ok=True)
DlfaConfig.register_for_auto_class()
for _auto_class, _model_class in (
    (AutoModel, DlfaModel),
    (AutoModelForSequenceClassification, DlfaForSequenceClassification),
    (AutoModelForTokenClassification, DlfaForTokenClassification),
):
    _auto_class.register(DlfaConfig, _model_class, exist_ok=True)
    _model_class.register_for_auto_class(_auto_class.__name__)
