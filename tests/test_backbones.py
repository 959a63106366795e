"""What transformers asks of a model of its own, for the three DLFA classes over each of the six backbones.

The same ground as its `ModelTesterMixin`, which its wheel does not carry, on tiny encoders with random weights.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification, DlfaModel

from .backbones import BACKBONES, BEFORE_V5, BEFORE_V5_10, EAGER_ONLY, batch, build, dlfa_config, labels
from .backbones_run import CLOSE, OTHER_FUSIONS, each_backbone, each_class, result

pytestmark = [
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(torch|transformers)"),
]


def total(output: Any) -> torch.Tensor:
    """Returns a scalar to differentiate: the loss, or a sum for the model without a head."""
    if output.get("loss") is not None:
        return output["loss"]
    return output["last_hidden_state"].square().sum() + output["pooler_output"].square().sum()


def gradients(model: PreTrainedModel, **inputs: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor | None]]:
    """Returns the loss of a training step with dropout from a fixed seed, and every parameter's gradient."""
    model.train()
    model.zero_grad()
    torch.manual_seed(5)
    loss = total(model(**inputs, **labels(type(model), inputs)))
    loss.backward()
    return loss.detach(), {name: parameter.grad for name, parameter in model.named_parameters()}


@each_class
@each_backbone
def test_an_example_does_not_depend_on_its_batch_or_on_padding(name: str, model_class: type) -> None:
    model, lengths = build(model_class, name), (9, 5, 7)
    inputs = batch(name, lengths)
    together = result(model, **inputs)
    for row, length in enumerate(lengths):
        alone = result(model, **{key: value[row : row + 1, :length] for key, value in inputs.items()})[0]
        seen = together[row] if together.dim() == 2 else together[row, :length]
        torch.testing.assert_close(seen, alone, **CLOSE)
    order = [2, 0, 1]
    turned = result(model, **{key: value[order] for key, value in inputs.items()})
    kept = inputs["attention_mask"][order] == 1
    expected = together[order]
    torch.testing.assert_close(
        *((turned, expected) if together.dim() == 2 else (turned[kept], expected[kept])), **CLOSE
    )


@each_class
@each_backbone
def test_padding_on_the_left_gives_what_padding_on_the_right_gives(name: str, model_class: type) -> None:
    if BEFORE_V5 and name == "distilbert":
        pytest.skip("DistilBERT takes no position_ids before transformers v5")
    model, right, left = build(model_class, name), batch(name), batch(name, left=True)
    outputs = [result(model, **inputs) for inputs in (right, left)]
    if outputs[0].dim() == 3:
        outputs = [
            output[inputs["attention_mask"] == 1] for output, inputs in zip(outputs, (right, left), strict=True)
        ]
    torch.testing.assert_close(*outputs, **CLOSE)


@each_class
@each_backbone
def test_junk_in_padding_changes_nothing(name: str, model_class: type) -> None:
    model, inputs = build(model_class, name), batch(name)
    real = inputs["attention_mask"] == 1
    junk = {**inputs, "input_ids": inputs["input_ids"].masked_fill(~real, 77)}
    before, after = result(model, **inputs), result(model, **junk)
    assert torch.equal(before, after) if before.dim() == 2 else torch.equal(before[real], after[real])


@each_class
@each_backbone
def test_evaluation_is_deterministic_and_training_has_dropout(name: str, model_class: type) -> None:
    model, inputs = build(model_class, name, classifier_dropout=0.5, fusion_dropout=0.5), batch(name)
    assert torch.equal(result(model, **inputs), result(model, **inputs))
    model.train()
    assert not torch.equal(result(model, **inputs), result(model, **inputs))


@each_class
@each_backbone
def test_gradient_checkpointing_changes_neither_loss_nor_gradients(name: str, model_class: type) -> None:
    model, inputs = build(model_class, name), batch(name)
    calls = [0]

    def count(*_: Any) -> None:
        calls[-1] += 1

    for module in model.base_model.backbone.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(count)
    loss, expected = gradients(model, **inputs)
    model.gradient_checkpointing_enable()
    assert model.is_gradient_checkpointing
    calls.append(0)
    checkpointed_loss, found = gradients(model, **inputs)
    assert calls[1] > calls[0]  # The layers ran once more in the backward pass.
    torch.testing.assert_close(checkpointed_loss, loss, **CLOSE)
    torch.testing.assert_close(found, expected, **CLOSE)


@each_class
@each_backbone
def test_reentrant_checkpointing_is_refused(name: str, model_class: type) -> None:
    model = model_class(dlfa_config(name))
    with pytest.raises(ValueError, match="use_reentrant"):
        model.gradient_checkpointing_enable({"use_reentrant": True})
    baseline = model_class(dlfa_config(name, fusion="last"))
    baseline.gradient_checkpointing_enable({"use_reentrant": True})
    assert baseline.is_gradient_checkpointing


@each_class
@pytest.mark.parametrize(("name", "fusion"), [*((name, "aif") for name in BACKBONES), *OTHER_FUSIONS])
def test_every_parameter_gets_a_gradient(name: str, fusion: str, model_class: type) -> None:
    _, found = gradients(build(model_class, name, fusion=fusion), **batch(name))
    if fusion == "layer":  # The first block is read, of three.
        above = {key for key in found if re.search(r"backbone\.encoder\.layer\.[12]\.", key)}
        assert above == {key for key, gradient in found.items() if gradient is None}
        found = {key: gradient for key, gradient in found.items() if key not in above}
    assert [key for key, gradient in found.items() if gradient is None or not gradient.isfinite().all()] == []
    ours = {key: gradient for key, gradient in found.items() if "backbone." not in key}
    assert [key for key, gradient in ours.items() if not gradient.any()] == []


@each_class
@each_backbone
def test_bfloat16_differs_by_rounding_alone(name: str, model_class: type) -> None:
    model, inputs = build(model_class, name), batch(name)
    real = inputs["attention_mask"] == 1
    expected = result(model, **inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = [result(model, **inputs)]
        loss, found = gradients(model, **inputs)
    assert loss.isfinite()
    assert {gradient.dtype for gradient in found.values()} == {torch.float32}
    outputs.append(result(model.eval().to(torch.bfloat16), **inputs))
    assert outputs[1].dtype == torch.bfloat16
    for output in outputs:
        difference = (output - expected).abs() if output.dim() == 2 else (output - expected)[real].abs()
        assert difference.mean() < 0.05 * expected.abs().mean()


@each_backbone
@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification", "regression"])
def test_the_problem_type_follows_from_the_labels(name: str, problem_type: str) -> None:
    model = build(DlfaForSequenceClassification, name, num_labels=1 if problem_type == "regression" else 3)
    inputs = batch(name)
    logits = result(model, **inputs)
    target, expected = {
        "single_label_classification": (torch.tensor([2, 0, 1]), nn.functional.cross_entropy),
        "multi_label_classification": (torch.eye(3), nn.functional.binary_cross_entropy_with_logits),
        "regression": (torch.tensor([[0.5], [-1.0], [2.0]]), nn.functional.mse_loss),
    }[problem_type]
    loss = model(**inputs, labels=target).loss
    assert model.config.problem_type == problem_type
    torch.testing.assert_close(loss, expected(logits, target))
    if problem_type == "regression":
        torch.testing.assert_close(model(**inputs, labels=target[:, 0]).loss, loss)


@each_class
@each_backbone
def test_inputs_embeds_stand_for_input_ids(name: str, model_class: type) -> None:
    model, inputs = build(model_class, name), batch(name, (7, 7))  # XLM-RoBERTa sees padding in ids alone.
    ids = inputs.pop("input_ids")
    embeds = model.get_input_embeddings()(ids).detach()
    expected = result(model, **batch(name, (7, 7)))
    glyphs = model.base_model.glyphs
    if glyphs is not None:
        with pytest.raises(ValueError, match="Give visual_embeds"):
            model(inputs_embeds=embeds, **inputs)
        inputs["visual_embeds"] = glyphs.table[ids]
    torch.testing.assert_close(result(model, inputs_embeds=embeds, **inputs), expected, **CLOSE)


@each_class
@each_backbone
def test_a_tuple_holds_what_the_dictionary_holds(name: str, model_class: type) -> None:
    model, inputs = build(model_class, name, attn_implementation="eager"), batch(name)
    asked = {"output_hidden_states": True, "output_attentions": True, "output_fusion_weights": True}
    for extra in ({}, asked, labels(model_class, inputs)):
        with torch.no_grad():
            as_dict = model(**inputs, **extra)
            as_tuple = model(**inputs, **extra, return_dict=False)
        assert isinstance(as_tuple, tuple)
        torch.testing.assert_close(as_tuple, as_dict.to_tuple(), rtol=0, atol=0)
    model.config.return_dict = False
    assert isinstance(model(**inputs), tuple)


@each_class
@each_backbone
def test_hidden_states_and_attentions_are_the_backbones_and_change_nothing(name: str, model_class: type) -> None:
    model, inputs = build(model_class, name, attn_implementation="eager"), batch(name)
    expected = result(model, **inputs)
    asked = {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        output = model(**inputs, **asked)
        plain = model.base_model.backbone(**inputs, **asked)
        bare = model(**inputs)
    key = "last_hidden_state" if model_class is DlfaModel else "logits"
    assert torch.equal(output[key], expected)
    assert bare.hidden_states is None and bare.attentions is None
    assert len(output.hidden_states) == 4 and len(output.attentions) == 3
    torch.testing.assert_close(output.hidden_states, plain.hidden_states, rtol=0, atol=0)
    torch.testing.assert_close(output.attentions, plain.attentions, rtol=0, atol=0)


@each_class
@each_backbone
def test_single_hidden_states_can_be_asked_for(name: str, model_class: type) -> None:
    model, inputs = build(model_class, name), batch(name)
    with torch.no_grad():
        whole = model(**inputs, output_hidden_states=True).hidden_states
        some = model(**inputs, output_hidden_states=[0, -2])
        one = model(**inputs, output_hidden_states=3).hidden_states
    assert [state is not None for state in some.hidden_states] == [True, False, True, False]
    assert [state is not None for state in one] == [False, False, False, True]
    assert torch.equal(some.hidden_states[0], whole[0]) and torch.equal(some.hidden_states[2], whole[2])
    assert torch.equal(one[3], whole[3])
    assert torch.equal(some[0], result(model, **inputs))


@each_backbone
def test_only_the_hidden_states_that_the_fusion_needs_are_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, kept = build(DlfaModel, name), []
    forward = model.backbone.forward

    def spy(*args: Any, **kwargs: Any) -> Any:
        output = forward(*args, **kwargs)
        kept.extend(index for index, state in enumerate(output.hidden_states) if state is not None)
        return output

    monkeypatch.setattr(model.backbone, "forward", spy)
    result(model, **batch(name))
    # DeBERTa and RemBERT collect their states in a loop of their own, which keeps all until the backbone returns.
    assert kept == ([0, 1, 2, 3] if name in EAGER_ONLY or BEFORE_V5_10 else [1])


@pytest.mark.parametrize(
    ("name", "model_class"),
    [*((name, DlfaForSequenceClassification) for name in BACKBONES), ("bert", DlfaForTokenClassification)],
)
def test_a_compiled_model_is_one_graph_and_gives_the_same(name: str, model_class: type) -> None:
    model, inputs = build(model_class, name), batch(name)
    expected = result(model, **inputs)
    torch.compiler.reset()
    # Without code generation, which takes a C++ compiler and minutes: what our code can break is the graph.
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(result(compiled, **inputs), expected, **CLOSE)
