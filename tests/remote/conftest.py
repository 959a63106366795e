"""A model of each class, published once."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from modeling_dlfa import DlfaModel

from ..backbones import MODEL_CLASSES
from ..hub import HubServer
from ..online import online
from ..small_bert import lively
from ..strangers import outputs
from .repositories import REPOS, SEQUENCE, Published


@pytest.fixture(scope="session")
def published(hub_server: HubServer, tiny_encoder: Path, tiny_glyphs: Path) -> Published:
    """Pushes a model of each class by `push_to_hub` alone; the classifier's repository gets its tokenizer too.

    Those with a head have a visual stream.
    """
    models, results = {}, {}
    with online():
        for seed, model_class in enumerate(MODEL_CLASSES):
            looks = {} if model_class is DlfaModel else {"glyphs": tiny_glyphs, "glyph_kernel_size": 3}
            model = lively(model_class.from_backbone(tiny_encoder, fusion_layers=1, num_labels=3, **looks), seed)
            model.push_to_hub(REPOS[model_class], commit_message="First weights")
            models[model_class], results[REPOS[model_class]] = model, outputs(model)
        AutoTokenizer.from_pretrained(tiny_encoder).push_to_hub(SEQUENCE)
    return Published(models, results)
