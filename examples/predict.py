"""Predicts a file, or standard input, with a checkpoint: labels with their probabilities, as TSV or JSON lines.

`python examples/predict.py CHECKPOINT pairs.tsv --output_file labels.tsv`: a text, or two with a tab between, a line.
`python examples/predict.py CHECKPOINT sentences.conll`: a word a line, for checkpoints that label words.
`... | python examples/predict.py CHECKPOINT - --skip_bad_lines | ...`: answers while it reads.
`python examples/predict.py FOLDER pairs.tsv --backend onnx`: with what `export_onnx.py` wrote, faster on a CPU.

Without --skip_bad_lines the whole input is checked before the first answer: a broken line is one error with its
number, and nothing is written.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator

import torch
from tqdm import tqdm

from modeling_dlfa.cli import CommandParser
from modeling_dlfa.commands import one_line
from modeling_dlfa.errors import InputError
from modeling_dlfa.onnx_runtime import MODEL_FILE
from modeling_dlfa.prediction import Backend, Checkpoint, Predictor, best_device
from modeling_dlfa.prediction_input import FORMATS, STREAM, Example, InputFormat, InputSource, read_examples
from modeling_dlfa.prediction_output import OUTPUT_FORMATS, check_output, open_output, output_format, write_predictions

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def main(argv: list[str] | None = None) -> None:
    """Predicts, or ends with one message and exit status 2."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("checkpoint", help="Folder or Hub id of a fine-tuned classifier of texts or words.")
    parser.add_argument("input", nargs="?", default=STREAM, help="File; standard input if left out or -.")
    parser.add_argument("--input_format", choices=sorted({name for names in FORMATS.values() for name in names}))
    parser.add_argument(
        "--columns", nargs="+", default=[], help="Columns to read: of a TSV with a header, of JSON lines."
    )
    parser.add_argument("--output_file", help="Standard output if left out.")
    parser.add_argument("--output_format", choices=OUTPUT_FORMATS)
    parser.add_argument("--overwrite", action="store_true", help="Replace the output file.")
    parser.add_argument("--skip_bad_lines", action="store_true", help="Report broken lines, leave them out, go on.")
    parser.add_argument("--batch_size", type=int, default=32, help="Inputs computed at once.")
    parser.add_argument("--buffer_size", type=int, default=4096, help="Examples sorted by length at once.")
    parser.add_argument(
        "--max_length", type=int, help="Longest input in tokens; what the checkpoint reads if left out."
    )
    parser.add_argument("--backend", choices=("torch", "onnx"), default="torch", help="PyTorch, or ONNX Runtime.")
    parser.add_argument("--onnx_file", help=f"Graph in the checkpoint's folder; {MODEL_FILE} if left out.")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps, ...; the accelerator, if there is one, if left out.")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--revision", help="Branch, tag or commit on the Hub.")
    parser.add_argument("--cache_dir", help="Where downloads are kept.")
    parser.add_argument("--token", help="Hub token; the stored login if left out.")
    parser.add_argument("--trust_remote_code", action="store_true", help="Run code beside a model that is not DLFA's.")
    parser.add_argument("--quiet", action="store_true", help="Show no progress.")
    given = parser.parse_args(argv)
    try:
        with one_line():
            predict(given)
    except BrokenPipeError:
        # Whoever reads has enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def predict(given: argparse.Namespace) -> None:
    """Checks everything that can be checked, then predicts.

    Raises:
        InputError: Wrong input.
    """
    check_output(given.output_file, given.overwrite)
    hub = {name: getattr(given, name) for name in ("revision", "cache_dir", "token") if getattr(given, name)}
    checkpoint = Checkpoint.of(
        given.checkpoint, trust_remote_code=given.trust_remote_code, max_length=given.max_length, **hub
    )
    form = InputFormat.of(checkpoint.kind, given.input, given.input_format, given.columns)
    source = InputSource(given.input, twice=not given.skip_bad_lines)
    total = None
    if not given.skip_bad_lines:
        total = sum(1 for _ in read_examples(source.lines(), form, source.name))
        source.rewind()
        if not total:
            raise InputError(f"{source.name}: nothing to predict. Give at least one example.")
    predictor = Predictor(checkpoint, load_backend(given, checkpoint), given.batch_size, given.buffer_size)
    skipped = 0

    def report(error: InputError) -> None:
        nonlocal skipped
        skipped += 1
        tqdm.write(f"skipped: {error}", file=sys.stderr)

    on_bad = report if given.skip_bad_lines else None
    examples: Iterator[Example] = read_examples(source.lines(), form, source.name, on_bad)
    with (
        open_output(given.output_file) as file,
        tqdm(total=total, unit=" examples", file=sys.stderr, disable=given.quiet) as progress,
    ):
        kind = output_format(given.output_file, given.output_format)
        count = write_predictions(predictor(examples), checkpoint.labels, kind, file, progress.update)
        if not count:
            raise InputError(f"{source.name}: nothing to predict, {skipped} broken examples. Give at least one.")
    if skipped:
        print(f"{skipped} broken examples left out.", file=sys.stderr)
    if predictor.shortened:
        print(
            f"{predictor.shortened} texts were longer than {checkpoint.max_length} tokens and were cut.",
            file=sys.stderr,
        )


def load_backend(given: argparse.Namespace, checkpoint: Checkpoint) -> Backend:
    """Returns what computes the logits.

    Raises:
        InputError: Arguments that do not go together, or what is to be loaded cannot be read.
    """
    if given.backend == "torch":
        if given.onnx_file:
            raise InputError(f"--onnx_file {given.onnx_file} is read by --backend onnx alone. Add it.")
        return checkpoint.load(given.device or best_device(), DTYPES[given.dtype])
    if given.device not in (None, "cpu") or given.dtype != "float32":
        raise InputError("--backend onnx computes on the CPU, as the graph was written: leave out --device, --dtype.")
    return checkpoint.load_onnx(given.onnx_file or MODEL_FILE)


if __name__ == "__main__":
    main()
