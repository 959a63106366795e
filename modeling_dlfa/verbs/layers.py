"""What each layer of an encoder knows, and which languages it represents alike: curves, clusters, figures.

`dlfa layers --model_name_or_path ENCODER --aligned_file aligned.tsv --output_dir layers` analyses any encoder, or the
backbone of a DLFA checkpoint; with `--pos_train_file` and `--pos_test_file` parts of speech as well.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..studies.layer_analysis.arguments import LayerAnalysisArguments
from ..training.command_line import DataclassParser


def main(argv: Sequence[str]) -> None:
    """Analyses."""
    (arguments,) = DataclassParser(LayerAnalysisArguments, prog="dlfa layers", description=__doc__).parse(argv)

    from transformers.utils import logging

    from ..studies.layer_analysis.layer_analysis import run_layer_analysis
    from ..studies.layer_analysis.sections import ANALYSIS, analysis_summary

    logging.set_verbosity_error()
    results = run_layer_analysis(arguments, report=lambda message: print(message, file=sys.stderr, flush=True))
    print(analysis_summary(results))
    print(f"\nReport, figures and every number: {arguments.output_dir}/{ANALYSIS.page}")
