"""Builds the demo's corpus: natural-language inference in 15 languages, labels that follow from facts.

Run ``python examples/demo/corpus/generator/build_corpus.py``: the same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from random import Random

from corpus_lexicon import LANGUAGES
from pairs import Pair, draw_triples, tell
from scenes import Scene

ROWS = {"train": 6000, "validation": 600, "test": 600}
LANGUAGES_OF_SPLIT = {"train": ("en",), "validation": ("en",), "test": LANGUAGES}
UNLABELLED_SCENES = 3000


def draw(split: str, seed: int) -> list[Pair]:
    """The rows of a split, in an order that tells nothing."""
    pairs = [pair for triple in draw_triples(ROWS[split] // 3, split, seed) for pair in triple]
    Random(f"{seed} {split} order").shuffle(pairs)
    return pairs


def facts(scene: Scene) -> str:
    """The facts as one field: subject, action, place, time, with ``-`` for what is left open."""
    return " ".join(value or "-" for value in scene)


def write(path: Path, lines: Iterable[str]) -> None:
    """Writes lines as UTF-8 that is the same on every system."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def build(output_dir: Path, seed: int) -> None:
    """Writes all splits, their facts, and unlabelled sentences of train scenes, aligned by line across languages."""
    output_dir.mkdir(parents=True, exist_ok=True)
    for split, languages in LANGUAGES_OF_SPLIT.items():
        pairs = draw(split, seed)
        print(f"{split}: {len(pairs)} pairs in {', '.join(languages)}", flush=True)
        rows = [(facts(pair.premise), facts(pair.hypothesis), pair.label) for pair in pairs]
        write(output_dir / f"facts-{split}.tsv", ["premise\thypothesis\tlabel", *map("\t".join, rows)])
        for language in languages:
            rows = [
                (tell(pair.premise, language, seed), tell(pair.hypothesis, language, seed), pair.label)
                for pair in pairs
            ]
            write(output_dir / f"{split}-{language}.tsv", ["premise\thypothesis\tlabel", *map("\t".join, rows)])
        if split == "train":
            known = list(dict.fromkeys(scene for pair in pairs for scene in (pair.premise, pair.hypothesis)))
            scenes = Random(f"{seed} scenes").sample(known, UNLABELLED_SCENES)
            print(f"scenes: {len(scenes)} sentences in each of {len(LANGUAGES)} languages", flush=True)
            for language in LANGUAGES:
                write(output_dir / f"scenes-{language}.txt", [tell(scene, language, seed) for scene in scenes])


def main() -> None:
    """Reads the arguments and builds."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout, allow_abbrev=False)
    parser.add_argument("--output_dir", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--seed", type=int, default=15)
    arguments = parser.parse_args()
    build(arguments.output_dir, arguments.seed)


if __name__ == "__main__":
    main()
