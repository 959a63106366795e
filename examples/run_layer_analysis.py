"""What each layer of an encoder knows, and which languages it represents alike: curves, clusters, figures.

`python examples/run_layer_analysis.py --model_name_or_path ENCODER --aligned_file aligned.tsv --output_dir layers`
analyses any encoder, or the backbone of a DLFA checkpoint; with `--pos_train_file` and `--pos_test_file` parts of
speech as well.
"""

from __future__ import annotations

import sys

from modeling_dlfa.command.ending import one_line
from modeling_dlfa.studies.layer_analysis.arguments import LayerAnalysisArguments
from modeling_dlfa.training.command_line import DataclassParser


def main(argv: list[str] | None = None) -> None:
    """Analyses, or ends with one message and exit status 2."""
    (arguments,) = DataclassParser(LayerAnalysisArguments, description=__doc__).parse(argv)

    from transformers.utils import logging

    from modeling_dlfa.studies.layer_analysis.inputs import REPORT
    from modeling_dlfa.studies.layer_analysis.layer_analysis import run_layer_analysis
    from modeling_dlfa.studies.layer_analysis.markdown import analysis_summary

    logging.set_verbosity_error()
    with one_line():
        results = run_layer_analysis(arguments, report=lambda message: print(message, file=sys.stderr, flush=True))
    print(analysis_summary(results))
    print(f"\nReport, figures and every number: {arguments.output_dir}/{REPORT}")


if __name__ == "__main__":
    main()
