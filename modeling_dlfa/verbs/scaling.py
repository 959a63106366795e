"""Shows how transfer scales with the number of target languages, from finished results of any task.

`dlfa scaling runs/xnli runs/ner --output_dir runs/scaling` reads `results.json` and the predictions beside it, and
writes `language_scaling.json`, a Markdown report and figures. Results of one task are compared with each other: name
the directories of all commands that trained on the same data with the same recipe, languages and seeds. `--difference
A B` also compares two of their systems. `--measure_cost` times testing 1, 2, 4 ... languages in one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from ..training.argument_checks import STUDY_PACKAGES, check_installed, check_seeds
from ..training.command_line import DataclassParser


@dataclass
class ScalingArguments:
    """Which results, in which orders, how finely."""

    results: list[str] = field(metadata={"help": "Output directories of `dlfa train`, predictions included."})
    output_dir: str = field(metadata={"help": "Where language_scaling.json, .md and figures/ go."})
    difference: list[str] = field(
        default_factory=list,
        metadata={"help": "Two systems, or several pairs: the first minus the second, by language and script."},
    )
    max_subsets: int = field(default=100, metadata={"help": "About how many sets of n languages to look at."})
    n_resamples: int = field(default=1000, metadata={"help": "Bootstrap resamples of the examples."})
    seed: int = field(default=0, metadata={"help": "Seed of the bootstrap and of the sampled sets."})
    overwrite: bool = field(default=False, metadata={"help": "Replace a study that is there."})
    measure_cost: bool = field(
        default=False, metadata={"help": "Also time testing n languages, with the first results."}
    )
    cost_model: str | None = field(
        default=None, metadata={"help": "Checkpoint to time; the results' own if left out."}
    )
    cost_test_file: str | None = field(
        default=None, metadata={"help": "Test files, with {language} for the code; the results' own if left out."}
    )
    cost_samples: int | None = field(
        default=None, metadata={"help": "Examples of each language to time; all if left out."}
    )


def main(argv: Sequence[str]) -> None:
    """Runs the study."""
    # Results come first, without a name.
    named = next((index for index, word in enumerate(argv) if word.startswith("--")), len(argv))
    argv = ["--results", *argv] if named else argv
    parser = DataclassParser(ScalingArguments, prog="dlfa scaling", description=__doc__)
    (given,) = parser.parse(argv)
    if len(given.difference) % 2:
        parser.error(f"--difference takes systems in pairs, but got {len(given.difference)}")
    check_seeds("--seed", [given.seed])
    check_installed(STUDY_PACKAGES, "studies", "dlfa scaling")
    if not given.measure_cost:
        for entry in fields(given):
            if entry.name.startswith("cost_") and getattr(given, entry.name) != entry.default:
                parser.error(f"--{entry.name} has no effect without --measure_cost. Add that, or remove it.")

    from ..studies.language_scaling.command import run_language_scaling
    from ..studies.language_scaling.evaluation_cost import CostOptions

    cost = None
    if given.measure_cost:
        cost = CostOptions(given.cost_model, given.cost_test_file, given.cost_samples)
    names = ("max_subsets", "n_resamples", "seed", "overwrite")
    options = {name: getattr(given, name) for name in names}
    pairs = list(zip(given.difference[::2], given.difference[1::2], strict=True))
    path = run_language_scaling(given.results, given.output_dir, differences=pairs, cost=cost, **options)
    print(f"Study: {path}")
