"""Predicts a file, or standard input, with a checkpoint: labels with their probabilities, or numbers.

`dlfa predict CHECKPOINT pairs.tsv --output_file labels.tsv`: one text per line, or two separated by
a tab, or columns under a header, as in CSV and Parquet; column names known from training are found.
`dlfa predict CHECKPOINT sentences.conll`: one word per line, for checkpoints that label words.
`... | dlfa predict CHECKPOINT - --skip_bad_lines | ...`: answers while it reads.
`dlfa predict FOLDER pairs.tsv --backend onnx`: with the graph that `dlfa export` wrote.

Without --skip_bad_lines the whole input is checked before the first answer: a broken line is one error with its
number, and nothing is written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..command.parser import CommandParser
from ..command.wording import counted
from ..errors import InputError
from ..inference.answers import MULTI_LABEL, THRESHOLD, Head
from ..inference.reading import FORMATS, WITH_COLUMNS, Example, InputFormat, read_source
from ..inference.source import STREAM, InputSource, ReadAhead
from ..inference.writing import OUTPUT_FORMATS, check_output, open_output, output_format, write_predictions
from ..processor import bf16_is_slow, bf16_warning

if TYPE_CHECKING:
    from ..inference.checkpoint import Backend, Checkpoint
    from ..inference.predictor import Predictor


def main(argv: Sequence[str]) -> None:
    """Predicts."""
    parser = CommandParser(prog="dlfa predict", description=__doc__)
    parser.add_argument("checkpoint", help="Folder or Hub id of a fine-tuned classifier of texts or words.")
    parser.add_argument("input", nargs="?", default=STREAM, help="File; standard input if left out or -.")
    parser.add_argument("--input_format", choices=sorted({name for names in FORMATS.values() for name in names}))
    parser.add_argument(
        "--columns",
        nargs="+",
        default=[],
        help=f"Columns to read, of {', '.join(WITH_COLUMNS)}; known names if left out.",
    )
    parser.add_argument("--output_file", help="Standard output if left out or -.")
    parser.add_argument("--output_format", choices=OUTPUT_FORMATS, help="Taken from the file's extension if left out.")
    parser.add_argument(
        "--threshold",
        type=float,
        help=f"Probability from which a label is given, where several can be; {THRESHOLD} if left out.",
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace the output file.")
    parser.add_argument(
        "--skip_bad_lines", action="store_true", help="Report and skip broken lines instead of stopping."
    )
    parser.add_argument("--batch_size", type=int, default=32, help="Batch size.")
    parser.add_argument(
        "--buffer_size", type=int, default=4096, help="Number of examples that are read and sorted by length at once."
    )
    parser.add_argument(
        "--max_length", type=int, help="Longest input in tokens; what the checkpoint reads if left out."
    )
    parser.add_argument("--backend", choices=("torch", "onnx"), default="torch", help="PyTorch, or ONNX Runtime.")
    parser.add_argument("--onnx_file", help="Graph in the checkpoint's folder; model.onnx if left out.")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps, ...; the accelerator, if there is one, if left out.")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--revision", help="Branch, tag or commit on the Hub.")
    parser.add_argument("--cache_dir", help="Folder in which downloads are kept.")
    parser.add_argument("--token", help="Hub token; the stored login if left out.")
    parser.add_argument("--trust_remote_code", action="store_true", help="Run code beside a model that is not DLFA's.")
    parser.add_argument("--quiet", action="store_true", help="Show no progress.")
    predict(parser.parse_args(argv))


def predict(given: argparse.Namespace) -> None:
    """Checks everything that can be checked, then predicts.

    Raises:
        InputError: Wrong input.
    """
    if given.output_file == STREAM:
        given.output_file = None
    kind = output_format(given.output_file, given.output_format)
    check_output(given.output_file, given.overwrite, [given.input, given.checkpoint])

    from tqdm import tqdm

    from ..inference.checkpoint import Checkpoint
    from ..inference.predictor import Predictor

    hub = {name: getattr(given, name) for name in ("revision", "cache_dir", "token") if getattr(given, name)}
    checkpoint = Checkpoint.of(
        given.checkpoint, trust_remote_code=given.trust_remote_code, max_length=given.max_length, **hub
    )
    head = with_threshold(checkpoint, given.threshold)
    form = InputFormat.of(
        checkpoint.kind, given.input, given.input_format, given.columns, text_columns=checkpoint.text_columns
    )
    source = InputSource(given.input, twice=not given.skip_bad_lines or form.name == "parquet")

    def note(sentence: str) -> None:
        print(sentence, file=sys.stderr)

    total = None
    if not given.skip_bad_lines:
        total = sum(1 for _ in read_source(source, form, on_header=note))
        source.rewind()
        if not total:
            raise InputError(f"{source.name}: nothing to predict. Give at least one example.")
    predictor = Predictor(checkpoint, load_backend(given, checkpoint), given.batch_size, given.buffer_size)
    skipped = 0

    def report(error: InputError) -> None:
        nonlocal skipped
        skipped += 1
        tqdm.write(f"skipped: {error}", file=sys.stderr)

    examples: Iterable[Example]
    if given.skip_bad_lines:
        examples = read_source(source, form, report, note)
    else:
        examples = read_source(source, form)
    if source.is_live:
        examples = ReadAhead(examples, given.buffer_size)
    with (
        open_output(given.output_file) as file,
        tqdm(total=total, unit=" examples", file=sys.stderr, disable=given.quiet) as progress,
    ):
        count = write_predictions(predictor.stream(examples), head, kind, file, progress.update)
        if not count:
            broken = counted(skipped, "broken example")
            raise InputError(f"{source.name}: nothing to predict, only {broken}. Give at least one that is whole.")
    if skipped:
        print(f"{counted(skipped, 'broken example')} left out.", file=sys.stderr)
    tell_of_texts(predictor)


def tell_of_texts(predictor: Predictor) -> None:
    """Prints to standard error which texts were cut or read as unknown."""
    if predictor.shortened:
        texts, limit = counted(predictor.shortened, "text"), predictor.checkpoint.max_length
        print(f"{texts} longer than {limit} tokens: cut to that length.", file=sys.stderr)
    if predictor.blank_words:
        print(f"{counted(predictor.blank_words, 'blank word')}, read as the unknown token.", file=sys.stderr)


def with_threshold(checkpoint: Checkpoint, threshold: float | None) -> Head:
    """Returns what the checkpoint's scores mean, with the threshold that was asked for.

    Raises:
        InputError: It is not a probability, or the checkpoint gives one label of several, or numbers.
    """
    if threshold is None:
        return checkpoint.head
    if checkpoint.head.problem != MULTI_LABEL:
        raise InputError(
            f"--threshold is for checkpoints that give several labels, but {checkpoint.name} is for "
            f"{checkpoint.head.problem}. Leave it out."
        )
    if not 0 <= threshold <= 1:
        raise InputError(f"--threshold {threshold} is not a probability. Give a number from 0 to 1.")
    return replace(checkpoint.head, threshold=threshold)


def load_backend(given: argparse.Namespace, checkpoint: Checkpoint) -> Backend:
    """Returns what computes the logits.

    Raises:
        InputError: Arguments that do not go together, or what is to be loaded cannot be read.
    """
    import torch

    from ..checkpoints.loading import MODEL_FILE
    from ..inference.predictor import best_device

    if given.backend == "torch":
        if given.onnx_file:
            raise InputError(f"--onnx_file {given.onnx_file} has an effect only with --backend onnx. Add that.")
        device = given.device or best_device()
        if given.dtype == "bfloat16" and device == "cpu" and bf16_is_slow():
            print(f"warning: {bf16_warning('--dtype bfloat16')}", file=sys.stderr)
        return checkpoint.load(device, getattr(torch, given.dtype))
    if given.device not in (None, "cpu") or given.dtype != "float32":
        raise InputError(
            "--backend onnx computes on the CPU, in the graph's precision. Leave out --device and --dtype."
        )
    return checkpoint.load_onnx(given.onnx_file or MODEL_FILE)
