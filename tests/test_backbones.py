"""What transformers asks of a model of its own, for the three DLFA classes over each of the six backbones.

The same ground as its `ModelTesterMixin`, which its wheel does not carry, on tiny encoders with random weights.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from modeling_dlfa import DlfaConfig, DlfaForSequenceClassification, DlfaForTokenClassification, DlfaModel

from .backbones import (
    BACKBONES,
    BEFORE_V5,
    BEFORE_V5_10,
    EAGER_ONLY,
    MODEL_CLASSES,
    VOCAB_SIZE,
    batch,
    build,
    dlfa_config,
    labels,
)

AUTO_CLASSES = {
    DlfaModel: AutoModel,
    DlfaForSequenceClassification: AutoModelForSequenceClassification,
    DlfaForTokenClassification: AutoModelForTokenClassification,
}
OTHER_FUSIONS = (
    *(("bert", fusion) for fusion in ("last", "mean", "concat", "scalar_mix", "layer")),
    *(("bert-glyphs", fusion) for fusion in ("mean", "concat", "scalar_mix")),
)
# How the fusions must start, with a gate of 0.7 at first; the secondary streams share the rest.
FUSION_STARTS = {
    "aif": {"fusion.local_branch.expand.bias": math.log(0.7 / 0.3), "fusion.global_branch.expand.bias": 0.0},
    "aif+glyphs": {"fusion.local_branch.expand.bias": math.log(0.7 / 0.15), "fusion.global_branch.expand.bias": 0.0},
    "concat": {"fusion.primary.bias": 0.0, "fusion.secondary.0.weight": 0.0},
    "scalar_mix": {"fusion.weights": 0.0, "fusion.scale": 1.0},
}
CLOSE = {"rtol": 1e-4, "atol": 1e-5}

pytestmark = [
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(torch|transformers)"),
]
each_backbone = pytest.mark.parametrize("name", BACKBONES)
each_class = pytest.mark.parametrize("model_class", MODEL_CLASSES, ids=lambda model_class: model_class.__name__)


@torch.no_grad()
def result(model: PreTrainedModel, **inputs: Any) -> torch.Tensor:
    """Returns the logits, or the fused stream of the model without a head."""
    output = model(**inputs, return_dict=True)
    return output["last_hidden_state"] if isinstance(model, DlfaModel) else output["logits"]


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


def tensors(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Returns every parameter and every buffer, also those that are not saved."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def attention_of(model: PreTrainedModel) -> set[str]:
    """Returns the attention implementations that the modules inside the backbone were built for."""
    modules = (module for module in model.base_model.backbone.modules() if hasattr(module, "config"))
    return {module.config._attn_implementation for module in modules}


def assert_equal_tensors(first: PreTrainedModel, second: PreTrainedModel) -> None:
    expected, found = tensors(first), tensors(second)
    assert expected.keys() == found.keys()
    assert [key for key in expected if not torch.equal(expected[key], found[key])] == []


# Saving, loading, initialisation


@each_class
@each_backbone
def test_a_saved_model_is_the_same_when_loaded(name: str, model_class: type, tmp_path: Path) -> None:
    model = build(model_class, name)
    model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".py") == [
        "config.json",
        "model.safetensors",
    ]
    loaded, info = model_class.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert_equal_tensors(model, loaded)
    assert torch.equal(result(model, **batch(name)), result(loaded, **batch(name)))
    assert loaded.config.to_diff_dict() == model_class.from_pretrained(tmp_path).config.to_diff_dict()
    assert type(AUTO_CLASSES[model_class].from_pretrained(tmp_path)) is model_class


@each_backbone
def test_a_head_model_loads_a_saved_base_model_and_the_other_way_round(name: str, tmp_path: Path) -> None:
    base = build(DlfaModel, name)
    base.save_pretrained(tmp_path / "base")
    head, info = DlfaForSequenceClassification.from_pretrained(
        tmp_path / "base", output_loading_info=True, ignore_mismatched_sizes=True
    )
    assert set(info["missing_keys"]) == {"classifier.weight", "classifier.bias"}
    assert_equal_tensors(base, head.dlfa)
    head.save_pretrained(tmp_path / "head")
    assert_equal_tensors(base, DlfaModel.from_pretrained(tmp_path / "head"))


@each_class
@each_backbone
def test_loading_goes_through_the_meta_device_and_leaves_nothing_random(
    name: str, model_class: type, tmp_path: Path
) -> None:
    devices: set[str] = set()

    class Probe(model_class):
        def __init__(self, config: DlfaConfig) -> None:
            super().__init__(config)
            devices.update(parameter.device.type for parameter in self.parameters())

    model = build(model_class, name)
    model.save_pretrained(tmp_path)
    for seed in (1, 2):
        torch.manual_seed(seed)
        assert_equal_tensors(model, Probe.from_pretrained(tmp_path))
    assert devices == {"meta"}


@each_class
@each_backbone
def test_construction_on_the_meta_device_takes_no_memory(name: str, model_class: type) -> None:
    with torch.device("meta"):
        model = model_class(dlfa_config(name))
    assert {tensor.device.type for tensor in tensors(model).values()} == {"meta"}


@each_class
@each_backbone
def test_initialisation_follows_the_seed_alone(name: str, model_class: type) -> None:
    models = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        models.append(model_class(dlfa_config(name)))
    assert_equal_tensors(models[0], models[1])
    squeezes = [model.base_model.fusion.local_branch.squeeze.weight for model in models]
    assert not torch.equal(squeezes[0], squeezes[2])


@each_class
@pytest.mark.parametrize(("name", "fusion"), [*((name, "aif") for name in BACKBONES), *OTHER_FUSIONS])
def test_missing_weights_are_initialised_as_at_construction(name: str, fusion: str, model_class: type) -> None:
    config = dlfa_config(name, fusion=fusion, **({"gate_init": 0.7} if fusion == "aif" else {}))
    built = tensors(model_class(config))
    filled = tensors(model_class.from_pretrained(None, config=config, state_dict={}))
    kind = "aif+glyphs" if (name, fusion) == ("bert-glyphs", "aif") else fusion
    for key, value in FUSION_STARTS.get(kind, {}).items():
        (found,) = (tensor for name, tensor in filled.items() if name.endswith(key))
        torch.testing.assert_close(found, torch.full_like(found, value))
    for key, expected in built.items():
        # Constants (biases, norms, an identity matrix, a rotary table) are the same, drawn weights as widely spread.
        if expected.is_floating_point() and expected.unique().numel() > 2 and "inv_freq" not in key:
            assert filled[key].std().item() == pytest.approx(expected.std().item(), rel=0.6), key
        else:
            assert torch.equal(filled[key], expected), key


# Padding, batches, determinism


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


# Attention implementations


@each_class
@each_backbone
def test_attention_is_sdpa_by_default_and_eager_on_request_and_both_agree(
    name: str, model_class: type, tmp_path: Path
) -> None:
    model = build(model_class, name)
    default = "eager" if name in EAGER_ONLY else "sdpa"
    assert attention_of(model) == {default} == {model.config._attn_implementation}
    model.save_pretrained(tmp_path)
    assert attention_of(model_class.from_pretrained(tmp_path)) == {default}
    eager = model_class.from_pretrained(tmp_path, attn_implementation="eager")
    assert attention_of(eager) == {"eager"} == {eager.config._attn_implementation}
    inputs = batch(name)
    outputs = [result(variant, **inputs) for variant in (model, eager)]
    if outputs[0].dim() == 3:  # What stands at padding is each implementation's own affair.
        outputs = [output[inputs["attention_mask"] == 1] for output in outputs]
    torch.testing.assert_close(*outputs, **CLOSE)


@each_backbone
def test_attention_can_be_changed_on_a_built_model(name: str) -> None:
    if BEFORE_V5:
        pytest.skip("the encoders of transformers before v5 keep the attention that they were built with")
    if BEFORE_V5_10 and name == "modernbert":
        pytest.skip("so does ModernBERT before v5.1x")
    model = build(DlfaForSequenceClassification, name)
    model.set_attn_implementation("eager")
    assert attention_of(model) == {"eager"}
    if name in EAGER_ONLY:
        with pytest.raises(ValueError, match="does not support"):
            model.set_attn_implementation("sdpa")
    else:
        model.set_attn_implementation("sdpa")
        assert attention_of(model) == {"sdpa"}


@each_backbone
def test_flex_attention_reaches_the_backbone_and_agrees(name: str) -> None:
    if name in EAGER_ONLY or BEFORE_V5:
        with pytest.raises(ValueError, match="flex_attention|flex attention"):
            DlfaModel._from_config(dlfa_config(name), attn_implementation="flex_attention")
        return
    eager = build(DlfaForTokenClassification, name, attn_implementation="eager")
    flex = build(DlfaForTokenClassification, name, attn_implementation="flex_attention")
    assert attention_of(flex) == {"flex_attention"}
    inputs = batch(name)
    real = inputs["attention_mask"] == 1
    # Compiling it takes a C++ compiler and half a minute; uncompiled it computes the same.
    with torch.compiler.set_stance("force_eager"):
        torch.testing.assert_close(result(flex, **inputs)[real], result(eager, **inputs)[real], **CLOSE)


# Training


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


# Inputs and outputs


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
def test_resized_embeddings_work_and_survive_saving(name: str, model_class: type, tmp_path: Path) -> None:
    model, inputs = build(model_class, name), batch(name)
    expected = result(model, **inputs)
    model.resize_token_embeddings(VOCAB_SIZE + 8)
    assert model.get_input_embeddings().num_embeddings == VOCAB_SIZE + 8 == model.config.vocab_size
    assert torch.equal(result(model, **inputs), expected)
    inputs["input_ids"][:, 2] = VOCAB_SIZE + 7
    model.save_pretrained(tmp_path)
    loaded = model_class.from_pretrained(tmp_path)
    assert loaded.config.backbone_config.vocab_size == VOCAB_SIZE + 8
    assert torch.equal(result(loaded, **inputs), result(model, **inputs))
    glyphs = loaded.base_model.glyphs
    if glyphs is not None:
        assert len(glyphs.table) == VOCAB_SIZE + 8 and not glyphs.table[VOCAB_SIZE:].any()
    model.resize_token_embeddings(90)
    assert glyphs is None or torch.equal(model.base_model.glyphs.table, glyphs.table[:90])
    assert model.get_input_embeddings().num_embeddings == 90 == model.config.backbone_config.vocab_size


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


# Compilation


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
