"""Pre-training itself: in stages, resumed, from other weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import load_parts, load_state, save_parts
from pretraining import RunSettings, Training, TrainingSettings
from pretraining_batches import BatchSettings
from pretraining_data import Packed
from transformers import BertConfig

from modeling_dlfa.errors import InputError

from .pretraining import (
    batch_settings,
    config,
    training_settings,
)

pytest_plugins = "tests.pretraining_fixtures"


class TestTrain:
    def run(self, packed: Packed, folder: Path, steps: int, **run: float) -> Path:
        settings = training_settings(max_steps=steps, warmup_steps=2, decay_steps=4, learning_rate=3e-3)
        return self.train(packed, config(packed), batch_settings(), settings, folder, **run)

    def train(
        self,
        packed: Packed,
        shape: BertConfig,
        batches: BatchSettings,
        settings: TrainingSettings,
        folder: Path,
        embeddings: np.ndarray | None = None,
        start_from: Path | None = None,
        **run: float,
    ) -> Path:
        how = RunSettings(**{"precision": "no", "logging_steps": 2} | run)
        start = {"embeddings": embeddings, "start_from": start_from}
        return Training(packed, shape, batches, settings, how, folder, **start).train()

    def test_in_stages_as_in_one_go(self, packed: Packed, tmp_path: Path) -> None:
        whole = self.run(packed, tmp_path / "whole", 8)
        for _ in range(3):
            part = self.run(packed, tmp_path / "parts", 8, max_minutes=0.0)
        assert load_state(part)["step"] == 3
        assert sorted(path.name for path in part.parent.glob("checkpoint*")) == ["checkpoint-00000003"]
        part = self.run(packed, tmp_path / "parts", 8)
        for stem in ("model", "optimizer"):
            one, two = load_parts(whole, stem), load_parts(part, stem)
            assert one.keys() == two.keys() and len(one) > 10
            assert all(torch.equal(one[name], two[name]) for name in one)
        one, two = load_state(whole), load_state(part)
        assert one["tokens"] == two["tokens"] > 0 and one["step"] == two["step"] == 8
        curves = [(tmp_path / name / "loss.jsonl").read_text().splitlines() for name in ("whole", "parts")]
        assert [json.loads(line)["step"] for line in curves[0]] == [2, 4, 6, 8]
        assert json.loads(curves[0][-1])["loss"] == json.loads(curves[1][-1])["loss"]

    def test_a_finished_run_stays_as_it_is(self, packed: Packed, tmp_path: Path) -> None:
        one = self.run(packed, tmp_path, 2)
        weights = load_parts(one, "model")
        assert self.run(packed, tmp_path, 2) == one
        assert all(torch.equal(weights[name], tensor) for name, tensor in load_parts(one, "model").items())

    def test_other_settings_are_refused(self, packed: Packed, tmp_path: Path) -> None:
        self.run(packed, tmp_path, 1)
        settings = training_settings(max_steps=2, warmup_steps=0, decay_steps=0)
        with pytest.raises(InputError, match="another config"):
            self.train(packed, config(packed, num_hidden_layers=3), batch_settings(), settings, tmp_path)
        with pytest.raises(InputError, match="another batches"):
            self.train(packed, config(packed), batch_settings(seed=9), settings, tmp_path)

    def test_a_checkpoint_without_its_optimizer_starts_a_new_run(self, packed: Packed, tmp_path: Path) -> None:
        checkpoint = self.run(packed, tmp_path / "one", 1)
        for path in checkpoint.glob("optimizer-*"):
            path.unlink()
        with pytest.raises(InputError, match="--start_from"):
            self.run(packed, tmp_path / "one", 2)
        settings = training_settings(max_steps=1, warmup_steps=0, decay_steps=0, learning_rate=0.0)
        again = self.train(packed, config(packed), batch_settings(), settings, tmp_path / "two", start_from=checkpoint)
        one, two = load_parts(checkpoint, "model"), load_parts(again, "model")
        assert all(torch.equal(one[name], two[name]) for name in one)
        with pytest.raises(InputError, match="another model"):
            shape = config(packed, num_hidden_layers=1)
            self.train(packed, shape, batch_settings(), settings, tmp_path / "three", start_from=checkpoint)

    def test_a_tiny_text_is_learnt_by_heart(self, packed: Packed, tmp_path: Path) -> None:
        none = packed.group_lengths[:0]
        few = replace(
            packed, lengths=packed.lengths[:10], languages=packed.languages[:10], group_lengths=none, group_files=none
        )
        settings = training_settings(max_steps=200, warmup_steps=10, decay_steps=50, learning_rate=5e-3)
        shape = config(packed, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        self.train(few, shape, batch_settings(tokens=512), settings, tmp_path, logging_steps=20)
        losses = [json.loads(line)["loss"] for line in (tmp_path / "loss.jsonl").read_text().splitlines()]
        # 7.8 is guessing among 2,500 pieces.
        assert losses[0] > 5.0 and losses[-1] < 1.5

    def test_embeddings_are_where_training_starts(self, packed: Packed, mini_work: Path, tmp_path: Path) -> None:
        vectors = np.load(mini_work / "embeddings.npy")
        settings = training_settings(max_steps=1, warmup_steps=0, decay_steps=0, learning_rate=0.0)
        checkpoint = self.train(packed, config(packed), batch_settings(), settings, tmp_path, embeddings=vectors)
        weights = load_parts(checkpoint, "model")
        for name in ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"):
            found = weights[name].numpy()
            assert np.allclose(found[1:], vectors[1:].astype(np.float32) * 0.02 * 32**0.5, atol=1e-6)

    def test_embeddings_learn_more_slowly(self, packed: Packed, tmp_path: Path) -> None:
        moved = []
        for share in (0.0, 0.1, 1.0):
            settings = training_settings(max_steps=3, warmup_steps=0, decay_steps=0, embedding_rate=share)
            vectors = np.ones((len(packed.starts_word), 32), dtype=np.float32)
            folder = tmp_path / str(share)
            checkpoint = self.train(packed, config(packed), batch_settings(), settings, folder, embeddings=vectors)
            weight = load_parts(checkpoint, "model")["bert.embeddings.word_embeddings.weight"]
            moved.append(float((weight[1:] - 0.02 * 32**0.5).abs().mean()))
        assert moved[0] < 1e-7 and 0 < 5 * moved[1] < moved[2]

    def test_translations_come_to_be_alike(self, packed: Packed, tmp_path: Path) -> None:
        lengths = packed.group_lengths[:40]
        members, record = packed.members[: lengths.sum()], packed.record | {"groups": {"aligned15.tsv": 40}}
        few = replace(
            packed, group_lengths=lengths, group_files=packed.group_files[:40], members=members, record=record
        )
        settings = training_settings(
            max_steps=150, warmup_steps=5, decay_steps=10, learning_rate=5e-3, contrast_weight=5.0
        )
        batches = batch_settings(tlm_share=0.0, contrast_share=1.0, max_length=32)
        self.train(few, config(packed), batches, settings, tmp_path, logging_steps=10)
        losses = [json.loads(line)["contrastive_loss"] for line in (tmp_path / "loss.jsonl").read_text().splitlines()]
        assert losses[-1] < 0.85 * losses[0]

    def test_learning_rate(self) -> None:
        settings = training_settings(max_steps=100, warmup_steps=10, decay_steps=20, learning_rate=1.0)
        assert [round(settings.rate(step), 3) for step in (0, 9, 50, 80, 90, 99)] == [0.1, 1.0, 1.0, 1.0, 0.5, 0.05]

    def test_long_tensors_are_cut(self, tmp_path: Path) -> None:
        tensors = {"long": torch.arange(8_000_000.0).view(4000, 2000), "short": torch.ones(3)}
        save_parts(tensors, tmp_path, "model")
        assert len(list(tmp_path.iterdir())) == 3
        assert all(path.stat().st_size < 12_100_000 for path in tmp_path.iterdir())
        again = load_parts(tmp_path, "model")
        assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
