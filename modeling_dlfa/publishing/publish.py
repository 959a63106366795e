"""From a finished run to a repository on the Hub: the selected model with tokenizer, results, figure and card."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checkpoints.tokenizers import save_tokenizer
from ..errors import InputError
from ..files.folders import check_new_folder, draft_folder, named_folder, new_folder
from ..files.writing import write_text
from ..results.directory import OutputDirectory
from ..results.results import Results, load_results
from ..results.tables import figure_file
from .cards import make_card
from .checks import CONFIG, INDEX, check_contents, check_model, load_tokenizer
from .hub import CARD, HubRepository, check_repo_id
from .licences import check_license

MODEL_FILES = (CONFIG, "*_dlfa.py", "*.safetensors", INDEX)


@dataclass(frozen=True)
class Publication:
    """What is published of an output directory of the runner.

    Attributes:
        output: The directory.
        results: What its `results.json` holds.
        run: Name of the run whose model it is.
        selection: Why that one, a sentence.
    """

    output: OutputDirectory
    results: Results
    run: str
    selection: str

    @classmethod
    def of(cls, run_dir: str | os.PathLike, run: str | None = None) -> Publication:
        """Reads a finished command's output directory and selects the model.

        Of the fused systems' runs (of all, where there is no baseline) it is the one with the best score on the source
        language's validation data, a collapsed run only if there is no other, the first of equal ones. No target
        language has a say.

        Args:
            run_dir: `--output_dir` of the command.
            run: Name of another run to publish.

        Raises:
            InputError: The directory is not of a finished command that trained and tested, has no such run, or has
                models that were trained in one pass.
        """
        output = OutputDirectory(run_dir)
        results = load_results(output.results)
        if results.recipe.get("one_pass"):
            raise InputError(
                f"{output.path} was trained with --one_pass: its backbone is shared by all "
                "candidates. Train the selected layer alone, and publish that."
            )
        if results.shard is not None:
            results.shard.refuse(output.path)
        results.require_summary()  # A card needs it.
        trained = {record.name: record for record in results.runs if record.model}
        if not trained:
            raise InputError(f"{output.path} holds no model: the command kept none (--save_models False). Train one.")
        if run is not None:
            if run not in trained:
                raise InputError(f"{output.path} has no trained run {run!r}. Choose one of: {', '.join(trained)}.")
            return cls(output, results, run, f"Published: `{run}`, named by its publisher among {len(trained)} runs.")
        metric, source = results.metric, results.source_language
        scores = {
            name: (not record.collapsed, record.validation.scores[metric])
            for name, record in trained.items()
            if not record.baseline and record.validation
        }
        if not scores:
            raise InputError(f"{output.path} has no trained model with a validation score. Name a run to publish.")
        best = max(scores, key=lambda name: scores[name])
        others = "the only run" if len(scores) == 1 else f"of the {len(scores)} runs ({', '.join(scores)}) the best"
        reason = f"Published: `{best}`, {others} by {source} validation {metric} ({100 * scores[best][1]:.1f})"
        return cls(output, results, best, f"{reason}; no target language was used to choose.")

    @property
    def model(self) -> Path:
        """Folder of the selected model."""
        return self.output.model(self.run)

    def card(self, folder: Path, repo_id: str, revision: str, license: str | None) -> str:
        """Returns the card's content; `folder` holds the files that it lists."""
        options: dict[str, Any] = {"model_id": repo_id, "revision": revision, "license": license}
        return str(make_card(self.results, self.run, folder, selection=self.selection, **options))

    def write(self, folder: Path, repo_id: str, revision: str, license: str | None) -> None:
        """Fills an empty folder with exactly what is pushed.

        Raises:
            InputError: The model's folder or the figure is incomplete, or something in it must not be published.
        """
        check_model(self.model)
        for pattern in MODEL_FILES:
            for path in self.model.glob(pattern):
                shutil.copyfile(path, folder / path.name)
        save_tokenizer(load_tokenizer(self.model), folder)
        figure = figure_file(self.results)
        (folder / figure).parent.mkdir(parents=True)
        for name in (figure, "results.json"):
            try:
                shutil.copyfile(self.output.path / name, folder / name)
            except OSError as error:
                raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from error
        (folder / CARD).write_text(self.card(folder, repo_id, revision, license), encoding="utf-8", newline="\n")
        check_contents(folder)


def write_cards(
    results: Results,
    output: OutputDirectory,
    license: str | None = None,
    *,
    named: OutputDirectory | None = None,
) -> None:
    """Writes a card beside every trained model of a command, for use from its folder.

    Args:
        results: The results.
        output: The command's output directory.
        license: As the Hub names licences.
        named: The directory that the cards name, where `output` is a draft of it.
    """
    for record in results.runs:
        if record.model:
            folder = output.model(record.name)
            figure = f"../../{figure_file(results)}"
            model_id = (named or output).model(record.name).as_posix()
            options: dict[str, Any] = {"model_id": model_id, "license": license, "figure": figure}
            card = make_card(results, record.name, folder, **options)
            write_text(folder / CARD, str(card))


def dry_run(
    run_dir: str | os.PathLike,
    repo_id: str,
    folder: str | os.PathLike,
    *,
    run: str | None = None,
    license: str | None = None,
    revision: str | None = None,
) -> None:
    """Writes what `publish` would push, without the Hub. The folder appears whole or not at all.

    The first commit of `publish` holds these bytes; a second one then puts its id in the place of the branch's name in
    the card.

    Args:
        run_dir: Output directory of a finished command.
        repo_id: `namespace/name`.
        folder: A folder that does not exist or is empty.
        run: Name of the run; see `Publication.of`.
        license: As the Hub names licences.
        revision: Branch; `main` if None.

    Raises:
        InputError: See `Publication`; or the folder holds something.
    """
    check_license(license)
    check_repo_id(repo_id, namespace=True)
    target = named_folder(folder, "--dry_run")
    check_new_folder(target)
    publication = Publication.of(run_dir, run)
    with new_folder(target, "--dry_run") as draft:
        publication.write(draft, repo_id, revision or "main", license)


def publish(
    run_dir: str | os.PathLike,
    repository: HubRepository,
    *,
    run: str | None = None,
    license: str | None = None,
    commit_message: str | None = None,
) -> str:
    """Pushes a finished command's selected model, with tokenizer, results, figure and card.

    Args:
        run_dir: Output directory of a finished command.
        repository: Where to, and how.
        run: Name of the run; see `Publication.of`.
        license: As the Hub names licences.
        commit_message: Of the commit that brings the model.

    Returns:
        Address of the commit or pull request.

    Raises:
        InputError: See `Publication` and `HubRepository`. The output directory stays as it is.
    """
    check_license(license)
    publication = Publication.of(run_dir, run)
    repository.check()
    with draft_folder() as draft:
        # What is wrong with the files shows before a repository is made for them.
        publication.write(draft, repository.repo_id, repository.revision or "main", license)
        prepared = repository.prepare()
        if prepared.repo_id != repository.repo_id:
            card = publication.card(draft, prepared.repo_id, repository.revision or "main", license)
            (draft / CARD).write_text(card, encoding="utf-8", newline="\n")
        return prepared.push(
            draft,
            lambda commit: publication.card(draft, prepared.repo_id, commit, license),
            commit_message or f"Publish {publication.run}",
        )
