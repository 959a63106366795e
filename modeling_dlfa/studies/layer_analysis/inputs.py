"""What a layer analysis reads: its checked arguments, translations, and words with their parts of speech."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...data.files import PLACEHOLDER
from ...data.loading import expand_files, languages_on_disk, load_file
from ...data.splits import Split
from ...errors import InputError
from ...tasks import UDPOS
from ...training.argument_checks import STUDY_PACKAGES, check_installed, check_seeds
from .aligned_text import MIN_SENTENCES, AlignedText, read_aligned
from .arguments import SIMILARITIES, LayerAnalysisArguments
from .genealogy import Genealogy
from .resampling import MIN_EXAMPLES
from .sections import ANALYSIS


@dataclass(frozen=True)
class AnalysisData:
    """Everything that a layer analysis reads.

    Attributes:
        aligned: Translations.
        genealogy: Genealogy of their languages.
        pos_train: Words with parts of speech in the source language; None if not given.
        pos_tests: The same for testing, for each language that has a file.
        without_pos: Languages that have no such file.
    """

    aligned: AlignedText
    genealogy: Genealogy
    pos_train: Split | None
    pos_tests: dict[str, Split]
    without_pos: list[str]


def check_arguments(arguments: LayerAnalysisArguments) -> None:
    """Checks what can be checked without reading anything.

    Raises:
        InputError: A library is missing, the output directory is taken, or an argument is wrong.
    """
    check_installed((*STUDY_PACKAGES, "sklearn"), "studies", "dlfa layers")
    ANALYSIS.folder(arguments.output_dir, overwrite=arguments.overwrite)
    if bool(arguments.pos_train_file) != bool(arguments.pos_test_file):
        raise InputError("Parts of speech need both --pos_train_file and --pos_test_file. Give both, or neither.")
    if arguments.figure_similarity not in SIMILARITIES:
        raise InputError(f"There is no similarity '{arguments.figure_similarity}'. Choose: {', '.join(SIMILARITIES)}.")
    check_seeds("--seed", [arguments.seed])
    counts = {name: getattr(arguments, name) for name in vars(arguments) if name.startswith(("max_", "n_"))}
    for name, count in {**counts, "batch_size": arguments.batch_size}.items():
        least = {"batch_size": 1, "max_length": 1, "max_sentences": MIN_SENTENCES}.get(name, MIN_EXAMPLES)
        if count is not None and count < least:
            raise InputError(f"--{name} {count} is too few. Give {least} or more.")


def read_data(arguments: LayerAnalysisArguments) -> AnalysisData:
    """Reads everything.

    Raises:
        InputError: As for `read_aligned`, `Genealogy.of` and `load_file`, or a file has too few sentences.
    """
    aligned = read_aligned(
        arguments.aligned_file, arguments.languages, max_sentences=arguments.max_sentences, seed=arguments.seed
    )
    codes = list(aligned.texts)
    genealogy = Genealogy.of(codes)
    if arguments.pos_train_file is None or arguments.pos_test_file is None:
        return AnalysisData(aligned, genealogy, None, {}, [])
    pattern = arguments.pos_test_file
    tested = [code for code in codes if PLACEHOLDER not in pattern or code in languages_on_disk(pattern)]
    if not tested:
        raise InputError(f"{pattern}: no file exists for any of {' '.join(codes)}. Check the path.")
    files = expand_files(pattern, tested)

    def load(path: str | Path, code: str, limit: int) -> Split:
        split = load_file(path, UDPOS, code)
        if len(split) < MIN_EXAMPLES:
            raise InputError(f"{path}: too few sentences: {len(split)}. Give {MIN_EXAMPLES} or more.")
        rng = np.random.default_rng(arguments.seed)
        rows = sorted(rng.choice(len(split), min(limit, len(split)), replace=False).tolist())
        words = [split.texts[0][row] for row in rows]
        return Split(code, (words,), [split.labels[row] for row in rows], split.source)

    train = load(arguments.pos_train_file, arguments.source_language, arguments.max_pos_train_sentences)
    tests = {code: load(path, code, arguments.max_pos_test_sentences) for code, path in files.items()}
    return AnalysisData(aligned, genealogy, train, tests, [code for code in codes if code not in tested])
