"""The model of a one-pass sweep against the same candidates as separate models: outputs, gradients, export."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification, DlfaPreTrainedModel
from modeling_dlfa.studies.layer_sweep.one_pass import OnePassModel

from ...backbones import BACKBONES, batch, build, labels

CLASSES = (DlfaForSequenceClassification, DlfaForTokenClassification)
CANDIDATES: dict[str, dict[str, Any]] = {
    "embeddings": {"fusion_layers": 0},
    "two": {"fusion_layers": 2, "gate": "excite", "pooling": "mean"},
    "last": {"fusion": "last"},
}


def separate(model_class: type, backbone: str) -> dict[str, Any]:
    """The candidates as models of their own: one backbone's weights, but different fusions and heads."""
    models: dict[str, Any] = {}
    for seed, (name, values) in enumerate(CANDIDATES.items()):
        models[name] = build(model_class, backbone, seed, **values)
        models[name].base_model.backbone.load_state_dict(models["embeddings"].base_model.backbone.state_dict())
    return models


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("model_class", CLASSES)
def test_outputs_and_gradients_are_those_of_separate_models(model_class: type, backbone: str) -> None:
    models = separate(model_class, backbone)
    one_pass = OnePassModel(copy.deepcopy(models).items())
    inputs = batch(backbone)
    inputs |= labels(model_class, inputs)
    outputs = one_pass(**inputs)
    outputs.loss.backward()
    alone = {name: model(**inputs) for name, model in models.items()}
    for output in alone.values():
        output.loss.backward()
    assert one_pass.names == list(models)
    for logits, output in zip(outputs.logits, alone.values(), strict=True):
        torch.testing.assert_close(logits, output.logits, rtol=0, atol=0)
    torch.testing.assert_close(outputs.loss, torch.stack([output.loss for output in alone.values()]).mean())
    for name, model in models.items():
        own = {key: value for key, value in gradients(model).items() if ".backbone." not in key}
        found = gradients(one_pass.candidates[name])
        assert own.keys() == found.keys() and own
        for key in own:
            torch.testing.assert_close(found[key], own[key], rtol=1e-5, atol=1e-7)
    shared = gradients(one_pass.encoder.backbone)
    each = [gradients(model.base_model.backbone) for model in models.values()]
    assert shared.keys() == set().union(*each)
    for key, value in shared.items():
        average = sum(gradient.get(key, torch.zeros_like(value)) for gradient in each) / len(each)
        torch.testing.assert_close(value, average, rtol=1e-4, atol=1e-6)


def test_the_backbone_runs_once_and_keeps_no_more_than_is_read() -> None:
    one_pass = OnePassModel(separate(DlfaForSequenceClassification, "bert").items())
    calls: list[dict[str, Any]] = []
    one_pass.encoder.backbone.register_forward_pre_hook(
        lambda module, args, kwargs: calls.append(kwargs), with_kwargs=True
    )
    one_pass(**batch("bert"))
    assert [call["output_hidden_states"] for call in calls] == [[0, 2]]
    names = [name for name, _ in one_pass.named_parameters()]
    assert sum("word_embeddings" in name for name in names) == 1
    assert one_pass.state_dict().keys() == set(names), "a weight is saved twice, or not at all"


def test_the_loss_is_averaged_over_all_labels_of_a_step() -> None:
    one_pass = OnePassModel(separate(DlfaForTokenClassification, "bert").items())
    inputs = batch("bert")
    inputs |= labels(DlfaForTokenClassification, inputs)
    counted = int((inputs["labels"] != -100).sum())
    whole, half = one_pass(**inputs).loss, one_pass(**inputs, num_items_in_batch=2 * counted).loss
    torch.testing.assert_close(half, whole / 2)


@pytest.mark.parametrize("name", CANDIDATES)
def test_a_candidate_is_an_ordinary_checkpoint(name: str, tmp_path: Path) -> None:
    one_pass = OnePassModel(separate(DlfaForSequenceClassification, "bert").items()).eval()
    with one_pass.alone(name) as candidate:
        candidate.save_pretrained(str(tmp_path))
    loaded: Any = DlfaForSequenceClassification.from_pretrained(tmp_path)
    inputs = batch("bert")
    expected = one_pass(**inputs).logits[one_pass.names.index(name)]
    torch.testing.assert_close(loaded(**inputs).logits, expected, rtol=0, atol=0)
    assert (tmp_path / "modeling_dlfa.py").is_file()
    again = one_pass(**inputs).logits[one_pass.names.index(name)]
    torch.testing.assert_close(again, expected, rtol=0, atol=0)


def test_what_is_frozen_stays_frozen() -> None:
    from modeling_dlfa.training.adapters import freeze_backbone

    models: list[tuple[str, DlfaPreTrainedModel]] = [
        (name, freeze_backbone(model)) for name, model in separate(DlfaForSequenceClassification, "bert").items()
    ]
    one_pass = OnePassModel(models)
    inputs = batch("bert")
    one_pass(**inputs, **labels(DlfaForSequenceClassification, inputs)).loss.backward()
    assert not gradients(one_pass.encoder) and gradients(one_pass.candidates["embeddings"])


def test_what_cannot_be_trained_together_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no candidate"):
        OnePassModel([])
    sequence = build(DlfaForSequenceClassification, "bert")
    with pytest.raises(ValueError, match="two has another kind or encoder"):
        OnePassModel([("one", sequence), ("two", build(DlfaForTokenClassification, "bert"))])
    models = [build(DlfaForSequenceClassification, "bert") for _ in range(2)]
    with pytest.raises(ValueError, match="Two candidates are called same"):
        OnePassModel(("same", model) for model in models)
