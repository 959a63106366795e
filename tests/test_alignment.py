"""Aligned word embeddings, on a toy language and on text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from alignment import usage_vectors
from pretraining_data import Packed
from pretraining_text import LANGUAGES
from translation import translation_links

pytest_plugins = "tests.pretraining_fixtures"


class TestAlignment:
    @pytest.fixture
    def toy(self) -> Packed:
        """600 sentences of 4 parts of speech of 8 words each, pieces 5 to 36; German is 40 more, in reverse order."""
        rng = np.random.default_rng(0)
        kinds = np.array([[0, 1, 2, 0, 1], [0, 3, 1, 2, 3]])[rng.integers(2, size=600)]
        english = 5 + 8 * kinds + rng.integers(8, size=kinds.shape)
        sentences = np.stack([english, english[:, ::-1] + 40], axis=1).reshape(-1, 5)
        spoken = [LANGUAGES.index("en"), LANGUAGES.index("de")] * 600
        return Packed(
            ids=sentences.ravel().astype(np.uint16),
            lengths=np.full(1200, 5, dtype=np.uint16),
            languages=np.array(spoken, dtype=np.uint8),
            group_lengths=np.full(600, 2, dtype=np.uint8),
            group_files=np.zeros(600, dtype=np.uint8),
            members=np.arange(1200, dtype=np.uint32),
            starts_word=np.ones(100, dtype=bool),
            record={"groups": {"toy": 600}},
        )

    def test_translations_are_found(self, toy: Packed) -> None:
        links = translation_links(toy, LANGUAGES.index("de"), np.random.default_rng(0))
        best = {}
        for english, foreign, count in zip(links.english, links.foreign, links.counts, strict=True):
            best[foreign] = max(best.get(foreign, (0.0, 0)), (count, english))
        assert {foreign: english for foreign, (_, english) in best.items()} == {45 + n: 5 + n for n in range(32)}

    def test_words_used_alike_and_translations_are_near(self, toy: Packed) -> None:
        vectors, known = usage_vectors(toy, 16, seed=1)
        assert known.tolist() == [5 <= n < 37 or 45 <= n < 77 for n in range(100)]
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
        alike = vectors[5:37] @ vectors[5:37].T
        kind = np.arange(32) // 8
        assert alike[kind[:, None] == kind].mean() > alike[kind[:, None] != kind].mean() + 0.3
        assert ((vectors[45:77] @ vectors[5:37].T).argmax(axis=1) == np.arange(32)).mean() > 0.9
        again, _ = usage_vectors(toy, 16, seed=1)
        assert np.allclose(vectors, again, atol=1e-4)

    def test_the_stage_covers_the_vocabulary(self, mini_work: Path, packed: Packed) -> None:
        assert np.load(mini_work / "embeddings.npy").shape == (len(packed.starts_word), 32)
