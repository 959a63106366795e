"""What `reproduce.sh` asks of the package between its commands.

python examples/reproduce_steps.py layer SWEEP           # the layer selected on English validation data
python examples/reproduce_steps.py best RUN ...          # the directory with the best English validation score
python examples/reproduce_steps.py targets TASK TEXTS    # target languages that have a text
python examples/reproduce_steps.py rows TASK FOLDER      # the Hub's data as files
python examples/reproduce_steps.py card RUN CARD         # a card with table, figure and command
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modeling_dlfa.command.ending import one_line
from modeling_dlfa.command.parser import CommandParser
from modeling_dlfa.errors import InputError

if TYPE_CHECKING:
    from modeling_dlfa.tasks import SplitName


def layer(sweep: str) -> int:
    """Returns the layer of a finished sweep with the best score on English validation data."""
    from modeling_dlfa.results.directory import OutputDirectory
    from modeling_dlfa.studies.layer_sweep.choice import select_layer
    from modeling_dlfa.studies.layer_sweep.layer_sweep import read_sweep

    return select_layer(read_sweep(OutputDirectory(sweep)))


def best(folders: Sequence[str]) -> str:
    """Returns the directory whose one system has the best mean score on English validation data; of equals the first.

    Raises:
        InputError: A directory has no validation scores, or several systems.
    """
    from modeling_dlfa.results.results import load_results

    scores = {}
    for folder in folders:
        systems = list(load_results(folder).require_summary().systems.values())
        if len(systems) != 1 or (found := systems[0].validation) is None:
            raise InputError(f"{folder} must hold one system with validation scores. Train one there.")
        scores[folder] = found.mean
    return max(scores, key=lambda folder: scores[folder])


def targets(task: str, texts: str) -> list[str]:
    """Returns the target languages of a task that have a text.

    Args:
        task: Name of the task.
        texts: Name of the texts, with `{language}` for the code.

    Raises:
        InputError: English has no text, or no target has one.
    """
    from modeling_dlfa.data.files import languages_on_disk
    from modeling_dlfa.tasks import get_task

    known, found = get_task(task), languages_on_disk(texts)
    codes = [code for code in known.languages if code in found and code != known.source_language]
    if known.source_language not in found or not codes:
        raise InputError(f"{texts}: there must be a text of {known.source_language} and of a target language.")
    return codes


def write_hub_rows(task: str, folder: Path) -> None:
    """Writes the Hub's rows of a task as train.jsonl, validation.jsonl and test-{language}.jsonl."""
    from modeling_dlfa.augmentation.output import write_rows
    from modeling_dlfa.data.hub import load_hub
    from modeling_dlfa.tasks import get_task

    known = get_task(task)
    folder.mkdir(parents=True, exist_ok=True)
    source: dict[str, tuple[SplitName, str]] = {
        "train": ("train", known.source_language),
        "validation": ("validation", known.source_language),
    }
    tests: dict[str, tuple[SplitName, str]] = {f"test-{code}": ("test", code) for code in known.languages}
    for name, (split, language) in (source | tests).items():
        rows = load_hub(known, split, language)
        texts = map(list, zip(*rows.texts, strict=True))
        write_rows(known, folder / f"{name}.jsonl", zip(texts, rows.labels, strict=True))


def write_card(run: str, card: Path) -> None:
    """Writes a card with the table, figure, command and versions of a finished command."""
    from results_card import BEGIN, END, update_card

    from modeling_dlfa.files.writing import write_text
    from modeling_dlfa.results.results import load_results

    results = load_results(run)
    what = f"What `examples/reproduce.sh` measured. Seeds: {', '.join(map(str, results.seeds))}."
    write_text(card, f"# {Path(results.model_name_or_path).name}, {results.title}\n\n{what}\n\n{BEGIN}\n{END}\n")
    machine = results.hardware.get("accelerator") or "no accelerator"
    update_card(card, [Path(run)], f"Hardware: {machine}, {results.hardware.get('cpus')} CPU cores.")


def main(argv: Sequence[str] | None = None) -> None:
    """Answers one question or writes one thing; wrong input ends with one message and exit status 2."""
    parser = CommandParser(description=__doc__)
    jobs = parser.add_subparsers(dest="job", required=True)
    for name, words in {"layer": "sweep", "targets": "task texts", "rows": "task folder", "card": "run card"}.items():
        job = jobs.add_parser(name)
        for word in words.split():
            job.add_argument(word)
    jobs.add_parser("best").add_argument("runs", nargs="+")
    given = parser.parse_args(argv)
    with one_line():
        if given.job == "layer":
            print(layer(given.sweep))
        elif given.job == "best":
            print(best(given.runs))
        elif given.job == "targets":
            print(" ".join(targets(given.task, given.texts)))
        elif given.job == "rows":
            write_hub_rows(given.task, Path(given.folder))
        else:
            write_card(given.run, Path(given.card))


if __name__ == "__main__":
    main()
