"""Mixed embeddings in training: exactly what is mixed, nothing in evaluation, and the same after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file as load_weights
from transformers import AutoTokenizer, DataCollatorWithPadding

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification
from modeling_dlfa.cli import main
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.data.loading import encode, load_file
from modeling_dlfa.data.mixup import MixupTable
from modeling_dlfa.errors import InputError
from modeling_dlfa.glyphs_dlfa import vocabulary_hash
from modeling_dlfa.tasks import XNLI
from modeling_dlfa.training.mixup import IDS, ROW, WEIGHTS, Mixup, check_mixup
from modeling_dlfa.training.options import DataArguments, ModelArguments

from ..backbones import BACKBONES, build
from ..commands import assert_refused, read, stopped_at
from ..launching import fork

RUN = "aif-layer1-seed42"
TABLE = MixupTable.of_rows(
    [[2, 5, 6, 3], [2, 7, 3]],
    [{1: (np.array([8, 9], np.int32), np.array([0.75, 0.25], np.float32))}, {}],
    size=2,
)


def mixup(probability: float = 1.0, weight: float = 0.7, alpha: float | None = None) -> Mixup:
    return Mixup(TABLE, probability, weight, alpha, "0" * 64)


def batch() -> dict[str, torch.Tensor]:
    ids = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]])
    found = {"input_ids": ids, "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])}
    weights = torch.zeros(2, 4, 2)
    weights[0, 1], proposed = torch.tensor([0.75, 0.25]), torch.zeros(2, 4, 2, dtype=torch.long)
    proposed[0, 1] = torch.tensor([8, 9])
    return {**found, IDS: proposed, WEIGHTS: weights}


def trained(kind: Any, name: str) -> Any:
    """Returns a model in training, without dropout, wherever an encoder keeps it."""
    model = build(kind, name)
    for owner in (model.config, model.config.backbone_config, *model.modules()):
        for key in ("p", "dropout", "dropout_prob", "drop_prob", "attention_dropout", "attention_probs_dropout_prob"):
            if isinstance(getattr(owner, key, None), float):
                setattr(owner, key, 0.0)
    return model.train()


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("kind", [DlfaForSequenceClassification, DlfaForTokenClassification])
def test_the_mixed_embeddings_are_exact(name: str, kind: Any) -> None:
    """The same as embeddings, and looks, that are mixed by hand; the table of embeddings gets its gradient."""
    model = trained(kind, name)
    given = batch()
    plain = {name: values for name, values in given.items() if name not in (IDS, WEIGHTS)}
    ids, embeddings = plain["input_ids"], model.get_input_embeddings()

    def by_hand(rows: torch.Tensor) -> torch.Tensor:
        found = rows[ids].clone()
        found[0, 1] = 0.7 * rows[5] + 0.3 * (0.75 * rows[8] + 0.25 * rows[9])
        return found

    with torch.no_grad():
        expected = {"inputs_embeds": by_hand(embeddings.weight), "attention_mask": plain["attention_mask"]}
        if model.dlfa.glyphs is not None:
            expected["visual_embeds"] = by_hand(model.dlfa.glyphs.table.float())
        mask = plain["attention_mask"].bool() if kind is DlfaForTokenClassification else slice(None)
        wanted, unmixed = model(**expected).logits[mask], model(**plain).logits[mask]
    mixup().attach(model)
    logits = model(**given).logits
    torch.testing.assert_close(logits[mask], wanted, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(logits[mask], unmixed, atol=1e-4)
    logits.sum().backward()
    assert embeddings.weight.grad[[5, 8, 9]].abs().sum(dim=1).min() > 0
    with torch.no_grad():
        nothing = {**given, WEIGHTS: torch.zeros_like(given[WEIGHTS])}
        torch.testing.assert_close(model(**nothing).logits[mask], unmixed, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model(**plain).logits[mask], unmixed), "without proposals nothing is mixed"
        model.eval()
        assert torch.equal(model(**given).logits, model(**plain).logits), "nor in evaluation"


def test_the_shares() -> None:
    torch.manual_seed(0)
    weights = torch.zeros(40, 50, 2)
    weights[:, :25, 0] = 1.0
    mixed, share = mixup(0.3).drawn(weights)
    assert not mixed[:, 25:].any() and abs(mixed[:, :25].float().mean() - 0.3) < 0.05
    assert share.tolist() == pytest.approx([0.7] * int(mixed.sum()))
    mixed, share = mixup(1.0, alpha=0.4).drawn(weights)
    assert len(share) == 1000 and share.min() >= 0.5 and share.max() <= 1
    drawn = torch.distributions.Beta(0.4, 0.4).sample((20_000,))
    assert abs(share.mean() - torch.maximum(drawn, 1 - drawn).mean()) < 0.02
    assert mixup(1.0, alpha=0.4).drawn(torch.zeros(2, 3, 2))[1].shape == (0,)


def test_a_batch_gets_its_proposals(tiny_encoder: Path) -> None:
    collate = mixup().collator(DataCollatorWithPadding(AutoTokenizer.from_pretrained(tiny_encoder)))
    examples: list[dict[str, Any]] = [{"input_ids": [2, 7, 3], ROW: 1}, {"input_ids": [2, 5, 6, 3], ROW: 0}]
    found = collate(examples)
    assert found[IDS].shape == (2, 4, 2) and found[IDS][1, 1].tolist() == [8, 9]
    assert found[WEIGHTS][1, 1].tolist() == [0.75, 0.25] and found[WEIGHTS].sum() == 1 and ROW in examples[0]
    assert set(collate([{"input_ids": [2, 3]}])) == {"input_ids", "attention_mask"}


@pytest.mark.parametrize(
    ("values", "more", "message"),
    [
        ({"mixup_lambda": 0.7}, {}, "--mixup_lambda has no effect without --mixup"),
        ({"mixup": "x"}, {"do_train": False}, "--mixup is for training"),
        ({"mixup": "x"}, {"one_pass": True}, "--mixup is not for --one_pass"),
        ({"mixup": "x"}, {"cache_frozen": "x"}, "--cache_frozen keeps states"),
        ({"mixup": "x", "mixup_lambda": 0.7, "mixup_alpha": 1.0}, {}, "Give one of the two"),
        ({"mixup": "x", "mixup_lambda": 1.0}, {}, "from 0 to below 1"),
        ({"mixup": "x", "mixup_probability": 0.0}, {}, "above 0, and up to 1"),
        ({"mixup": "x", "mixup_alpha": 0.0}, {}, "above 0, and up to 100"),
    ],
)
def test_wrong_options(values: dict[str, Any], more: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        model = ModelArguments("encoder", cache_frozen=more.pop("cache_frozen", None))
        check_mixup(DataArguments(**values), model, **{"do_train": True, "one_pass": False, **more})


@pytest.fixture
def proposals(tiny_encoder: Path, tiny_data: Path, tmp_path: Path) -> Path:
    """A file of proposals for the tiny training data: two random pieces for every second token."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    encoded = encode([load_file(tiny_data / "train.tsv", XNLI, "en")], tokenizer, XNLI, 64)["input_ids"][:]
    rng = np.random.default_rng(0)
    pieces = [
        {place: (rng.integers(5, len(tokenizer), 2).astype(np.int32), np.array([0.5, 0.5], np.float32))}
        for ids in encoded
        for place in [1 + len(ids) // 3]
    ]
    path = tmp_path / "train.safetensors"
    table = MixupTable.of_rows(encoded, pieces, 2)
    settings = {"teacher": "planted", "vocabulary": vocabulary_hash(tokenizer)}
    MixupTable(**{**vars(table), "settings": settings}).save(path)
    return path


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_weights(output / "models" / RUN / "model.safetensors")


def test_the_command_mixes_what_it_was_given(
    xnli_arguments: list[str], proposals: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*xnli_arguments, "--mixup", str(proposals), "--mixup_probability", "1", "--max_steps", "3"]
    main("xnli", [*arguments, "--mixup_lambda", "0.6"])
    results = read(tmp_path / "out" / "results.json")
    assert results["recipe"]["mixup"].startswith("lambda 0.6, share 1.0, sha256 ")
    other = tmp_path / "plain"
    main("xnli", [*xnli_arguments, "--max_steps", "3", "--output_dir", str(other)])
    assert "mixup" not in read(other / "results.json")["recipe"]
    mixed, plain = (weights(folder) for folder in (tmp_path / "out", other))
    assert mixed.keys() == plain.keys() and not all(torch.equal(mixed[key], plain[key]) for key in plain)
    unmixed = tmp_path / "unmixed"
    assert_refused([*arguments, "--output_dir", str(unmixed), "--max_length", "9"], "made of other rows", capsys)
    assert_refused([*arguments, "--output_dir", str(tmp_path / "x"), "--do_train", "False"], "--mixup is for", capsys)
    assert not unmixed.exists()


def test_one_pass_is_refused(
    xnli_arguments: list[str], proposals: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        dlfa(["sweep", "xnli", "--one_pass", *xnli_arguments, "--mixup", str(proposals)])
    assert "--mixup is not for --one_pass" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_resumed_run_mixes_the_same(
    xnli_arguments: list[str], proposals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the middle of an epoch of 12 steps."""
    arguments = [*xnli_arguments, "--mixup", str(proposals), "--mixup_alpha", "0.5", "--mixup_probability", "0.5"]
    arguments += ["--save_strategy", "steps", "--save_steps", "4", "--eval_strategy", "steps", "--eval_steps", "4"]
    main("xnli", [*arguments, "--output_dir", str(tmp_path / "whole")])
    with stopped_at(10, monkeypatch):
        main("xnli", [*arguments, "--output_dir", str(tmp_path / "broken")])
    main("xnli", [*arguments, "--output_dir", str(tmp_path / "broken"), "--resume_from_checkpoint", "last"])
    assert read(tmp_path / "broken" / "results.json")["runs"][0]["train"]["resumed"]
    whole, resumed = (weights(tmp_path / folder) for folder in ("whole", "broken"))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


@pytest.mark.slow
def test_two_processes(xnli_arguments: list[str], proposals: Path, tmp_path: Path) -> None:
    arguments = [*xnli_arguments, "--mixup", str(proposals), "--max_steps", "4", "--dataloader_num_workers", "1"]
    fork(["train", "xnli", *arguments], tmp_path / "two")
    results = read(tmp_path / "two" / "results.json")
    assert results["recipe"]["processes"] == 2 and "mixup" in results["recipe"]
    assert all(torch.isfinite(value).all() for value in weights(tmp_path / "two").values())
