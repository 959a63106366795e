"""Losses of pre-training against references."""

from __future__ import annotations

import pytest
import torch
from pretraining_batches import Batches
from pretraining_data import Packed
from pretraining_losses import IGNORED, linear_cross_entropy, translation_contrast, word_contrast

from .pretraining import (
    batch_settings,
    pretraining_loss,
)

pytest_plugins = "tests.pretraining_fixtures"


class TestLosses:
    @pytest.mark.parametrize(("precision", "tolerance"), [(False, 1e-5), (True, 0.02)])
    def test_loss_is_that_of_transformers(self, packed: Packed, precision: bool, tolerance: float) -> None:
        torch.manual_seed(0)
        network = pretraining_loss(packed, match_weight=1.0)
        batch = {name: torch.from_numpy(value) for name, value in Batches(packed, batch_settings())[0].items()}
        positions, labels, apart, matches = (batch.pop(name) for name in ("positions", "labels", "apart", "matches"))
        full = torch.full(batch["input_ids"].shape, IGNORED)
        full.view(-1)[positions[labels != IGNORED]] = labels[labels != IGNORED]
        with torch.no_grad():
            expected = network.model(**batch, labels=full).loss
            with torch.autocast("cpu", torch.bfloat16, enabled=precision):
                assert torch.allclose(network(positions, labels, apart, matches, **batch)[0], expected, atol=tolerance)

    def test_matching_is_learnt_from_rows_that_are_asked(self, packed: Packed) -> None:
        torch.manual_seed(0)
        network = pretraining_loss(packed, match_weight=2.0)
        settings = batch_settings(tlm_share=0.5, mismatch_share=0.5)
        batch = {name: torch.from_numpy(value) for name, value in Batches(packed, settings)[0].items()}
        asked = batch["matches"] != IGNORED
        assert set(batch["matches"].tolist()) == {IGNORED, 0, 1}
        with torch.no_grad():
            inputs = {
                name: value for name, value in batch.items() if name.endswith("_ids") or name == "attention_mask"
            }
            first = network.model.bert(**inputs).last_hidden_state[asked, 0]
            scores = network.model.cls.seq_relationship(first)
            expected = torch.nn.functional.cross_entropy(scores, batch["matches"][asked])
            loss, parts = network(**batch)
            nothing, _ = network(**batch | {"matches": torch.full_like(batch["matches"], IGNORED)})
        assert torch.allclose(parts["matching_loss"], expected, atol=1e-5)
        assert torch.allclose(loss - nothing, 2 * expected, atol=1e-5)

    def test_the_cross_entropy_of_a_cpu_and_its_gradients(self) -> None:
        generator = torch.Generator().manual_seed(0)
        shapes = ((1100, 16), (50, 16), (50,))
        inputs = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
        labels = torch.randint(50, (1100,), generator=generator)
        labels[::7] = IGNORED
        expected = torch.nn.functional.cross_entropy(torch.nn.functional.linear(*inputs), labels)
        found = linear_cross_entropy(*inputs, labels)
        assert torch.allclose(found, expected, rtol=1e-5)
        wanted = torch.autograd.grad(3 * expected, inputs)
        for one, two in zip(torch.autograd.grad(3 * found, inputs), wanted, strict=True):
            assert torch.allclose(one, two, atol=1e-6)
        nothing = linear_cross_entropy(*inputs, torch.full((1100,), IGNORED))
        assert nothing == 0 and not torch.autograd.grad(nothing, inputs[0])[0].any()

    def test_the_contrast_is_low_where_translations_are_alike(self) -> None:
        states = torch.eye(8)[:6, None].repeat(1, 3, 1)
        mask = torch.tensor([[1, 1, 0]] * 3 + [[1, 1, 1]] * 3)
        right = torch.cat([states[:3], states[:3]])
        right[:3, 2] = 9.0
        assert translation_contrast(right, mask) < 1e-6
        wrong = torch.cat([states[:3], states[[1, 2, 0]]])
        assert torch.allclose(translation_contrast(wrong, mask, temperature=0.5), torch.tensor(2.2395), atol=1e-3)
        assert torch.allclose(translation_contrast(states, mask), torch.log(torch.tensor(3.0)))

    def test_the_word_contrast_is_what_a_loop_finds(self) -> None:
        generator = torch.Generator().manual_seed(3)
        states = torch.randn((12, 5, 8), generator=generator)
        ids = torch.randint(5, 9, (12, 5), generator=generator)  # Few ids: most batches hold one twice.
        ids[:, 0], ids[::2, 4] = 2, 0
        unit = torch.nn.functional.normalize(states, dim=-1)
        aligned = []
        for row in range(6):
            alike = {
                (i, j): float(unit[row, i] @ unit[row + 6, j])
                for i in range(5)
                for j in range(5)
                if ids[row, i] >= 5 and ids[row + 6, j] >= 5
            }
            for (i, j), value in alike.items():
                if (
                    value
                    == max(v for (a, _), v in alike.items() if a == i)
                    == max(v for (_, b), v in alike.items() if b == j)
                ):
                    aligned.append((unit[row, i], int(ids[row, i]), unit[row + 6, j], int(ids[row + 6, j])))
        losses = []
        for one, one_id, two, two_id in aligned:
            wrong = [float(other @ one / 0.1) for *_, other, other_id in aligned if other_id != two_id]
            back = [float(other @ two / 0.1) for other, other_id, *_ in aligned if other_id != one_id]
            right = float(one @ two / 0.1)
            losses += [float(torch.tensor([right, *values]).logsumexp(0)) - right for values in (wrong, back)]
        assert len(aligned) > 5
        assert word_contrast(states, ids, 5).item() == pytest.approx(sum(losses) / len(losses), rel=1e-4)

    def test_the_word_contrast_leaves_special_tokens_out(self) -> None:
        states = torch.randn((4, 5, 8), generator=torch.Generator().manual_seed(0)).requires_grad_()
        ids = torch.tensor([[2, 7, 8, 3, 0], [2, 9, 4, 10, 3], [2, 11, 12, 3, 0], [2, 13, 4, 14, 3]])
        (grad,) = torch.autograd.grad(word_contrast(states, ids, 5), states)
        assert not grad[ids < 5].any() and grad[ids >= 5].any()
        nothing = word_contrast(states, torch.full_like(ids, 3), 5)
        assert nothing == 0 and not torch.autograd.grad(nothing, states)[0].any()
