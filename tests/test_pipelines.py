"""The pipelines of transformers take our checkpoints: with the package, without it, batched, and without a warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, pipeline

from modeling_dlfa.cli import main
from modeling_dlfa.tasks import XNLI

from .asking import HARMLESS, LONG, PAIRS, STRATEGIES, TEXTS, Checkpoints, answer, approximately
from .backbones import BACKBONES
from .online import Environment
from .tiny_checkpoints import ENTITIES, letter_tokenizer, save_checkpoint


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    folder = tmp_path_factory.mktemp("checkpoints")
    return Checkpoints(
        save_checkpoint(folder / "sequence", "sequence", XNLI.labels),
        save_checkpoint(folder / "token", "token", ENTITIES),
    )


@pytest.fixture(scope="module")
def installed(
    package_environment: Environment, checkpoints: Checkpoints, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    return answer(package_environment, checkpoints, "package", tmp_path_factory.mktemp("home-package"))


@pytest.fixture(scope="module")
def remote(
    bare_environment: Environment, checkpoints: Checkpoints, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    return answer(bare_environment, checkpoints, "remote", tmp_path_factory.mktemp("home-remote"))


def test_with_the_package_and_without_the_same(installed: dict[str, Any], remote: dict[str, Any]) -> None:
    assert installed["present"] and not remote["present"]
    assert installed["answers"] == remote["answers"]


def test_no_warning(installed: dict[str, Any], remote: dict[str, Any]) -> None:
    for result in (installed, remote):
        assert [line for line in result["said"] if not line.startswith(HARMLESS)] == []


def test_batched_as_alone(installed: dict[str, Any]) -> None:
    for name, (alone, batched) in installed["answers"].items():
        assert batched == approximately(alone), name


def test_every_language_has_answers_of_its_own(installed: dict[str, Any]) -> None:
    answers = {name: alone for name, (alone, _) in installed["answers"].items()}
    for name in ("single", "pairs"):
        assert len(answers[name]) == 15 and all({a["label"] for a in row} == set(XNLI.labels) for row in answers[name])
        assert len({row[0]["score"] for row in answers[name]}) == 15
    for row, text in zip(answers["zero-shot False"], TEXTS, strict=True):
        assert row["sequence"] == text and sum(row["scores"]) == pytest.approx(1, abs=1e-5)
    for strategy in STRATEGIES:
        for entities, text in zip(answers[strategy], TEXTS, strict=True):
            assert entities, (strategy, text)
            for entity in entities:
                assert 0 <= entity["start"] < entity["end"] <= len(text)
    # Windows reach beyond the 160 tokens that a single input keeps.
    assert answers["long none"][0][-1]["end"] < 240 < len(LONG) - 20 <= answers["long first"][0][-1]["end"]


def test_zero_shot_scores_are_those_of_the_entailment_label(checkpoints: Checkpoints) -> None:
    config = AutoConfig.from_pretrained(checkpoints.sequence)
    assert config.label2id["entailment"] == 0 and config.label2id["contradiction"] == 2
    zero_shot = pipeline("zero-shot-classification", model=str(checkpoints.sequence))
    classify = pipeline("text-classification", model=str(checkpoints.sequence))
    assert zero_shot.entailment_id == 0
    scores = zero_shot(TEXTS[0], candidate_labels=["food"], hypothesis_template="{}", multi_label=True)["scores"]
    shares = {
        entry["label"]: entry["score"] for entry in classify({"text": TEXTS[0], "text_pair": "food"}, top_k=None)
    }
    expected = shares["entailment"] / (shares["entailment"] + shares["contradiction"])
    assert scores == [pytest.approx(expected, abs=1e-5)]


@pytest.mark.parametrize("backbone", BACKBONES[1:])
def test_every_backbone(backbone: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sequence = str(save_checkpoint(tmp_path / "sequence", "sequence", XNLI.labels, backbone))
    token = str(save_checkpoint(tmp_path / "token", "token", ENTITIES, backbone))
    capfd.readouterr()
    classify = pipeline("text-classification", model=sequence, device="cpu")
    alone = [classify(pair, top_k=None) for pair in PAIRS]
    assert classify(PAIRS, batch_size=4, top_k=None) == approximately(alone)
    zero_shot = pipeline("zero-shot-classification", model=sequence, device="cpu")
    assert len(zero_shot(TEXTS, candidate_labels=["food", "home"], batch_size=4)) == 15
    every = {"aggregation_strategy": "first", "ignore_labels": [], "stride": 16}
    tag = pipeline("token-classification", model=token, device="cpu", **every)
    assert tag([*TEXTS, LONG], batch_size=4)[-1][-1]["end"] >= len(LONG) - 20
    lines = [line for line in capfd.readouterr().err.splitlines() if line.strip() and "Loading weights" not in line]
    assert [line for line in lines if not line.startswith(HARMLESS)] == []


def test_a_trained_model_knows_how_much_it_reads(
    tiny_encoder: Path, tiny_tags: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A tokenizer that names no longest input would warn in pipelines, and cut nothing where the encoder fails."""
    letter_tokenizer(max_length=None).save_pretrained(tmp_path / "tokenizer")
    from transformers import BertConfig, BertModel

    small = BertConfig.from_pretrained(tiny_encoder)
    small.vocab_size = len(letter_tokenizer())
    BertModel(small).save_pretrained(tmp_path / "encoder")
    arguments = ["--model_name_or_path", str(tmp_path / "encoder"), "--tokenizer_name", str(tmp_path / "tokenizer")]
    arguments += [
        "--train_file",
        str(tiny_tags / "ner-train.tsv"),
        "--validation_file",
        str(tiny_tags / "ner-dev.tsv"),
    ]
    arguments += ["--test_file", str(tiny_tags / "ner-test-{language}.tsv"), "--languages", "en", "--use_cpu", "True"]
    main("panx", [*arguments, "--fusion_layers", "1", "--max_steps", "1", "--output_dir", str(tmp_path / "out")])
    model = str(tmp_path / "out" / "models" / "aif-layer1-seed42")
    capfd.readouterr()
    tag = pipeline("token-classification", model=model, ignore_labels=[], device="cpu")
    assert tag.tokenizer.model_max_length == 64
    assert len(tag(LONG)) == 62
    assert "maximum length" not in capfd.readouterr().err
