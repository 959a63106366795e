"""The main job in minutes, offline: English labels, tests in 15 languages, DLFA beside its last-layer baseline.

It fine-tunes multilingual-e5-small on the corpus beside this file, and asks the
saved checkpoint three questions through transformers alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from together import run_together

from modeling_dlfa.errors import InputError
from modeling_dlfa.languages import get_language
from modeling_dlfa.merging import check_target, merge_runs
from modeling_dlfa.output import OutputDirectory
from modeling_dlfa.reporting import text_table

EXAMPLES = Path(os.path.relpath(Path(__file__).parent))  # What is recorded names no folder of this machine.
MINI = EXAMPLES / "mini"
OUTPUT = Path("runs/demo")
SYSTEM = "aif-layer4"
SEED = 1
SHARDS = 2  # DLFA and its baseline.
QUESTIONS = (
    ("es", "Una abuela estaba comiendo una manzana.", "Una mujer estaba comiendo fruta.", "entailment"),
    ("zh", "下午，一匹马正在海边睡觉。", "夜里，一只动物正在睡觉。", "contradiction"),
    ("hi", "एक लड़की दौड़ रही थी।", "एक बच्चा पानी के किनारे दौड़ रहा था।", "neutral"),
)


def train(extra: Sequence[str] = ()) -> None:
    """Trains and tests both systems at once, each in a process of its own with half of the processors.

    Leaves table, results, figure, cards and checkpoints in `runs/demo`, as the two shards of one command merged.

    Args:
        extra: Arguments of `run_xnli.py` in place of the recipe's.

    Raises:
        SystemExit: One of the processes failed, whose messages are printed, or `runs/demo` holds something else.
    """
    corpus = MINI / "corpus"
    system = ["--model_name_or_path", str(MINI / "encoder"), "--fusion", "aif", "--fusion_layers", "4", "--baseline"]
    files = ["--train_file", str(corpus / "train-en.tsv"), "--validation_file", str(corpus / "validation-en.tsv")]
    files += ["--test_file", str(corpus / "test-{language}.tsv"), "--languages", "all"]
    # Embeddings and two blocks stay as pre-training aligned them. On a CPU short rows run fastest eagerly.
    recipe = ["--num_train_epochs", "8", "--learning_rate", "1e-3", "--warmup_steps", "30", "--freeze_up_to", "2"]
    recipe += ["--per_device_train_batch_size", "64", "--pooling", "mean", "--attn_implementation", "eager"]
    recipe += ["--seeds", str(SEED), "--use_cpu", "True", "--bf16", str(torch.cpu._is_avx512_bf16_supported())]
    OutputDirectory(OUTPUT).clear()
    try:
        check_target(OUTPUT)
    except InputError as error:
        raise SystemExit(f"error: {error}") from error
    shards = [OUTPUT.with_name(f"{OUTPUT.name}-shard-{index}") for index in range(SHARDS)]
    command = [sys.executable, str(EXAMPLES / "run_xnli.py"), *system, *files, *recipe, *extra]
    command += ["--num_shards", str(SHARDS), "--overwrite"]
    run_together(
        [[*command, "--shard_index", str(index), "--output_dir", str(path)] for index, path in enumerate(shards)]
    )
    merge_runs(shards, OUTPUT)
    for path in shards:
        shutil.rmtree(path)


def ask(checkpoint: Path) -> list[str]:
    """Labels that a checkpoint gives to `QUESTIONS`, in a process with the code beside its weights alone."""
    lines = [json.dumps({"text": premise, "text_pair": hypothesis}) for _, premise, hypothesis, _ in QUESTIONS]
    command = [sys.executable, "-I", str(MINI / "ask.py"), str(checkpoint.resolve())]
    asked = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, encoding="utf-8")
    if asked.returncode:
        raise SystemExit(f"The checkpoint does not load by the code beside it:\n{asked.stderr}")
    return [json.loads(line)["label"] for line in asked.stdout.splitlines()]


def show_table() -> None:
    """Prints the table of the last run."""
    print(text_table(json.loads((OUTPUT / "results.json").read_text(encoding="utf-8"))))


def show_answers() -> None:
    """Prints the answers of the last run's checkpoint, and where its files lie."""
    checkpoint = OUTPUT / "models" / f"{SYSTEM}-seed{SEED}"
    print(f"{checkpoint}, reloaded with trust_remote_code=True in a process without this package, trained on English:")
    for (code, premise, hypothesis, expected), label in zip(QUESTIONS, ask(checkpoint), strict=True):
        verdict = "right" if label == expected else f"wrong: {expected}"
        print(f"  {get_language(code).name}: {premise} / {hypothesis}  {label} ({verdict})")
    print(f"Results, figure, cards and checkpoints: {OUTPUT}/")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="Do not train, show the last run.")
    if not parser.parse_args().show:
        train()
    show_table()
    show_answers()
