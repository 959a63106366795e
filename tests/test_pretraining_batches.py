"""Batches of pre-training: rows, pairs, masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pretraining_batches import Batches
from pretraining_data import Packed
from pretraining_losses import IGNORED
from pretraining_text import LINE_ALIGNED

from modeling_dlfa.errors import InputError

from .pretraining import (
    batch_settings,
    rows,
)

pytest_plugins = "tests.pretraining_fixtures"


class TestBatches:
    def sentences(self, packed: Packed) -> dict[bytes, int]:
        return {
            packed.ids[start : start + length].tobytes(): int(language)
            for start, length, language in zip(packed.starts, packed.lengths, packed.languages, strict=True)
        }

    def test_a_batch_depends_on_seed_and_step_alone(self, packed: Packed) -> None:
        one, two = Batches(packed, batch_settings()), Batches(packed, batch_settings())
        one[5]
        for name, value in one[7].items():
            assert np.array_equal(value, two[7][name])
        assert not np.array_equal(one[7]["labels"], Batches(packed, batch_settings(seed=2))[7]["labels"])
        assert not np.array_equal(one[7]["labels"], Batches(packed, batch_settings(), process=1)[7]["labels"])

    def test_rows_are_sentences_or_pairs_of_two_languages(self, packed: Packed) -> None:
        batches = Batches(packed, batch_settings(max_length=64, tlm_share=0.5, contrast_share=0.0))
        known = self.sentences(packed)
        single, double, cut = 0, 0, 0
        for step in range(60):
            for first, second in rows(batches[step]):
                languages = [known.get(text.astype(np.uint16).tobytes()) for text in (first, second) if len(text)]
                cut += None in languages
                single += len(languages) == 1
                double += len(languages) == 2
                if len(languages) == 2 and None not in languages:
                    assert languages[0] != languages[1]
        assert cut < 0.1 * (single + double)
        assert abs(double / (single + double) - 0.5) < 0.08

    def test_sentences_apart_translate_each_other(self, packed: Packed) -> None:
        batches = Batches(packed, batch_settings(contrast_share=0.3))
        starts = packed.starts
        group_of, seen, cut = {}, 0, 0
        members = np.split(packed.members, np.cumsum(packed.group_lengths)[:-1])
        for group, sentences in enumerate(members):
            for sentence in sentences:
                text = packed.ids[starts[sentence] : starts[sentence] + packed.lengths[sentence]]
                group_of.setdefault(text.tobytes(), set()).add((group, int(packed.languages[sentence])))
        draws = {True: 0, False: 0}
        for step in range(100):
            batch = batches[step]
            texts = [first.astype(np.uint16).tobytes() for first, _ in rows(batch)]
            draws[bool(batch["apart"])] += len(texts) // 2 if batch["apart"] else len(texts)
            if not batch["apart"]:
                continue
            assert batch["input_ids"].size <= 1024 and len(texts) % 2 == 0 and not batch["token_type_ids"].any()
            for one, two in zip(texts[: len(texts) // 2], texts[len(texts) // 2 :], strict=True):
                pair = [(a, b) for a in group_of.get(one, ()) for b in group_of.get(two, ())]
                assert not pair or any(a[0] == b[0] and a[1] != b[1] for a, b in pair)
                cut += not pair
                seen += bool(pair)
        assert seen > 100 and cut < 0.1 * seen
        assert abs(draws[True] / sum(draws.values()) - 0.3) < 0.08

    def test_spoilt_pairs_hold_words_of_another_sentence_of_their_language(self, packed: Packed) -> None:
        options = dict(tlm_share=1.0, contrast_share=0.0, mlm_probability=0.0, tlm_probability=0.0, max_length=64)
        batches = Batches(packed, batch_settings(**options, mismatch_share=0.4, same_share=0.3))
        known = self.sentences(packed)
        count, same, cut = {0: 0, 1: 0}, 0, 0
        for step in range(60):
            batch = batches[step]
            for (first, second), match in zip(rows(batch), batch["matches"], strict=True):
                first, second = first.astype(np.uint16), second.astype(np.uint16)
                count[int(match)] += 1
                if not match:
                    assert len(first) and len(second)
                    continue
                part = second.tobytes() in first.tobytes()
                same += part
                languages = {known.get(first.tobytes()), known.get(second.tobytes())}
                cut += not part and None in languages
                assert part or None in languages or len(languages) == 2
        assert abs(count[0] / sum(count.values()) - 0.4) < 0.06
        assert abs(same / count[1] - 0.3) < 0.06 and cut < 0.1 * count[1]

    @pytest.mark.parametrize("share", [0.1, 0.9])
    def test_line_aligned_text_has_its_share_of_the_pairs(self, packed: Packed, share: float) -> None:
        own = list(packed.record["groups"]).index("aligned15.tsv")
        groups = {
            LINE_ALIGNED if place == own else name: size
            for place, (name, size) in enumerate(packed.record["groups"].items())
        }
        named = replace(packed, record=packed.record | {"groups": groups})
        settings = batch_settings(tlm_share=1.0, contrast_share=0.0, line_aligned_share=share)
        batches = Batches(named, settings)
        inside = packed.members[np.repeat(packed.group_files, packed.group_lengths) == own]
        starts = set(packed.starts[inside].tolist())
        weights = np.diff(batches.cumulative)
        drawn = np.array([int(start) in starts for start in batches.first[:, 0]])
        assert weights[drawn].sum() == pytest.approx(share) and weights.sum() == pytest.approx(1.0)

    def test_a_share_of_text_that_is_not_there_is_refused(self, packed: Packed) -> None:
        with pytest.raises(InputError, match="--line_aligned_share"):
            Batches(packed, batch_settings(line_aligned_share=0.5))

    def test_what_is_spoilt_is_a_stretch_of_a_quarter_or_more(self, packed: Packed) -> None:
        options = dict(tlm_share=1.0, contrast_share=0.0, mlm_probability=0.0, tlm_probability=0.0)
        spoilt = Batches(packed, batch_settings(**options, mismatch_share=1.0))
        for step in range(20):
            rng = np.random.default_rng(step)
            second = np.stack([packed.starts[:50], packed.lengths[:50].astype(np.int64)], axis=1)
            languages = np.stack([packed.languages[:50]] * 2, axis=1)
            after, stretch, matches = spoilt._spoil(second, second, languages, rng)
            assert (after == second).all() and not matches.any()
            begin, width, start, size = stretch.T
            assert (width >= after[:, 1] / 4).all() and (begin >= 0).all() and (begin + width <= after[:, 1]).all()
            sentence = np.searchsorted(packed.starts, start)
            assert (packed.starts[sentence] == start).all() and (packed.lengths[sentence] == size).all()
            assert (packed.languages[sentence] == languages[:, 1]).all()

    def test_without_mismatches_no_row_is_asked(self, packed: Packed) -> None:
        batches = Batches(packed, batch_settings())
        assert all((batches[step]["matches"] == IGNORED).all() for step in range(10))

    def test_small_languages_are_drawn(self, packed: Packed) -> None:
        batches = Batches(packed, batch_settings(tlm_share=0.0, contrast_share=0.0))
        known = self.sentences(packed)
        drawn = np.zeros(15)
        for step in range(60):
            for first, _ in rows(batches[step]):
                language = known.get(first.astype(np.uint16).tobytes())
                drawn[language if language is not None else 0] += 1
        assert (drawn / drawn.sum() > 0.03).all()

    def test_layout(self, packed: Packed) -> None:
        batches = Batches(packed, batch_settings(reset_positions=0.5))
        seen = set()
        for step in range(20):
            batch = batches[step]
            assert batch["input_ids"].size <= 1024
            ids, mask, types = batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]
            assert (ids[:, 0] == 2).all() and ((ids == 0) == (mask == 0)).all()
            for row in range(len(ids)):
                length, first = mask[row].sum(), (mask[row].astype(bool) & (types[row] == 0)).sum()
                assert ids[row, length - 1] == 3 and ids[row, first - 1] == 3
                position = batch["position_ids"][row]
                reset = first < length and position[first] == 0
                expected = np.r_[0:first, 0 : length - first] if reset else np.arange(length)
                assert position[:length].tolist() == expected.tolist()
                seen.add((first < length, bool(reset)))
        assert seen == {(False, False), (True, False), (True, True)}

    def test_whole_words_are_masked(self, packed: Packed) -> None:
        batches = Batches(packed, batch_settings(mlm_probability=0.2, tlm_probability=0.4, contrast_share=0.0))
        chosen, total, masked, kept = np.zeros(2), np.zeros(2), 0, 0
        for step in range(80):
            batch = batches[step]
            real = batch["labels"] != IGNORED
            flat = np.zeros(batch["input_ids"].size, dtype=bool)
            flat[batch["positions"][real]] = True
            flat = flat.reshape(batch["input_ids"].shape)
            original = batch["input_ids"].copy()
            original.ravel()[batch["positions"][real]] = batch["labels"][real]
            inside = ~packed.starts_word[original] & (original > 4)
            inside[:, 0] = False
            before = np.roll(flat, 1, axis=1)
            special_before = np.roll(original, 1, axis=1) < 5
            assert (flat == before)[inside & ~special_before].all()
            assert not flat[original < 5].any()
            paired = batch["token_type_ids"].any(axis=1)
            for kind in (0, 1):
                chosen[kind] += flat[paired == bool(kind)].sum()
                total[kind] += (original[paired == bool(kind)] > 4).sum()
            masked += (batch["input_ids"].ravel()[batch["positions"][real]] == 4).sum()
            kept += (batch["input_ids"].ravel()[batch["positions"][real]] == batch["labels"][real]).sum()
        assert np.allclose(chosen / total, [0.2, 0.4], atol=0.03)
        assert abs(masked / chosen.sum() - 0.8) < 0.03 and abs(kept / chosen.sum() - 0.1) < 0.03
