"""Batches for masked and translation language modelling, a function of the seed and the step alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mini_tokenizer import shares
from pretraining_data import Packed, pairs
from pretraining_losses import IGNORED
from pretraining_text import LANGUAGES, LINE_ALIGNED

from modeling_dlfa.errors import InputError

LENGTHS = (16, 24, 32, 48, 64, 96, 128, 160, 256, 512)


@dataclass(frozen=True)
class BatchSettings:
    """How batches are drawn and masked.

    Attributes:
        tokens: Tokens of a batch with padding: rows times length.
        max_length: Longest row, special tokens included.
        alpha: Exponent of the share of a language, or a pair of languages.
        tlm_share: Share of draws that give a row of a sentence and its translation.
        contrast_share: Share of draws that give a sentence and its translation as two rows, for the contrastive loss.
        line_aligned_share: Share of both that comes from `--line_aligned` text; by its size like the files if None.
        mlm_probability: Share of words masked in single sentences.
        tlm_probability: Share of words masked in sentence pairs.
        reset_positions: Share of pairs whose second sentence counts its positions from 0 again (as in XLM, Conneau and
            Lample 2019), which lines translations up; the others count on, as pairs in later tasks do.
        mismatch_share: Share of sentence pairs of a row whose second sentence is spoilt: a quarter of it or more
            becomes words of another sentence of its language, which the model has to notice (Huang et al. 2019).
        same_share: Share of sentence pairs of a row whose second sentence is half or more of the first, not its
            translation; spoilt as often as the others.
        whole_words: Mask whole words rather than pieces.
        seed: Seed of everything drawn.
    """

    tokens: int
    max_length: int = 128
    alpha: float = 0.3
    tlm_share: float = 0.4
    contrast_share: float = 0.2
    line_aligned_share: float | None = None
    mlm_probability: float = 0.2
    tlm_probability: float = 0.3
    reset_positions: float = 0.5
    mismatch_share: float = 0.0
    same_share: float = 0.0
    whole_words: bool = True
    seed: int = 1


class Batches:
    """Draws batches of rows of similar length; `batches[step]` is the same whenever it is asked for.

    A draw is a window of a sentence, or two sentences of one meaning in two languages and random order, joined in a
    row or apart in two. Draws are made with replacement: single sentences by language, pairs by file and pair of
    languages, each stratum with its size to the power of alpha. A batch takes draws of one length class, either all
    apart or none; classes are drawn such that over many batches each draw comes as often as its weight says.

    Args:
        packed: The tokenised text.
        settings: How to draw and mask.
        process: Index of this process, so that several draw different batches.
    """

    def __init__(self, packed: Packed, settings: BatchSettings, process: int = 0) -> None:
        self.settings = settings
        self.process = process
        self.ids = packed.ids
        self.starts_word = packed.starts_word
        self.special = packed.record["special"]
        first, second, languages, apart, weights = _draws(packed, settings)
        joined = first[:, 1] + np.where(second[:, 1] > 0, second[:, 1] + 3, 2)
        lengths = np.where(apart, np.maximum(first[:, 1], second[:, 1]) + 2, joined)
        self.lengths = [length for length in LENGTHS if length < settings.max_length] + [settings.max_length]
        of_class = np.searchsorted(self.lengths, lengths) + apart * len(self.lengths)
        order = np.argsort(of_class, kind="stable")
        self.first, self.second, self.languages = first[order], second[order], languages[order]
        long = [np.flatnonzero((packed.languages == code) & (packed.lengths >= 4)) for code in range(len(LANGUAGES))]
        starts = packed.starts
        self.others = [np.stack([starts[rows], packed.lengths[rows].astype(np.int64)], axis=1) for rows in long]
        self.bounds = np.searchsorted(of_class[order], np.arange(2 * len(self.lengths) + 1))
        self.cumulative = np.concatenate([[0.0], np.cumsum(weights[order])])
        of_weight = np.diff(self.cumulative[self.bounds])
        fits = [settings.tokens // length for length in self.lengths]
        self.draws = np.maximum(1, fits + [rows // 2 for rows in fits])
        self.class_shares = np.cumsum(of_weight / self.draws) / (of_weight / self.draws).sum()

    def __len__(self) -> int:
        return 2**31

    def __getitem__(self, step: int) -> dict[str, np.ndarray]:
        """The batch of a step.

        Returns:
            `input_ids`, `attention_mask`, `token_type_ids`, `position_ids`: rows x length; `positions`: flat positions
            of the masked pieces, padded to a multiple of 64 with 0; `labels`: their pieces, -100 for the padding;
            `apart`: whether the second half of the rows translates the first; `matches`: for each row whether its two
            sentences mean the same, 1 or 0, and -100 where there is one sentence or nothing was spoilt in any row.
        """
        rng = np.random.default_rng([self.settings.seed, self.process, step])
        chosen = int(np.searchsorted(self.class_shares[:-1], rng.random(), side="right"))
        low, high = self.cumulative[self.bounds[chosen]], self.cumulative[self.bounds[chosen + 1]]
        drawn = np.searchsorted(self.cumulative, rng.uniform(low, high, self.draws[chosen]), side="right") - 1
        drawn = np.clip(drawn, self.bounds[chosen], self.bounds[chosen + 1] - 1)
        first, second = self.first[drawn], self.second[drawn]
        swap = (second[:, 1] > 0) & (rng.random(len(drawn)) < 0.5)
        first, second = np.where(swap[:, None], second, first), np.where(swap[:, None], first, second)
        apart = chosen >= len(self.lengths)
        spoilt, matches = None, np.full(len(drawn), IGNORED)
        if apart:
            first, second = np.concatenate([first, second]), np.zeros_like(np.concatenate([first, second]))
            matches = np.repeat(matches, 2)
        elif self.settings.mismatch_share:
            languages = np.where(swap[:, None], self.languages[drawn, ::-1], self.languages[drawn])
            second, spoilt, matches = self._spoil(first, second, languages, rng)
        batch = self._assemble(first, second, spoilt, self.lengths[chosen % len(self.lengths)], rng)
        masked = self._mask(batch, second[:, 1] > 0, rng)
        return batch | masked | {"apart": np.array(apart), "matches": matches}

    def _spoil(
        self, first: np.ndarray, second: np.ndarray, languages: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Makes some second sentences a part of the first, and replaces a stretch of some by other words.

        Args:
            first: Starts and lengths of the first sentences, R x 2.
            second: Of the second ones; length 0 where there is none.
            languages: Language of either, R x 2.
            rng: What draws.

        Returns:
            The second sentences anew; stretches, R x 4: where each begins and how long it is (0: nothing is spoilt),
            and start and length of the sentence that it is taken from; and `matches`, R.
        """
        rows, paired = len(first), second[:, 1] > 0
        same = paired & (rng.random(rows) < self.settings.same_share)
        size = np.ceil(first[:, 1] * rng.uniform(0.5, 1.0, rows)).astype(np.int64)
        size = np.minimum(size, second[:, 1])  # Longer would not fit into the row.
        offset = (rng.random(rows) * (first[:, 1] - size + 1)).astype(np.int64)
        second = np.where(same[:, None], np.stack([first[:, 0] + offset, size], axis=1), second)
        wrong = paired & (rng.random(rows) < self.settings.mismatch_share)
        width = np.ceil(second[:, 1] * rng.uniform(0.25, 1.0, rows)).astype(np.int64) * wrong
        begin = (rng.random(rows) * (second[:, 1] - width + 1)).astype(np.int64)
        chance = rng.random(rows)
        language = np.where(same, languages[:, 0], languages[:, 1])
        other = [self.others[code][int(x * len(self.others[code]))] for code, x in zip(language, chance, strict=True)]
        matches = np.where(paired, 1 - wrong, IGNORED)
        return second, np.concatenate([np.stack([begin, width], axis=1), np.array(other)], axis=1), matches

    def _assemble(
        self,
        first: np.ndarray,
        second: np.ndarray,
        spoilt: np.ndarray | None,
        length: int,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        """Lays rows out as `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`; `first` and `second` are starts and lengths."""
        column = np.arange(length)[None, :]
        end_first = first[:, 1:] + 1
        paired = second[:, 1:] > 0
        end = np.where(paired, end_first + second[:, 1:] + 1, end_first)
        after = column > end_first
        inside = column - end_first - 1
        source = np.where(after, second[:, :1] + inside, first[:, :1] + column - 1)
        if spoilt is not None:
            begin, width, start, size = (spoilt[:, index, None] for index in range(4))
            replaced = after & (inside >= begin) & (inside < begin + width)
            source = np.where(replaced, start + (inside - begin) % size, source)
        input_ids = self.ids[np.clip(source, 0, len(self.ids) - 1)].astype(np.int64)
        input_ids[:, 0] = self.special["[CLS]"]
        input_ids[(column == end_first) | (column == end)] = self.special["[SEP]"]
        input_ids[column > end] = self.special["[PAD]"]
        kept = column <= end
        types = (after & kept).astype(np.int64)
        reset = paired & (rng.random((len(first), 1)) < self.settings.reset_positions)
        positions = np.where(reset & (types > 0), inside, column) * kept
        return {
            "input_ids": input_ids,
            "attention_mask": kept.astype(np.int64),
            "token_type_ids": types,
            "position_ids": positions,
        }

    def _mask(
        self, batch: dict[str, np.ndarray], paired: np.ndarray, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Masks in place: 80 % of the chosen pieces become [MASK], 10 % random, 10 % stay (Devlin et al. 2019)."""
        settings, ids = self.settings, batch["input_ids"]
        words = np.arange(ids.shape[1])[None, :].repeat(len(ids), axis=0)
        if settings.whole_words:
            words = np.cumsum(self.starts_word[ids], axis=1) - 1
        chance = np.where(paired, settings.tlm_probability, settings.mlm_probability)[:, None]
        chosen = np.take_along_axis(rng.random(ids.shape), words, axis=1) < chance
        chosen &= ids >= len(self.special)
        positions = np.flatnonzero(chosen)
        labels = ids.ravel()[positions].copy()
        action = rng.random(len(positions))
        random = rng.integers(len(self.special), len(self.starts_word), len(positions))
        replaced = np.where(action < 0.8, self.special["[MASK]"], np.where(action < 0.9, random, labels))
        ids.ravel()[positions] = replaced
        padding = -len(positions) % 64 if len(positions) else 64
        return {
            "positions": np.pad(positions, (0, padding)),
            "labels": np.pad(labels, (0, padding), constant_values=IGNORED),
        }


def _draws(
    packed: Packed, settings: BatchSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All that can be drawn.

    Returns:
        Start and length of the first and of the second text, each D x 2; their languages, D x 2; whether they stand
        apart, D; weights, D, that sum to 1.
    """
    firsts, seconds, languages, aparts, weights = [], [], [], [], []
    windows, of_sentence = _windows(packed, settings.max_length - 2)
    language = packed.languages[of_sentence]
    pieces = np.bincount(language, weights=windows[:, 1])
    counts = np.bincount(language)
    paired = {False: settings.tlm_share, True: settings.contrast_share}
    paired = {apart: share for apart, share in paired.items() if share > 0 and len(packed.group_lengths)}
    firsts.append(windows)
    seconds.append(np.zeros_like(windows))
    languages.append(np.stack([language, language], axis=1))
    aparts.append(np.zeros(len(windows), dtype=bool))
    single = 1.0 - sum(paired.values())
    weights.append(single * (shares(pieces.tolist(), settings.alpha) / np.maximum(counts, 1))[language])
    starts, lengths = packed.starts, packed.lengths.astype(np.int64)
    of_file = _file_shares(packed.record["groups"], settings)
    for file, both in pairs(packed) if paired else ():
        if not len(both):
            raise ValueError(f"No group of file {file} has sentences of two languages.")
        codes = np.sort(packed.languages[both].astype(np.int64), axis=1) @ np.array([256, 1])
        _, stratum, sizes = np.unique(codes, return_inverse=True, return_counts=True)
        weight = of_file[file] * (shares(sizes.tolist(), settings.alpha) / sizes)[stratum.ravel()]
        for apart, share in paired.items():
            one, two = _shortened(lengths[both[:, 0]], lengths[both[:, 1]], apart, settings.max_length)
            firsts.append(np.stack([starts[both[:, 0]], one], axis=1))
            seconds.append(np.stack([starts[both[:, 1]], two], axis=1))
            languages.append(packed.languages[both])
            aparts.append(np.full(len(both), apart))
            weights.append(share * weight)
    parts = (firsts, seconds, languages, aparts, weights)
    one, two, codes, stands_apart, weight = (np.concatenate(part) for part in parts)
    return one, two, codes, stands_apart, weight


def _file_shares(groups: dict[str, int], settings: BatchSettings) -> np.ndarray:
    """Share of each file of groups among the draws of pairs; they sum to 1."""
    result = shares(list(groups.values()), settings.alpha)
    if settings.line_aligned_share is None or not groups:
        return result
    own = np.array([name == LINE_ALIGNED for name in groups])
    if own.all() or not own.any():
        raise InputError("--line_aligned_share divides --line_aligned text from other aligned text: pack both.")
    result[own] = settings.line_aligned_share
    result[~own] *= (1 - settings.line_aligned_share) / result[~own].sum()
    return result


def _shortened(one: np.ndarray, two: np.ndarray, apart: bool, max_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Lengths at which pairs fit: what is too long loses the same share at the end of either sentence."""
    if apart:
        most = np.maximum(np.maximum(one, two), max_length - 2)
        return tuple(np.maximum(1, side * (max_length - 2) // most) for side in (one, two))
    room = max_length - 3
    long = one + two > room
    short_one = np.where(long, np.clip(one * room // np.maximum(one + two, 1), 1, room - 1), one)
    return short_one, np.where(long, np.minimum(two, room - short_one), two)


def _windows(packed: Packed, room: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows of at most `room` pieces, evenly cut from each sentence: start and length, and their sentence."""
    lengths = packed.lengths.astype(np.int64)
    counts = -(-lengths // room)
    sentence = np.repeat(np.arange(len(lengths)), counts)
    inside = np.arange(len(sentence)) - np.repeat(np.cumsum(counts) - counts, counts)
    size, parts = lengths[sentence], counts[sentence]
    begin, end = size * inside // parts, size * (inside + 1) // parts
    return np.stack([packed.starts[sentence] + begin, end - begin], axis=1), sentence
