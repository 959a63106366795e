"""What ONNX and its int8 weights cost in accuracy: a checkpoint by PyTorch and by its graphs, on labelled files.

`dlfa compare runs/xnli/models/RUN onnx/xnli --task xnli --test_file 'test-{language}.tsv'`
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..command.parser import CommandParser
from ..tasks import TASK_NAMES, get_task


def main(argv: Sequence[str]) -> None:
    """Compares."""
    parser = CommandParser(prog="dlfa compare", description=__doc__)
    parser.add_argument("checkpoint", help="Folder or Hub id of a fine-tuned DLFA checkpoint.")
    parser.add_argument("onnx_folder", help="Where `dlfa export` wrote its graphs.")
    parser.add_argument("--task", choices=TASK_NAMES, required=True, help="What the files hold.")
    parser.add_argument("--test_file", required=True, help="Labelled files; {language} stands for the language code.")
    parser.add_argument(
        "--languages", nargs="+", default=["all"], help="Language codes, or all (those that have a file)."
    )
    parser.add_argument(
        "--max_samples", type=int, help="Use only this many examples of each language, the first ones."
    )
    parser.add_argument("--batch_size", type=int, default=32, help="Batch size.")
    parser.add_argument("--output_file", help="Also write every number as JSON.")
    parser.add_argument("--overwrite", action="store_true", help="Replace the output file.")
    given = parser.parse_args(argv)

    from ..data.files import expand_files
    from ..data.loading import resolve_languages
    from ..files.folders import free_file
    from ..files.writing import write_json
    from ..inference.backend_comparison import compare_backends, comparison_table

    options = {"languages": given.languages, "max_samples": given.max_samples, "batch_size": given.batch_size}
    task = get_task(given.task)
    if given.output_file is not None:
        tested = expand_files(given.test_file, resolve_languages(given.languages, task, given.test_file))
        inputs = [given.checkpoint, given.onnx_folder, *tested.values()]
        free_file(given.output_file, "--output_file", overwrite=given.overwrite, inputs=inputs)
    results = compare_backends(given.checkpoint, given.onnx_folder, task, given.test_file, **options)
    print(comparison_table(results))
    if given.output_file:
        write_json(Path(given.output_file), results)
