"""What ONNX and its int8 weights cost in accuracy: a checkpoint by PyTorch and by its graphs, on labelled files.

`python examples/compare_backends.py runs/xnli/models/RUN onnx/xnli --task xnli --test_file 'test-{language}.tsv'`
"""

from __future__ import annotations

from pathlib import Path

from modeling_dlfa.command.ending import one_line
from modeling_dlfa.command.parser import CommandParser

TASKS = {"xnli": "xnli", "pawsx": "pawsx", "ner": "panx", "pos": "udpos"}


def main(argv: list[str] | None = None) -> None:
    """Compares, or ends with one message and exit status 2."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("checkpoint", help="Folder or Hub id of a fine-tuned DLFA checkpoint.")
    parser.add_argument("onnx_folder", help="Where examples/export_onnx.py wrote its graphs.")
    parser.add_argument("--task", choices=TASKS, required=True, help="What the files hold.")
    parser.add_argument("--test_file", required=True, help="Labelled files; {language} stands for the language code.")
    parser.add_argument("--languages", nargs="+", default=["all"], help="Codes, or all that have a file.")
    parser.add_argument("--max_samples", type=int, help="Take no more than the first so many examples of a language.")
    parser.add_argument("--batch_size", type=int, default=32, help="Inputs of a batch.")
    parser.add_argument("--output_file", help="Also write every number as JSON.")
    given = parser.parse_args(argv)

    from modeling_dlfa.files.folders import named_file
    from modeling_dlfa.files.writing import write_json
    from modeling_dlfa.inference.backend_comparison import compare_backends, comparison_table
    from modeling_dlfa.tasks import get_task

    options = {"languages": given.languages, "max_samples": given.max_samples, "batch_size": given.batch_size}
    task = get_task(TASKS[given.task])
    with one_line():
        if given.output_file is not None:
            named_file(given.output_file, "--output_file")
        results = compare_backends(given.checkpoint, given.onnx_folder, task, given.test_file, **options)
        print(comparison_table(results))
        if given.output_file:
            write_json(Path(given.output_file), results)


if __name__ == "__main__":
    main()
