"""Builds the demo's corpus: natural-language inference in 15 languages, labels that follow from one relation.

Run ``python examples/demo/corpus/generator/build_corpus.py``: the same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random

from balance import Pair, tell
from corpus_lexicon import LANGUAGES
from pairs import draw_triples

SEED = 15
ROWS = {"train": 3000, "validation": 600, "test": 300}
LANGUAGES_OF_SPLIT = {"train": ("en",), "validation": ("en",), "test": LANGUAGES}


def draw(split: str, seed: int) -> list[Pair]:
    """The rows of a split, in an order that tells nothing."""
    pairs = [pair for triple in draw_triples(ROWS[split] // 3, split, seed) for pair in triple]
    Random(f"{seed} {split} order").shuffle(pairs)
    return pairs


def build(output_dir: Path, seed: int) -> None:
    """Writes all splits, as UTF-8 that is the same on every system."""
    output_dir.mkdir(parents=True, exist_ok=True)
    for split, languages in LANGUAGES_OF_SPLIT.items():
        pairs = draw(split, seed)
        print(f"{split}: {len(pairs)} pairs in {', '.join(languages)}", flush=True)
        for language in languages:
            rows = [(tell(p, language, seed), tell(h, language, seed), label) for p, h, label in pairs]
            lines = ["premise\thypothesis\tlabel", *map("\t".join, rows)]
            text = "".join(f"{line}\n" for line in lines)
            (output_dir / f"{split}-{language}.tsv").write_text(text, encoding="utf-8", newline="\n")


def main() -> None:
    """Reads the arguments and builds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    build(arguments.output_dir, arguments.seed)


if __name__ == "__main__":
    main()
