"""Every value is checked at construction, stored once, and loads again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, BertConfig, ModernBertConfig, XLMRobertaConfig

from modeling_dlfa import DlfaConfig, DlfaForSequenceClassification
from modeling_dlfa.values_dlfa import CHOICES

BERT = {"model_type": "bert", "num_hidden_layers": 12, "hidden_size": 48, "num_attention_heads": 4}


@pytest.mark.parametrize(
    ("given", "stored"),
    [(8, [8]), (0, [0]), (-2, [11]), (-13, [0]), ([3, 6], [3, 6]), ([-2, 4], [11, 4]), (None, [8])],
)
def test_layers_are_numbered_as_in_hidden_states(given: Any, stored: list[int]) -> None:
    assert DlfaConfig(BERT, fusion_layers=given).fusion_layers == stored


def test_the_baseline_reads_no_lower_layer_and_the_scalar_mix_all() -> None:
    assert DlfaConfig(BERT, fusion="last").fusion_layers == []
    assert DlfaConfig(BERT, fusion="scalar_mix").fusion_layers == list(range(12))


def test_beside_glyphs_there_may_be_no_layer() -> None:
    for fusion in ("aif", "mean", "concat"):
        assert DlfaConfig(BERT, fusion=fusion, fusion_layers=[], glyph_size=6).fusion_layers == []
        assert DlfaConfig(BERT, fusion=fusion, glyph_size=6).fusion_layers == [8]
    again = DlfaConfig.from_dict(DlfaConfig(BERT, fusion_layers=[], glyph_size=6).to_dict())
    assert (again.fusion_layers, again.glyph_size, again.glyph_kernel_size) == ([], 6, 1)


def test_one_lower_layer_alone_is_one() -> None:
    assert DlfaConfig(BERT, fusion="layer").fusion_layers == DlfaConfig(BERT).fusion_layers == [8]
    assert DlfaConfig(BERT, fusion="layer", fusion_layers=-13).fusion_layers == [0]
    for wrong, message in (([3, 6], "reads only one lower layer"), (-1, "last layer"), ([], "empty")):
        with pytest.raises(ValueError, match=message):
            DlfaConfig(BERT, fusion="layer", fusion_layers=wrong)
    modern = ModernBertConfig(num_hidden_layers=4, hidden_size=24, num_attention_heads=2, intermediate_size=24)
    assert DlfaConfig(modern, fusion="layer").stream_norm == "layer_norm"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fusion": "sum"}, "fusion='sum' does not exist; choose from aif, last, mean, concat, scalar_mix, layer"),
        ({"fusion_layers": 13}, "outside this 12-layer backbone"),
        ({"fusion_layers": -14}, "outside this 12-layer backbone"),
        ({"fusion_layers": 12}, "last layer"),
        ({"fusion_layers": -1}, "last layer"),
        ({"fusion_layers": []}, "empty; fusion='aif' needs at least one lower layer, or glyphs"),
        ({"glyph_size": -1}, "glyph_size=-1"),
        ({"glyph_size": 6.0}, "glyph_size=6.0"),
        ({"glyph_size": 6, "glyph_kernel_size": 2}, "glyph_kernel_size=2 is not an odd number"),
        (
            {"glyph_size": 6, "glyph_table": "no"},
            "'no' is not True or False, or one of permuted, gaussian, scr",
        ),
        ({"glyph_size": 6, "glyph_table": 1}, "glyph_table=1 is not True"),
        ({"glyph_table": "permuted"}, "glyph_table has no effect without a visual stream"),
        ({"glyph_kernel_size": 3}, "glyph_kernel_size has no effect without a visual stream"),
        ({"glyph_table": False}, "glyph_table has no effect without a visual stream"),
        ({"fusion": "last", "glyph_size": 6}, "glyph_size has no effect with fusion='last'"),
        ({"fusion": "layer", "glyph_size": 6}, "glyph_size has no effect with fusion='layer'"),
        ({"fusion_layers": [4, -9]}, "twice"),
        ({"fusion_layers": [4.0]}, "integers"),
        ({"fusion_layers": True}, "integers"),
        ({"gate": "add"}, "gate='add'"),
        ({"reduction_ratio": 5}, "does not divide the hidden size 48"),
        ({"reduction_ratio": 0}, "does not divide"),
        ({"fusion_norm": "batch_norm"}, "fusion_norm"),
        ({"fusion_activation": "swish"}, "fusion_activation"),
        ({"stream_norm": "batch_norm"}, "stream_norm"),
        ({"gate_init": 1.0}, "between 0 and 1"),
        ({"pooling": "max"}, "pooling"),
        ({"fusion_dropout": 1.5}, "fusion_dropout"),
        ({"classifier_dropout": -0.1}, "classifier_dropout"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        DlfaConfig(BERT, **values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fusion": "last", "fusion_layers": 3}, "fusion_layers has no effect with fusion='last'"),
        ({"fusion": "scalar_mix", "fusion_layers": 3}, "fusion_layers has no effect with fusion='scalar_mix'"),
        ({"fusion": "mean", "gate": "excite"}, "gate has no effect with fusion='mean': only fusion='aif' reads it"),
        ({"fusion": "concat", "reduction_ratio": 2}, "reduction_ratio has no effect"),
        ({"fusion": "last", "stream_norm": "layer_norm"}, "stream_norm has no effect"),
        ({"fusion": "mean", "output_fusion_weights": True}, "output_fusion_weights has no effect"),
        ({"fusion": "layer", "gate_init": 0.9}, "gate_init has no effect with fusion='layer'"),
        ({"output_fusion_weights": "foo"}, "choose from True, False, 'full'"),
        ({"add_pooling_layer": "no"}, "is not True or False"),
        ({"fusion_layer": 4}, "no option 'fusion_layer'; did you mean 'fusion_layers'"),
        ({"num_label": 4}, "did you mean 'num_labels'"),
        ({"num_labels": 0}, "num_labels=0 leaves nothing to predict"),
        ({"num_labels": -2}, "num_labels=-2 leaves nothing to predict"),
        ({"num_hidden_layers": 4}, "num_hidden_layers is an option of the encoder"),
        ({"hidden_dropout_prob": 0.3}, "hidden_dropout_prob is an option of the encoder"),
        ({"problem_type": "multi"}, "problem_type='multi' does not exist; choose from single_label_classification"),
        ({"glyphs": "glyphs/"}, r"from_backbone\(\.\.\., glyphs=\.\.\.\) takes them"),
        ({"fusion_layers": 8.0}, "integers"),
        ({"fusion_layers": "8"}, "integers"),
    ],
)
def test_what_cannot_act_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DlfaConfig(BERT, **values)


@pytest.mark.parametrize("fusion", CHOICES["fusion"])
def test_what_every_fusion_stores_can_be_given_back(fusion: str) -> None:
    values = DlfaConfig(BERT, fusion=fusion, num_labels=3, note="of my own").to_dict()
    assert DlfaConfig(**values).to_dict() == values == DlfaConfig.from_dict(values).to_dict()
    assert values["note"] == "of my own"


def test_what_was_saved_before_still_loads(tmp_path: Path) -> None:
    values = DlfaConfig(BERT, fusion="mean", fusion_layers=3, id2label={0: "a", 1: "b", 2: "c"}).to_dict()
    idle = {"gate": "excite", "reduction_ratio": 16, "gate_init": 0.9, "output_fusion_weights": True}
    strange = {"label2id": None, "fusion_layer": 3, "intermediate_size": 7}
    (tmp_path / "config.json").write_text(json.dumps({**values, **idle, **strange}), encoding="utf-8")
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert (loaded.fusion, loaded.fusion_layers, loaded.gate, loaded.reduction_ratio) == ("mean", [3], "select", 4)
    assert loaded.label2id == {"a": 0, "b": 1, "c": 2} and not loaded.output_fusion_weights
    with pytest.raises(ValueError, match="gate has no effect with fusion='mean'"):
        AutoConfig.from_pretrained(tmp_path, gate="excite")
    with pytest.raises(ValueError, match="did you mean 'fusion_layers'"):
        AutoConfig.from_pretrained(tmp_path, fusion_layer=2)
    for name in ("num_hidden_layers", "hidden_size", "vocab_size"):
        with pytest.raises(ValueError, match=f"{name} is an option of the encoder"):
            AutoConfig.from_pretrained(tmp_path, **{name: 24})
    with pytest.raises(ValueError, match="integers"):
        AutoConfig.from_pretrained(tmp_path, fusion_layers=8.0)
    assert AutoConfig.from_pretrained(tmp_path, fusion_layers=-2).fusion_layers == [11]


def test_an_encoder_of_one_block_has_its_embeddings_to_fuse() -> None:
    one = {**BERT, "num_hidden_layers": 1}
    with pytest.raises(ValueError, match="one block.*fusion_layers=0"):
        DlfaConfig(one)
    assert DlfaConfig(one, fusion_layers=0).fusion_layers == [0]
    assert DlfaConfig(one, fusion="last").fusion_layers == []
    with pytest.raises(ValueError, match="without blocks"):
        DlfaConfig({**BERT, "num_hidden_layers": 0})


def test_either_of_the_two_maps_of_labels_is_enough(tmp_path: Path) -> None:
    names, ids = {0: "no", 1: "maybe", 2: "yes"}, {"no": 0, "maybe": 1, "yes": 2}
    for given in (
        {"id2label": names},
        {"label2id": ids},
        {"id2label": {str(key): name for key, name in names.items()}},
    ):
        config = DlfaConfig(BERT, **given)
        assert (config.id2label, config.label2id, config.num_labels) == (names, ids, 3)
        config.save_pretrained(tmp_path)
        assert json.loads((tmp_path / "config.json").read_text())["label2id"] == ids
    model = DlfaForSequenceClassification(DlfaConfig({**BERT, "vocab_size": 9}, label2id=ids))
    assert model.classifier.out_features == 3
    other = DlfaConfig.from_pretrained(tmp_path, id2label={0: "x", 1: "y"})
    assert (other.label2id, other.num_labels) == ({"x": 0, "y": 1}, 2)
    fewer = DlfaConfig.from_pretrained(tmp_path, num_labels=2)
    assert (fewer.id2label, fewer.label2id) == ({0: "LABEL_0", 1: "LABEL_1"}, {"LABEL_0": 0, "LABEL_1": 1})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"id2label": {0: "a", 1: "b"}, "num_labels": 3}, "num_labels=3, but id2label names 2"),
        ({"label2id": {"a": 0}, "num_labels": 2}, "num_labels=2, but id2label names 1"),
        ({"id2label": {0: "a", 1: "b"}, "label2id": {"a": 1, "b": 0}}, "contradict"),
        ({"id2label": {0: "a", 1: "a"}}, "contradict|its own name"),
        ({"id2label": {1: "a", 2: "b"}}, "number them from 0"),
        ({"id2label": ["a", "b"]}, "id2label is list"),
    ],
)
def test_labels_that_contradict_each_other_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DlfaConfig(BERT, **values)


def test_a_wrong_value_set_later_is_found_when_the_model_is_built() -> None:
    config = DlfaConfig(BERT, fusion_layers=4)
    config.fusion_layers = [40]
    with pytest.raises(ValueError, match="outside"):
        DlfaForSequenceClassification(config)


def test_auto_map_names_all_classes_whatever_was_given(tmp_path: Path) -> None:
    config = DlfaConfig(BERT, auto_map={"AutoModel": "other/repo--evil.Model"})
    assert config.auto_map == {
        "AutoConfig": "configuration_dlfa.DlfaConfig",
        "AutoModel": "modeling_dlfa.DlfaModel",
        "AutoModelForSequenceClassification": "modeling_dlfa.DlfaForSequenceClassification",
        "AutoModelForTokenClassification": "modeling_dlfa.DlfaForTokenClassification",
    }


def test_saving_and_loading_keeps_everything(tmp_path: Path) -> None:
    config = DlfaConfig(
        XLMRobertaConfig(num_hidden_layers=4, hidden_size=24, num_attention_heads=2, type_vocab_size=1),
        fusion_layers=[1, -2],
        gate="excite",
        reduction_ratio=2,
        fusion_norm="rms_norm",
        gate_init=0.9,
        pooling="mean",
        classifier_dropout=0.3,
        num_labels=5,
        problem_type="multi_label_classification",
    )
    config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert type(again) is DlfaConfig and type(again.backbone_config) is XLMRobertaConfig

    def content(value: DlfaConfig) -> dict[str, Any]:
        return {key: entry for key, entry in value.to_dict().items() if key != "_name_or_path"}

    assert content(again) == content(config)
    assert again.num_labels == 5 and again.hidden_size == 24 and again.pad_token_id == config.pad_token_id


def test_what_is_saved_does_not_say_where_the_encoder_lay(tiny_encoder: Path, tmp_path: Path) -> None:
    model = DlfaForSequenceClassification.from_backbone(tiny_encoder, fusion_layers=1)
    assert model.config.backbone_config._name_or_path == str(tiny_encoder)
    model.save_pretrained(tmp_path / "first")
    DlfaForSequenceClassification.from_pretrained(tmp_path / "first").save_pretrained(tmp_path / "second")
    for name in ("first", "second"):
        text = (tmp_path / name / "config.json").read_text()
        assert "_name_or_path" not in text and str(tiny_encoder) not in text and str(tmp_path) not in text


def test_a_plain_checkpoint_names_from_backbone(tmp_path: Path) -> None:
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="from_backbone"):
        DlfaConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("backbone", "given", "expected"),
    [
        (BertConfig(hidden_dropout_prob=0.2), None, 0.2),
        (BertConfig(hidden_dropout_prob=0.2, classifier_dropout=0.4), None, 0.4),
        ({"model_type": "distilbert", "seq_classif_dropout": 0.25}, None, 0.25),
        (BertConfig(hidden_dropout_prob=0.2), 0.0, 0.0),
    ],
)
def test_classifier_dropout_is_the_backbones_unless_given(backbone: Any, given: float | None, expected: float) -> None:
    assert DlfaConfig(backbone, classifier_dropout=given).classifier_dropout_prob == expected
