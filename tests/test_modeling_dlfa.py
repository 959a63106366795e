"""What is DLFA's own in the models: the baseline is exactly BERT, the pooler, the gate, loading."""

from __future__ import annotations

import copy
import json
import subprocess
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
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
    BertForTokenClassification,
    BertModel,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
)

from modeling_dlfa import (
    DlfaConfig,
    DlfaForSequenceClassification,
    DlfaForTokenClassification,
    DlfaModel,
    verify_weights,
)

from .backbones import BEFORE_V5_10

CLASSES = [DlfaModel, DlfaForSequenceClassification, DlfaForTokenClassification]


SMALL: dict[str, Any] = {
    "vocab_size": 80,
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
}


def config(**values: Any) -> DlfaConfig:
    return DlfaConfig(BertConfig(**SMALL), **{"fusion_layers": 2, "num_labels": 3, **values})


def lively(model: PreTrainedModel) -> Any:
    """Fills every weight so that no zero or one hides an error."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model.eval()


@pytest.fixture
def inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    mask = torch.ones(4, 11, dtype=torch.long)
    mask[1, 7:] = 0
    mask[2, 3:] = 0
    types = torch.zeros_like(mask)
    types[:, 5:] = 1
    return {"input_ids": torch.randint(5, 80, (4, 11)), "attention_mask": mask, "token_type_ids": types}


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


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_new_pooler_is_called_new(tmp_path: Path, pooling: str, caplog: pytest.LogCaptureFixture) -> None:
    bert = lively(BertModel(config().backbone_config, add_pooling_layer=pooling == "mean"))
    bert.save_pretrained(tmp_path)
    torch.manual_seed(0)
    model = DlfaForSequenceClassification.from_backbone(tmp_path, fusion_layers=2, num_labels=3, pooling=pooling)
    assert "The pooler is part of the head" in caplog.text
    assert model.dlfa.pooler.dense.weight.std().item() == pytest.approx(0.02, rel=0.3)
    assert model.dlfa.pooler.dense.bias.abs().max().item() == 0


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


def test_one_config_builds_both_tasks() -> None:
    shared = config()
    token, sequence = DlfaForTokenClassification(shared), DlfaForSequenceClassification(shared)
    assert token.dlfa.pooler is None and sequence.dlfa.pooler is not None
    assert shared.add_pooling_layer and not token.config.add_pooling_layer


def save_half(model: PreTrainedModel, folder: Path) -> None:
    model.half().save_pretrained(folder)


def test_a_half_precision_checkpoint_is_trained_in_single(tmp_path: Path) -> None:
    save_half(lively(BertModel(config().backbone_config)), tmp_path)
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
    with pytest.raises(ValueError, match="DlfaModel is a DLFA checkpoint already"):
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
    with pytest.raises(ValueError, match="did you mean 'fusion_layers'"):
        DlfaForSequenceClassification.from_pretrained(own, fusion_layer=1)
    with pytest.raises(ValueError, match="output_fusion_weights='foo'"):
        DlfaForSequenceClassification.from_pretrained(own, output_fusion_weights="foo")
    with pytest.raises(ValueError, match="outside"):
        DlfaModel.from_backbone(plain, fusion_layers=9)


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


def test_importing_the_package_loads_no_heavy_library(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    code = "import sys, modeling_dlfa; print(sorted({'datasets', 'evaluate', 'matplotlib'} & set(sys.modules)))"
    assert run_python("-c", code).stdout.strip().splitlines()[-1] == "[]"
