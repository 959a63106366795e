"""A Unigram tokenizer for 15 languages that knows no unknown text and begins every word with a piece of the word."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modeling_dlfa.tokenizer_files import CONFIG_FILE, GENERIC_CLASS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
WORD_START = "▁"
# Spaces inside Thai text part clauses, not words.
CLAUSE_SPACE = "␣"
VIRAMA = "\u094d"
SPACED_SCRIPTS = r"\p{Latin}\p{Cyrillic}\p{Greek}\p{Arabic}\p{Devanagari}"
# Marks of vowels in Arabic that usual text leaves out, tatweel, soft hyphens, zero-width and direction marks.
INVISIBLE = r"[\u0640\u064B-\u0652\u00AD\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFE0E\uFE0F\uFEFF]"


def text_tokenizer(vocabulary: list[tuple[str, float]] | None = None) -> Tokenizer:
    """The tokenizer with its rules for text, and a vocabulary or none yet.

    Compatibility forms become one (NFKC, but Thai sara am stays one character); a punctuation mark, a symbol and a
    digit stand alone; so do runs of Thai and of Chinese. Only numbers and words of scripts that put spaces between
    words carry the word-start mark, and the mark is not a piece of its own before them. Thus a word reads the same in
    running text and in a data set that is split into words, and its first piece is part of it.

    Args:
        vocabulary: Pieces and their log probabilities: `SPECIAL`, pieces, and the bytes for all other characters.

    Returns:
        A tokenizer that encodes `[CLS] a [SEP]` and `[CLS] a [SEP] b [SEP]`, the second text with type 1.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    model = models.Unigram(vocabulary, 1, True) if vocabulary else models.Unigram()
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Replace("\u0e4d\u0e32", "\u0e33"),
            normalizers.Replace(Regex(INVISIBLE), ""),
            normalizers.Replace(Regex(r"[\s\p{Cc}]+"), " "),
            normalizers.Replace(Regex(r"(?<=\p{Thai}) (?=\p{Thai})"), CLAUSE_SPACE),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\p{P}\p{S}]|\p{Nd}+|\p{Thai}+|\p{Han}+"), "isolated"),
            pre_tokenizers.Metaspace(WORD_START, "always", True),
            pre_tokenizers.Split(Regex(rf"^{WORD_START}(?=[^{SPACED_SCRIPTS}\p{{Nd}}])|^{WORD_START}$"), "removed"),
            pre_tokenizers.Split(Regex(rf"{WORD_START}?\p{{Nd}}"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(CLAUSE_SPACE, " "), decoders.ByteFallback(), decoders.Metaspace(WORD_START, "always", True)]
    )
    if vocabulary:
        tokenizer.add_special_tokens(list(SPECIAL))
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0",
            pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
            special_tokens=[("[CLS]", SPECIAL.index("[CLS]")), ("[SEP]", SPECIAL.index("[SEP]"))],
        )
    return tokenizer


def shares(sizes: Sequence[float], alpha: float) -> np.ndarray:
    """Shares in which languages are sampled: proportional to size to the power of alpha, so that small ones count."""
    weights = np.asarray(sizes, dtype=np.float64)
    weights = np.where(weights > 0, np.maximum(weights, 1e-9) ** alpha, 0.0)
    return weights / weights.sum()


def sample_lines(lines: Sequence[str], characters: float) -> list[str]:
    """Lines of about that many characters in all, evenly spread over the input."""
    total = sum(map(len, lines))
    if total <= characters:
        return list(lines)
    count = max(1, int(len(lines) * characters / total))
    return [lines[index] for index in np.linspace(0, len(lines) - 1, count).astype(int)]


def common_characters(texts: Iterable[Sequence[str]], minimum: int) -> set[str]:
    """Characters that occur so often after normalisation, and the other case of those letters."""
    normalizer: Any = text_tokenizer().normalizer
    counts: Counter[str] = Counter()
    for lines in texts:
        for start in range(0, len(lines), 1000):
            counts.update(normalizer.normalize_str("\n".join(lines[start : start + 1000])))
    common = {character for character, count in counts.items() if count >= minimum}
    cases = {other for character in common for other in (character.upper(), character.lower()) if len(other) == 1}
    return {c for c in common | {c for c in cases if normalizer.normalize_str(c) == c} if not c.isspace()}


def train_tokenizer(
    texts: Sequence[Sequence[str]], vocab_size: int, alpha: float, characters: int, minimum: int
) -> Tokenizer:
    """Trains the vocabulary.

    Args:
        texts: Lines of each language.
        vocab_size: Pieces in all, with the special ones and 256 bytes.
        alpha: Exponent of `shares`.
        characters: Characters of text to learn from, over all languages.
        minimum: Times that a character must occur to get a piece; rarer ones are spelt in bytes.

    Returns:
        The tokenizer. Its pieces are in order of score, equal ones by code point. The trainer of tokenizers sums in
        hash order, so that a few pieces at the edge of the vocabulary may differ between two runs.
    """
    from tokenizers import trainers

    tokenizer = text_tokenizer()
    normalizer: Any = tokenizer.normalizer
    portions = shares([sum(map(len, lines)) for lines in texts], alpha) * characters
    samples = [sample_lines(lines, portion) for lines, portion in zip(texts, portions, strict=True)]
    known = common_characters(texts, minimum) | {WORD_START, CLAUSE_SPACE}
    rare = {character for lines in samples for character in set(normalizer.normalize_str("\n".join(lines)))} - known
    # Without their rare characters: the trainer keeps every character that it meets.
    table = str.maketrans(dict.fromkeys(rare - {" ", "\n"}, " "))
    letters = sorted(c for c in known if is_spaced(c) or c.isdecimal())
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab_size - len(BYTES),
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(known),
        unk_token="[UNK]",
        show_progress=True,
    )
    lines = (normalizer.normalize_str(line).translate(table) for sample in samples for line in sample)
    tokenizer.train_from_iterator(lines, trainer)
    scores = dict(json.loads(tokenizer.to_str())["model"]["vocab"])
    return text_tokenizer(_complete(scores, letters, vocab_size))


def _complete(scores: dict[str, float], letters: Sequence[str], vocab_size: int) -> list[tuple[str, float]]:
    """Adds what makes a word start with a piece of its own and every character encodable, and puts all in order."""
    pieces = {piece: round(score, 4) for piece, score in scores.items() if piece not in SPECIAL}
    floor = min(pieces.values())
    for letter in letters:
        pieces.setdefault(letter, floor)
        pieces.setdefault(WORD_START + letter, round(floor + pieces[letter], 4))
    # A virama stays with its consonant: half a letter that is cut in two means nothing.
    for letter in letters if VIRAMA in letters else ():
        for start in (letter, WORD_START + letter):
            if "\u0915" <= letter <= "\u0939":
                pieces.setdefault(
                    start + VIRAMA, round(max(pieces[letter] + pieces[VIRAMA] + 4, pieces[start] - 2), 4)
                )
    for piece in [piece for piece in pieces if piece.startswith(VIRAMA)]:
        pieces[piece] -= 6
    # Only where nothing else fits, before a rare letter.
    pieces[WORD_START] = 4 * floor
    room = vocab_size - len(SPECIAL) - len(BYTES)
    ordered = sorted(pieces.items(), key=lambda item: (-item[1], item[0]))
    spare = max(0, len(ordered) - room)
    if spare:
        longer = {piece for piece, _ in ordered if len(piece.strip(WORD_START + VIRAMA)) > 1}
        dropped = {piece for piece, _ in [item for item in reversed(ordered) if item[0] in longer][:spare]}
        ordered = [item for item in ordered if item[0] not in dropped]
    special = [(token, 0.0) for token in SPECIAL]
    return special + ordered + [(byte, 5 * floor) for byte in BYTES]


def is_spaced(character: str) -> bool:
    """Whether a character is a letter or mark of a script that puts spaces between words."""
    name = unicodedata.name(character, "")
    scripts = ("LATIN", "CYRILLIC", "GREEK", "ARABIC", "DEVANAGARI")
    return unicodedata.category(character)[0] in "LM" and name.startswith(scripts)


def starts_word(vocabulary: Sequence[str]) -> np.ndarray:
    """For each piece whether it begins a word, for masking of whole words; in Thai and Chinese a piece is a word."""

    def starts(piece: str) -> bool:
        if piece in SPECIAL or piece.startswith(WORD_START):
            return True
        if piece in BYTES:
            return not 0x80 <= int(piece[1:-1], 16) < 0xC0
        return not is_spaced(piece[0]) and unicodedata.category(piece[0])[0] != "M" and not piece[0].isdecimal()

    return np.array([starts(piece) for piece in vocabulary], dtype=bool)


def save_tokenizer(tokenizer: Tokenizer, folder: Path, model_max_length: int) -> None:
    """Writes `tokenizer.json` and a `tokenizer_config.json` that transformers v4 and v5 both load.

    As `modeling_dlfa.tokenizer_files.save_tokenizer` does for tokenizers of transformers, and says why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    settings = {
        "tokenizer_class": GENERIC_CLASS,
        "model_max_length": model_max_length,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        **{f"{token[1:-1].lower()}_token": token for token in SPECIAL},
    }
    text = json.dumps(settings, ensure_ascii=False, indent=2) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8", newline="\n")
