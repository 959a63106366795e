"""Building, saving, loading and resizing over each of the six backbones, and the attention they are built for."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from modeling_dlfa import DlfaConfig, DlfaForSequenceClassification, DlfaForTokenClassification, DlfaModel

from .backbones import BACKBONES, BEFORE_V5, BEFORE_V5_10, EAGER_ONLY, VOCAB_SIZE, batch, build, dlfa_config
from .backbones_run import CLOSE, OTHER_FUSIONS, each_backbone, each_class, result

pytestmark = [
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(torch|transformers)"),
]


AUTO_CLASSES = {
    DlfaModel: AutoModel,
    DlfaForSequenceClassification: AutoModelForSequenceClassification,
    DlfaForTokenClassification: AutoModelForTokenClassification,
}
# How the fusions must start, with a gate of 0.7 at first; the secondary streams share the rest.
FUSION_STARTS = {
    "aif": {"fusion.local_branch.expand.bias": math.log(0.7 / 0.3), "fusion.global_branch.expand.bias": 0.0},
    "aif+glyphs": {"fusion.local_branch.expand.bias": math.log(0.7 / 0.15), "fusion.global_branch.expand.bias": 0.0},
    "concat": {"fusion.primary.bias": 0.0, "fusion.secondary.0.weight": 0.0},
    "scalar_mix": {"fusion.weights": 0.0, "fusion.scale": 1.0},
}


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
