"""What the models compute: the baseline is exactly BERT, the pooler, the gate, the loss."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
)

from modeling_dlfa import DlfaConfig, DlfaForSequenceClassification, DlfaForTokenClassification, DlfaModel

from .backbones import BEFORE_V5_10
from .small_bert import CLASSES, config, lively, padded_batch


@pytest.fixture
def inputs() -> dict[str, torch.Tensor]:
    return padded_batch()


def baseline_of(bert: PreTrainedModel, dlfa_class: type[PreTrainedModel]) -> Any:
    """The last-layer model with the weights of a transformers classifier."""
    weights = {}
    for key, value in bert.state_dict().items():
        key = (
            key.replace("bert.pooler.", "dlfa.pooler.")
            if ".pooler." in key
            else key.replace("bert.", "dlfa.backbone.")
        )
        weights[key] = value
    model = dlfa_class(DlfaConfig(bert.config, fusion="last", num_labels=bert.config.num_labels))
    model.load_state_dict(weights)
    return model


@pytest.mark.parametrize(
    ("bert_class", "dlfa_class"),
    [
        (BertForSequenceClassification, DlfaForSequenceClassification),
        (BertForTokenClassification, DlfaForTokenClassification),
    ],
)
def test_the_baseline_is_bert_bit_for_bit(bert_class: type, dlfa_class: type, inputs: dict[str, torch.Tensor]) -> None:
    backbone = config().backbone_config
    backbone.num_labels = 3
    bert = lively(bert_class(backbone))
    dlfa = baseline_of(bert, dlfa_class).eval()
    labels = torch.randint(0, 3, (4,) if bert_class is BertForSequenceClassification else (4, 11))
    theirs, ours = bert(**inputs, labels=labels), dlfa(**inputs, labels=labels)
    assert torch.equal(theirs.logits, ours.logits) and torch.equal(theirs.loss, ours.loss)
    gradients = []
    for model in (bert.train(), dlfa.train()):
        torch.manual_seed(7)  # The same dropout in both.
        model(**inputs, labels=labels).loss.backward()
        gradients.append(model.get_input_embeddings().weight.grad)
    assert torch.equal(*gradients)


def test_the_pooler_of_the_checkpoint_reads_the_fused_first_token(tmp_path: Path, inputs: dict) -> None:
    bert = lively(BertModel(config().backbone_config))
    bert.save_pretrained(tmp_path)
    model = DlfaForSequenceClassification.from_backbone(tmp_path, fusion="mean", fusion_layers=2, num_labels=3)
    assert torch.equal(model.dlfa.pooler.dense.weight, bert.pooler.dense.weight)
    states = bert(**inputs, output_hidden_states=True).hidden_states
    fused = (states[4][:, 0] + states[2][:, 0]) / 2
    expected = model.classifier(torch.tanh(bert.pooler.dense(fused)))
    torch.testing.assert_close(model(**inputs).logits, expected)
    assert "pooler" not in [name for name, _ in model.dlfa.backbone.named_children()]


@pytest.mark.parametrize("model_class", CLASSES)
@pytest.mark.parametrize("layer", [0, 2])
def test_a_lower_layer_alone_is_read_as_it_is(
    model_class: type, layer: int, tmp_path: Path, inputs: dict[str, torch.Tensor]
) -> None:
    bert = lively(BertModel(config().backbone_config))
    bert.save_pretrained(tmp_path / "bert")
    options = {"fusion": "layer", "fusion_layers": layer, "num_labels": 3}
    model = model_class.from_backbone(tmp_path / "bert", **options)
    state = bert(**inputs, output_hidden_states=True).hidden_states[layer]
    assert torch.equal(model.base_model(**inputs).last_hidden_state, state)
    if model_class is DlfaForSequenceClassification:
        assert torch.equal(model(**inputs).logits, model.classifier(bert.pooler(state)))
        # The blocks above are run and not trained.
        model(**inputs, labels=torch.tensor([0, 1, 2, 0])).loss.backward()
        trained = {name for name, parameter in model.dlfa.backbone.named_parameters() if parameter.grad is not None}
        blocks = {int(name.split(".")[2]) for name in trained if name.startswith("encoder.layer.")}
        assert blocks == set(range(layer)) and "embeddings.word_embeddings.weight" in trained
    model.save_pretrained(tmp_path / "saved")
    again = model_class.from_pretrained(tmp_path / "saved")
    assert again.config.fusion == "layer" and again.config.fusion_layers == [layer]
    assert torch.equal(again.base_model(**inputs).last_hidden_state, state)


def test_mean_pooling_reads_all_real_fused_tokens(inputs: dict) -> None:
    model = lively(DlfaForSequenceClassification(config(pooling="mean")))
    fused = model.dlfa(**inputs).last_hidden_state
    mean = torch.stack([row[mask.bool()].mean(0) for row, mask in zip(fused, inputs["attention_mask"], strict=True)])
    expected = model.classifier(torch.tanh(model.dlfa.pooler.dense(mean)))
    torch.testing.assert_close(model(**inputs).logits, expected)


@pytest.mark.parametrize("gate", ["select", "excite"])
@pytest.mark.parametrize("layers", [2, [0, 3]])
def test_the_classifier_computes_the_gate_only_where_it_reads(gate: str, layers: Any, inputs: dict) -> None:
    model = lively(DlfaForSequenceClassification(config(gate=gate, fusion_layers=layers)))
    seen = []
    model.dlfa.fusion.local_branch.register_forward_hook(lambda module, args, output: seen.append(args[0].shape))
    logits = model(**inputs).logits
    assert seen == [(4, 1, 16)]
    full = model.dlfa(**inputs)
    torch.testing.assert_close(logits, model.classifier(full.pooler_output), rtol=1e-6, atol=1e-6)
    weighted = model(**inputs, output_fusion_weights=True)
    assert torch.equal(weighted.logits, logits)


def test_fusion_weights_show_what_each_token_takes_from_which_layer(inputs: dict) -> None:
    model = lively(DlfaForTokenClassification(config()))
    full = model(**inputs, output_fusion_weights="full").fusion_weights
    mean = model(**inputs, output_fusion_weights=True).fusion_weights
    real = inputs["attention_mask"].bool()
    assert full.shape == (4, 11, 16) and mean.shape == (4, 11)
    assert full[~real].abs().max() == 0 and 0 < full[real].min() and full[real].max() < 1
    torch.testing.assert_close(mean, full.mean(-1))
    states = model(**inputs, output_hidden_states=True).hidden_states
    expected = full * states[4] + (1 - full) * states[2]
    torch.testing.assert_close(model.dlfa(**inputs).last_hidden_state[real], expected[real])
    several = lively(DlfaForTokenClassification(config(fusion_layers=[1, 3])))
    shares = several(**inputs, output_fusion_weights=True).fusion_weights
    assert shares.shape == (4, 11, 3)
    torch.testing.assert_close(shares.sum(-1), real.float())
    assert DlfaModel(config(fusion="mean"))(**inputs, output_fusion_weights=True).fusion_weights is None
    configured = DlfaModel(config(output_fusion_weights=True))
    assert configured(**inputs).fusion_weights.shape == (4, 11)


def test_only_the_hidden_states_that_the_fusion_needs_stay_alive(inputs: dict) -> None:
    model = lively(DlfaForTokenClassification(config(fusion_layers=1)))
    blocks = model.dlfa.backbone.encoder.layer
    outputs: list[weakref.ref] = []
    alive: dict[str, list[bool]] = {}

    def note(when: str) -> None:
        alive[when] = [ref() is not None for ref in outputs]

    blocks[3].register_forward_pre_hook(lambda *_: note("before the last block"))
    model.dlfa.fusion.register_forward_pre_hook(lambda *_: note("at the fusion"))
    for block in blocks:
        block.register_forward_hook(
            lambda module, args, output: outputs.append(weakref.ref(output[0] if type(output) is tuple else output))
        )
    with torch.no_grad():
        model(**inputs)
    assert alive["at the fusion"] == [True, False, False, True]
    if not BEFORE_V5_10:
        assert alive["before the last block"] == [True, False, True]


def test_a_mask_that_is_no_padding_mask_is_refused(inputs: dict) -> None:
    square = inputs["attention_mask"][:, None, :].expand(-1, 11, -1)
    with pytest.raises(ValueError, match="B x T"):
        DlfaModel(config()).eval()(input_ids=inputs["input_ids"], attention_mask=square)


def test_one_config_builds_both_tasks() -> None:
    shared = config()
    token, sequence = DlfaForTokenClassification(shared), DlfaForSequenceClassification(shared)
    assert token.dlfa.pooler is None and sequence.dlfa.pooler is not None
    assert shared.add_pooling_layer and not token.config.add_pooling_layer


def test_the_gate_does_not_break_the_trainers_predictions(inputs: dict, tmp_path: Path) -> None:
    model = DlfaForTokenClassification(config(output_fusion_weights=True))
    rows = [{key: value[row, :length] for key, value in inputs.items()} for row, length in enumerate((11, 7, 3, 9))]
    rows = [{**row, "labels": torch.zeros_like(row["input_ids"])} for row in rows]
    arguments = TrainingArguments(str(tmp_path), per_device_eval_batch_size=1, report_to="none", use_cpu=True)
    predicted = Trainer(model, arguments).predict(rows)  # Each batch has a length of its own.
    assert isinstance(predicted.predictions, np.ndarray) and predicted.predictions.shape == (4, 11, 3)
    with pytest.raises(ValueError, match="output_fusion_weights='foo' does not exist"):
        model(**inputs, output_fusion_weights="foo")


def test_what_is_not_finite_in_padded_embeddings_changes_nothing(inputs: dict) -> None:
    model = lively(DlfaForTokenClassification(config()))
    embeddings = model.get_input_embeddings()(inputs.pop("input_ids")).detach()
    real = inputs["attention_mask"].bool()
    clean = model(inputs_embeds=embeddings, **inputs).logits
    spoilt = model(inputs_embeds=embeddings.masked_fill(~real[..., None], float("nan")), **inputs).logits
    assert torch.equal(spoilt, clean)


@pytest.mark.parametrize("problem", ["single_label_classification", "multi_label_classification", "regression"])
def test_the_loss_of_a_step_does_not_depend_on_its_split_into_batches(problem: str, inputs: dict) -> None:
    model = lively(DlfaForSequenceClassification(config(problem_type=problem, classifier_dropout=0.0)))
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (4,)) if problem == "single_label_classification" else torch.rand(4, 3)
    whole = model(**inputs, labels=labels).loss
    parts = [slice(0, 3), slice(3, 4)]
    summed = sum(
        model(**{k: v[p] for k, v in inputs.items()}, labels=labels[p], num_items_in_batch=labels.numel()).loss
        for p in parts
    )
    torch.testing.assert_close(summed, whole)


def test_token_labels_that_do_not_count(inputs: dict) -> None:
    model = lively(DlfaForTokenClassification(config(classifier_dropout=0.0)))
    labels = torch.randint(0, 3, (4, 11)).masked_fill(inputs["attention_mask"] == 0, -100)
    output = model(**inputs, labels=labels)
    real = labels != -100
    expected = nn.functional.cross_entropy(output.logits[real], labels[real])
    torch.testing.assert_close(output.loss, expected)
    averaged = model(**inputs, labels=labels, num_items_in_batch=torch.tensor(int(real.sum()))).loss
    torch.testing.assert_close(averaged, expected)
