"""Measures this package against what one would use in its place, and prints a table of ratios with their goals.

`make bench DATA=FOLDER`, or with your own files:
`python examples/benchmark.py --train_file train.tsv --test_file 'dev-{language}.tsv' --vocab_file vocab.txt`.
`--full` measures for longer; `--only fusion training` measures a part; where there is a GPU it runs there.
"""

from __future__ import annotations

from bench.settings import Settings

from modeling_dlfa.command.ending import one_line
from modeling_dlfa.training.command_line import DataclassParser


def main(argv: list[str] | None = None) -> None:
    """Measures, or ends with one message and exit status 2."""
    (settings,) = DataclassParser(Settings, description=__doc__).parse(argv)
    with one_line():
        from bench.main import run

        run(settings)


if __name__ == "__main__":
    main()
