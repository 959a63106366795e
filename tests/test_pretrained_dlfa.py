"""Wrapping encoders, loading and saving: from_backbone, from_pretrained, the Auto classes."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
)

from modeling_dlfa import (
    DlfaConfig,
    DlfaForSequenceClassification,
    DlfaForTokenClassification,
    DlfaModel,
    verify_weights,
)

from .small_bert import CLASSES, SMALL, config, lively, padded_batch


@pytest.fixture
def inputs() -> dict[str, torch.Tensor]:
    return padded_batch()


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_new_pooler_is_called_new(tmp_path: Path, pooling: str, caplog: pytest.LogCaptureFixture) -> None:
    bert = lively(BertModel(config().backbone_config, add_pooling_layer=pooling == "mean"))
    bert.save_pretrained(tmp_path)
    torch.manual_seed(0)
    model = DlfaForSequenceClassification.from_backbone(tmp_path, fusion_layers=2, num_labels=3, pooling=pooling)
    assert "The pooler is part of the head" in caplog.text
    assert model.dlfa.pooler.dense.weight.std().item() == pytest.approx(0.02, rel=0.3)
    assert model.dlfa.pooler.dense.bias.abs().max().item() == 0


@pytest.mark.parametrize("saved", CLASSES)
@pytest.mark.parametrize(
    "auto_class", [AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification]
)
def test_auto_classes_load_whichever_was_saved(saved: type, auto_class: Any, tmp_path: Path, inputs: dict) -> None:
    model = lively(saved(config()))
    model.save_pretrained(tmp_path)
    # Asked for, a head that the checkpoint has not is a new one.
    loaded, info = auto_class.from_pretrained(tmp_path, output_loading_info=True, ignore_mismatched_sizes=True)
    missing = {key for key in info["missing_keys"] if not key.startswith("classifier")}
    if auto_class is AutoModelForSequenceClassification and saved is DlfaForTokenClassification:
        assert missing == {"dlfa.pooler.dense.weight", "dlfa.pooler.dense.bias"}  # Which that task does not train.
    else:
        assert not missing
    trunk = model.dlfa if saved is not DlfaModel else model
    ours = loaded.dlfa if auto_class is not AutoModel else loaded
    assert torch.equal(trunk.eval()(**inputs).last_hidden_state, ours.eval()(**inputs).last_hidden_state)
    saved_config = json.loads((tmp_path / "config.json").read_text())
    assert len(saved_config["auto_map"]) == 4 and saved_config["model_type"] == "dlfa"
    assert {path.name for path in tmp_path.glob("*.py")} == {
        path.name for path in Path(__file__).parents[1].glob("modeling_dlfa/*_dlfa.py")
    }
    assert not list(tmp_path.glob("*.bin"))


def test_a_half_precision_checkpoint_is_trained_in_single(tmp_path: Path) -> None:
    lively(BertModel(config().backbone_config)).half().save_pretrained(tmp_path)
    model = DlfaForSequenceClassification.from_backbone(tmp_path, fusion_layers=1, num_labels=2)
    assert {p.dtype for p in model.parameters()} == {torch.float32} and model.config.dtype == torch.float32
    half = DlfaForSequenceClassification.from_backbone(tmp_path, fusion_layers=1, dtype=torch.bfloat16)
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}


def test_from_backbone_loads_the_backbone_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bert = lively(BertModel(config().backbone_config))
    bert.save_pretrained(tmp_path)
    built = []
    original = BertModel.__init__

    def counting(self: BertModel, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        built.append(next(self.parameters()).device.type)

    monkeypatch.setattr(BertModel, "__init__", counting)
    model = DlfaForTokenClassification.from_backbone(tmp_path, fusion_layers=1, num_labels=5)
    assert set(built) == {"meta"}, "a second backbone took memory"
    for name, ours in model.dlfa.backbone.named_parameters():
        assert torch.equal(ours, bert.get_parameter(name)), name
    assert not model.training and model.classifier.out_features == 5


@pytest.mark.parametrize("kind", [BertModel, BertForSequenceClassification, BertForMaskedLM])
def test_a_model_object_is_wrapped_with_the_weights_it_has(kind: type, inputs: dict, tmp_path: Path) -> None:
    bert = lively(kind(BertConfig(**SMALL, attn_implementation="eager"))).train()
    before, structure = copy.deepcopy(bert.config.to_dict()), str(bert)
    logits = bert.eval()(**inputs)[0]
    bert.train()
    model = DlfaForSequenceClassification.from_backbone(bert, fusion="mean", fusion_layers=2, num_labels=3)
    ours = dict(model.dlfa.backbone.named_parameters())
    theirs = {name: value for name, value in bert.base_model.named_parameters() if "pooler" not in name}
    assert ours.keys() == theirs.keys() and all(ours[name] is theirs[name] for name in ours)
    has_pooler = getattr(bert.base_model, "pooler", None) is not None
    assert has_pooler is (kind is not BertForMaskedLM)
    assert not has_pooler or model.dlfa.pooler.dense.weight is bert.base_model.pooler.dense.weight
    states = bert.eval().base_model(**inputs, output_hidden_states=True).hidden_states
    torch.testing.assert_close(model.dlfa(**inputs).last_hidden_state, (states[2] + states[4]) / 2)
    # Nothing of theirs but the weights is ours.
    assert str(bert) == structure and bert.config.to_dict() == before
    assert torch.equal(bert(**inputs)[0], logits)
    assert model.config.backbone_config is not bert.config
    assert all(module.config is not bert.config for module in model.modules() if hasattr(module, "config"))
    assert model.dlfa.backbone.config._attn_implementation == "eager"
    model.save_pretrained(tmp_path)
    again = DlfaForSequenceClassification.from_pretrained(tmp_path, attn_implementation="eager")
    assert torch.equal(again(**inputs).logits, model(**inputs).logits)


def test_a_model_object_keeps_its_type_and_its_frozen_layers() -> None:
    bert = BertModel(config().backbone_config).to(torch.bfloat16)
    bert.embeddings.requires_grad_(False)
    model = DlfaForTokenClassification.from_backbone(bert, config=config())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.config.dtype == torch.bfloat16 and not model.get_input_embeddings().weight.requires_grad
    assert model.classifier.weight.requires_grad


def test_model_objects_that_cannot_be_wrapped_say_why(tmp_path: Path) -> None:
    bert = BertModel(config().backbone_config)
    for options, message in (
        ({"dtype": torch.bfloat16}, "Leave out dtype: a model object"),
        ({"torch_dtype": torch.bfloat16}, "Leave out dtype"),
        ({"attn_implementation": "eager", "revision": "main"}, "Leave out attn_implementation, revision"),
        ({"device_map": "cpu"}, "Leave out device_map"),
        ({"fusion_layers": 9}, "outside"),
        ({"config": DlfaConfig(BertConfig(**{**SMALL, "num_hidden_layers": 3}))}, "that config describes"),
    ):
        with pytest.raises(ValueError, match=message):
            DlfaModel.from_backbone(bert, **options)
    with pytest.raises(ValueError, match="DlfaModel is already a DLFA checkpoint"):
        DlfaModel.from_backbone(DlfaForTokenClassification(config()))
    with torch.device("meta"):
        empty = BertModel(config().backbone_config)
    with pytest.raises(ValueError, match="meta device"):
        DlfaModel.from_backbone(empty)

    class Other(BertModel):
        pass

    with pytest.raises(ValueError, match="Other cannot be wrapped: it is not the plain encoder"):
        DlfaModel.from_backbone(Other(config().backbone_config))
    with pytest.raises(TypeError, match=r"not Linear\. If it is a wrapper"):
        DlfaModel.from_backbone(nn.Linear(2, 2))  # type: ignore[arg-type]
    bert.save_pretrained(tmp_path)
    with pytest.raises(TypeError, match=r"does not quantise.*from_pretrained\(folder, quantization_config"):
        DlfaModel.from_backbone(tmp_path, quantization_config={"load_in_8bit": True})
    with pytest.raises(TypeError, match="the same argument"):
        DlfaModel.from_backbone(tmp_path, dtype=torch.float32, torch_dtype=torch.float32)


def test_from_backbone_loads_as_from_pretrained_does(tmp_path: Path) -> None:
    BertModel(config().backbone_config).save_pretrained(tmp_path)
    half = DlfaForSequenceClassification.from_backbone(tmp_path, fusion_layers=1, torch_dtype="bfloat16")
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}
    for device_map in ("cpu", "auto", {"": "cpu"}):
        placed = DlfaForSequenceClassification.from_backbone(tmp_path, fusion_layers=1, device_map=device_map)
        assert {parameter.device.type for parameter in placed.parameters()} == {"cpu"}
    spread = {"embeddings": "cpu", "encoder": "disk", "pooler": "cpu"}
    with pytest.raises(ValueError, match="several devices"):
        DlfaModel.from_backbone(tmp_path, fusion_layers=1, device_map=spread)


def test_layers_that_were_set_by_hand_are_numbered_as_those_that_were_given(inputs: dict, tmp_path: Path) -> None:
    lively(DlfaForTokenClassification(config(fusion_layers=1))).save_pretrained(tmp_path)
    other = DlfaForTokenClassification.from_pretrained(tmp_path, fusion_layers=-2)
    assert other.config.fusion_layers == [3] and other(**inputs).logits.shape == (4, 11, 3)


def test_from_backbone_is_reproducible(tmp_path: Path) -> None:
    BertModel(config().backbone_config).save_pretrained(tmp_path)
    states = []
    for _ in range(2):
        torch.manual_seed(11)
        model = DlfaForSequenceClassification.from_backbone(tmp_path, fusion_layers=1, gate_init=0.8)
        states.append(model.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    bias = states[0]["dlfa.fusion.local_branch.expand.bias"]
    torch.testing.assert_close(bias.sigmoid(), torch.full_like(bias, 0.8))
    assert states[0]["dlfa.fusion.global_branch.expand.bias"].abs().max() == 0


def test_wrong_ways_to_load_say_what_is_right(tmp_path: Path) -> None:
    plain, own, torn = tmp_path / "plain", tmp_path / "own", tmp_path / "torn"
    BertModel(config().backbone_config).save_pretrained(plain)
    DlfaForSequenceClassification(config()).save_pretrained(own)
    BertModel(config().backbone_config).save_pretrained(torn)
    weights = load_file(torn / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.weight")
    save_file(weights, torn / "model.safetensors", metadata={"format": "pt"})
    for model_class in CLASSES:
        with pytest.raises(ValueError, match="from_backbone"):
            model_class.from_pretrained(plain)
        with pytest.raises(ValueError, match="from_backbone"):
            model_class.from_pretrained(plain, config=config())
    with pytest.raises(ValueError, match="is already a DLFA checkpoint"):
        DlfaModel.from_backbone(own)
    with pytest.raises(ValueError, match=r"encoder.layer.1.output.dense.weight"):
        DlfaModel.from_backbone(torn, fusion_layers=1)
    with pytest.raises(TypeError, match=r"fusion_layer;.* Did you mean fusion_layers\?"):
        DlfaModel.from_backbone(plain, fusion_layer=1)
    for given, values in ((config(), {"fusion_layers": 1}), ({"fusion_layers": 1}, {})):
        with pytest.raises(TypeError, match=r"Give config=DlfaConfig\(...\) or its values"):
            DlfaModel.from_backbone(plain, config=given, **values)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="did you mean 'fusion_layers'"):
        DlfaForSequenceClassification.from_pretrained(own, fusion_layer=1)
    with pytest.raises(ValueError, match="output_fusion_weights='foo'"):
        DlfaForSequenceClassification.from_pretrained(own, output_fusion_weights="foo")
    with pytest.raises(ValueError, match="outside"):
        DlfaModel.from_backbone(plain, fusion_layers=9)


# A tiny classifier, its input and its logits, saved by commit 983fc14.
SAVED_BEFORE = Path(__file__).with_name("saved_before")


@pytest.mark.parametrize("loader", [DlfaForSequenceClassification, AutoModelForSequenceClassification])
def test_a_checkpoint_that_was_saved_before_loads(loader: Any, tmp_path: Path) -> None:
    known = json.loads((SAVED_BEFORE / "logits.json").read_text())
    ids = torch.tensor(known["input_ids"])
    verify_weights(SAVED_BEFORE)
    model = loader.from_pretrained(SAVED_BEFORE)
    assert type(model) is DlfaForSequenceClassification
    logits = model(ids, (ids != 0).long()).logits
    torch.testing.assert_close(logits, torch.tensor(known["logits"]), rtol=0, atol=1e-6)
    model.save_pretrained(tmp_path)
    assert torch.equal(loader.from_pretrained(tmp_path)(ids, (ids != 0).long()).logits, logits)


REMOTE = """
import json, sys
sys.modules["modeling_dlfa"] = None  # As on a machine without the package.
import torch
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification
folder, ids = sys.argv[1], torch.tensor([[2, 9, 8, 7, 3]])
logits = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)(ids).logits
states = AutoModel.from_pretrained(folder, trust_remote_code=True)(ids).last_hidden_state
tokens = AutoModelForTokenClassification.from_pretrained(folder, trust_remote_code=True)(ids).logits
assert type(AutoConfig.from_pretrained(folder, trust_remote_code=True)).__module__.startswith("transformers_modules")
print(json.dumps([logits.tolist(), states.tolist(), list(tokens.shape)]))
"""


def test_the_files_beside_a_checkpoint_are_enough(
    tmp_path: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    model = lively(DlfaForSequenceClassification(config()))
    model.save_pretrained(tmp_path / "checkpoint")
    process = run_python("-c", REMOTE, str(tmp_path / "checkpoint"), HF_HOME=str(tmp_path / "home"))
    logits, states, shape = json.loads(process.stdout.strip().splitlines()[-1])
    ids = torch.tensor([[2, 9, 8, 7, 3]])
    assert torch.equal(torch.tensor(logits), model(ids).logits) and shape == [1, 5, 3]
    assert torch.equal(torch.tensor(states), model.dlfa(ids).last_hidden_state)
