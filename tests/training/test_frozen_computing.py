"""Kept states of frozen layers: every kind of encoder answers on them as it does without."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from modeling_dlfa import DlfaForTokenClassification, freeze_backbone
from modeling_dlfa.errors import InputError
from modeling_dlfa.training import frozen_computing
from modeling_dlfa.training.frozen_computing import keep_states
from modeling_dlfa.training.frozen_states import ROW, STATES, FrozenStates, StatesCollator

from ..backbones import BACKBONES, batch, build

LENGTHS = (9, 5, 7, 3, 9)


def examples(name: str, seed: int = 1) -> Dataset:
    inputs = batch(name, LENGTHS, seed=seed)
    mask = inputs["attention_mask"].bool()
    return Dataset.from_list(
        [{key: value[row][mask[row]].tolist() for key, value in inputs.items()} for row in range(len(LENGTHS))]
    )


def pad(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    width, keys = max(len(row["input_ids"]) for row in rows), [key for key in rows[0] if key != ROW]
    return {key: torch.tensor([row[key] + [0] * (width - len(row[key])) for row in rows]) for key in keys}


def keep(model: Any, depth: int, layers: list[int], datasets: list[Dataset], folder: Path) -> FrozenStates:
    return keep_states(model.base_model.backbone, depth, layers, datasets, folder, pad=pad, batch_size=2, dtype=None)


def answer(model: Any, states: FrozenStates | None, rows: list[dict[str, Any]]) -> torch.Tensor:
    collated = dict(StatesCollator(pad, states)(rows)) if states is not None else pad(rows)
    return model(**(states.take(collated) if states is not None else collated)).logits


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_answers_are_those_of_the_whole_model(name: str, depth: int, tmp_path: Path) -> None:
    model = build(DlfaForTokenClassification, name, fusion_layers=[1, 2])
    freeze_backbone(model, None if depth == 3 else depth)
    data = examples(name)
    rows = [data[row] for row in (3, 0, 2)]
    with torch.no_grad():
        expected = answer(model, None, rows)
    states = keep(model, depth, [1, 2], [data], tmp_path)
    numbered = states.numbered(data, 0)
    rows = [numbered[row] for row in (3, 0, 2)]
    found = answer(model, states, rows)
    mask = pad(rows)["attention_mask"].bool()
    assert torch.allclose(found[mask], expected[mask], atol=0.02, rtol=0.01)
    found[mask].sum().backward()
    graded = {key for key, weight in model.named_parameters() if weight.grad is not None and weight.grad.any()}
    blocks = [key for key in graded if "backbone" in key]
    assert bool(blocks) is (depth < 3) and any("classifier" in key for key in graded)
    states.release()
    with torch.no_grad():
        assert torch.equal(answer(model, None, [data[row] for row in (3, 0, 2)]), expected)


def test_states_are_computed_once_and_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[list[int]] = []
    compute = frozen_computing._compute

    def counted(backbone: Any, entry: Any, layers: list[int], *rest: Any) -> None:
        computed.append(list(layers))
        compute(backbone, entry, layers, *rest)

    monkeypatch.setattr(frozen_computing, "_compute", counted)
    data, others = examples("bert"), examples("bert", seed=3)
    model = freeze_backbone(build(DlfaForTokenClassification, "bert"), 2)
    keep(model, 2, [1], [data, others], tmp_path)
    assert computed == [[1, 2], [1, 2]]
    again = freeze_backbone(build(DlfaForTokenClassification, "bert"), 1)
    keep(again, 1, [], [data], tmp_path)
    keep(again, 1, [], [others, data], tmp_path)
    assert len(computed) == 2
    keep(build(DlfaForTokenClassification, "bert", seed=5), 2, [], [data], tmp_path)  # Other weights.
    assert computed[2:] == [[2]]


def test_batches_of_several_data_sets_find_their_own_states(tmp_path: Path) -> None:
    model = freeze_backbone(build(DlfaForTokenClassification, "bert"), 2)
    data = [examples("bert"), examples("bert", seed=3)]
    states = keep(model, 2, [1], data, tmp_path)
    first, second = (states.numbered(dataset, index) for index, dataset in enumerate(data))
    alone = states.gather([second[3][ROW]], torch.ones(1, 3))
    both = states.gather([first[3][ROW], second[3][ROW]], torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0]]))
    assert torch.equal(both[1, :, :3], alone[0]) and not both[1, :, 3:].any()
    assert not both[0, :, :2].any() and not torch.equal(both[0, :, 2:], alone[0])


def test_a_data_loading_process_gets_files_not_the_encoder(tmp_path: Path) -> None:
    model = freeze_backbone(build(DlfaForTokenClassification, "bert"), 2)
    data = examples("bert")
    states = keep(model, 2, [1], [data], tmp_path)
    collator = StatesCollator(pad, states)
    rows = [states.numbered(data, 0)[row] for row in range(2)]
    sent = pickle.dumps(collator)
    assert len(sent) < 3000
    assert torch.equal(pickle.loads(sent)(copy.deepcopy(rows))[STATES], collator(rows)[STATES])


def test_frozen_layers_drop_nothing_out(tmp_path: Path) -> None:
    model = build(DlfaForTokenClassification, "bert", fusion="layer", fusion_layers=[1], classifier_dropout=0.0)
    freeze_backbone(model, 2)
    data = examples("bert")
    states = keep(model, 2, [1], [data], tmp_path)
    rows = [states.numbered(data, 0)[row] for row in range(2)]
    model.train()
    assert torch.equal(answer(model, states, rows), answer(model, states, rows))
    states.release()
    model.train()
    plain = [data[row] for row in range(2)]
    assert not torch.equal(answer(model, None, plain), answer(model, None, plain))


def test_states_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    model = freeze_backbone(build(DlfaForTokenClassification, "bert"), 2)
    with torch.no_grad():
        model.base_model.backbone.encoder.layer[1].output.LayerNorm.weight.mul_(1e6)
    with pytest.raises(InputError, match="layer 2 exceed half precision"):
        keep(model, 2, [1], [examples("bert")], tmp_path)
    assert not list(tmp_path.rglob("*.npy"))
