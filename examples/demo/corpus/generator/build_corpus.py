"""Builds the demo's corpus: natural-language inference in 15 languages, labels that follow from one relation.

Run ``python examples/demo/corpus/generator/build_corpus.py``: the same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from random import Random

from balance import Pair, tell
from corpus_lexicon import LANGUAGES
from pairs import QUESTIONS, draw_triples

SEED = 15
COLUMNS = ("premise", "hypothesis", "label")
ROWS = {"train": 4500, "validation": 600, "test": 300}
LANGUAGES_OF_SPLIT = {"train": ("en",), "validation": ("en",), "test": LANGUAGES}


def told(pair: Pair, language: str, seed: int) -> tuple[str, str, str]:
    """The row in a language."""
    return tell(pair.premise, language, seed), tell(pair.hypothesis, language, seed), pair.label


def draw(split: str, seed: int) -> list[Pair]:
    """The rows of a split, in an order that tells nothing."""
    pairs = [pair for triple in draw_triples(ROWS[split] // 3, split, seed) for pair in triple]
    Random(f"{seed} {split} order").shuffle(pairs)
    return pairs


def write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Writes tab-separated rows under a header, as UTF-8 that is the same on every system."""
    text = "".join(f"{chr(9).join(row)}\n" for row in (columns, *rows))
    path.write_text(text, encoding="utf-8", newline="\n")


def build(output_dir: Path, seed: int) -> None:
    """Writes all splits, and the demo's questions."""
    output_dir.mkdir(parents=True, exist_ok=True)
    asked = [(code, *told(pair, code, seed)) for code, pair in QUESTIONS.items()]
    write(output_dir / "questions.tsv", ("language", *COLUMNS), asked)
    for split, languages in LANGUAGES_OF_SPLIT.items():
        pairs = draw(split, seed)
        print(f"{split}: {len(pairs)} pairs in {', '.join(languages)}", flush=True)
        for language in languages:
            rows = [told(pair, language, seed) for pair in pairs]
            write(output_dir / f"{split}-{language}.tsv", COLUMNS, rows)


def main() -> None:
    """Reads the arguments and builds."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout, allow_abbrev=False)
    parser.add_argument("--output_dir", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    build(arguments.output_dir, arguments.seed)


if __name__ == "__main__":
    main()
