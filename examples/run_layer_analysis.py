"""What each layer of an encoder knows, and which languages it represents alike: curves, clusters, figures.

`python examples/run_layer_analysis.py --model_name_or_path ENCODER --aligned_file aligned.tsv --output_dir layers`
analyses any encoder, or the backbone of a DLFA checkpoint; with `--pos_train_file` and `--pos_test_file` parts of
speech as well.
"""

from __future__ import annotations

import sys

from transformers import HfArgumentParser
from transformers.utils import logging

from modeling_dlfa.commands import one_line
from modeling_dlfa.studies.layer_analysis import run_layer_analysis
from modeling_dlfa.studies.layer_inputs import REPORT, LayerAnalysisArguments
from modeling_dlfa.studies.layer_report import analysis_summary


def main(argv: list[str] | None = None) -> None:
    """Analyses, or ends with one message and exit status 2."""
    parser = HfArgumentParser(LayerAnalysisArguments, description=__doc__)  # type: ignore[arg-type]
    (arguments,) = parser.parse_args_into_dataclasses(argv)
    logging.set_verbosity_error()
    with one_line():
        results = run_layer_analysis(arguments, report=lambda message: print(message, file=sys.stderr, flush=True))
    print(analysis_summary(results))
    print(f"\nReport, figures and every number: {arguments.output_dir}/{REPORT}")


if __name__ == "__main__":
    main()
