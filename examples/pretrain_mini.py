"""Pre-trains dlfa-mini, a small multilingual BERT, from text in stages that can be repeated and resumed.

    python examples/pretrain_mini.py tokenizer pack init --text_dir TEXT --work_dir WORK
    python examples/pretrain_mini.py train --work_dir WORK --max_steps 20000 --max_minutes 55   # again to go on
    python examples/pretrain_mini.py export --work_dir WORK --output_dir examples/mini/encoder

`train` reads nothing but `WORK/packed.npz` and, where `init` has run, `WORK/embeddings.npy`. A stage whose result
exists is skipped, unless `--overwrite` is given; `train` goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent / "mini"), str(Path(__file__).resolve().parents[1])]

from modeling_dlfa.errors import InputError  # noqa: E402

STAGES = ("tokenizer", "pack", "init", "train", "export")


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("stages", nargs="+", choices=STAGES)
    parser.add_argument("--work_dir", type=Path, default=Path("runs/mini-encoder"))
    parser.add_argument("--overwrite", action="store_true", help="run tokenizer, pack and init although they have run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--alpha", type=float, default=0.3, help="a language's share is its size to this power")
    text = parser.add_argument_group("tokenizer, pack")
    text.add_argument("--text_dir", type=Path, help="folder of {lang}.txt and of aligned .tsv files")
    text.add_argument("--line_aligned", help="further files, aligned by line: a path with {language}")
    text.add_argument("--tokenizer_dir", type=Path, help="take this tokenizer instead of training one")
    text.add_argument("--vocab_size", type=int, default=20_000)
    text.add_argument("--tokenizer_characters", type=int, default=12_000_000, help="of text to train it on")
    text.add_argument("--min_character_count", type=int, default=10, help="rarer ones are spelt in bytes")
    text.add_argument("--characters_alone", type=float, default=0.3, help="share of zh sentences split by character")
    model = parser.add_argument_group("model")
    model.add_argument("--hidden_size", type=int, default=256)
    model.add_argument("--layers", type=int, default=6)
    model.add_argument("--heads", type=int, default=4)
    model.add_argument("--intermediate_size", type=int, default=896)
    model.add_argument("--max_positions", type=int, default=160)
    model.add_argument("--dropout", type=float, default=0.0)
    train = parser.add_argument_group("train")
    train.add_argument("--packed", type=Path, help="default: packed.npz in work_dir")
    train.add_argument("--start_from", type=Path, help="checkpoint or encoder whose weights a new run has")
    train.add_argument("--random_embeddings", action="store_true", help="do not use the result of init")
    train.add_argument("--batch_tokens", type=int, default=4096, help="of a step and process, padding included")
    train.add_argument("--max_length", type=int, default=128)
    train.add_argument("--max_steps", type=int, default=20_000)
    train.add_argument("--warmup_steps", type=int, default=500)
    train.add_argument("--decay_steps", type=int, help="default: the last fifth of max_steps")
    train.add_argument("--learning_rate", type=float, default=1e-3)
    train.add_argument(
        "--embedding_rate",
        type=float,
        help="share of it for word embeddings; default: 0 if they start aligned, else 1",
    )
    train.add_argument("--weight_decay", type=float, default=0.01)
    train.add_argument("--tlm_share", type=float, default=0.4, help="share of draws: a sentence pair in a row")
    train.add_argument("--contrast_share", type=float, default=0.2, help="share of draws: a sentence pair in two rows")
    train.add_argument("--line_aligned_share", type=float, help="of both from --line_aligned; default: by its size")
    train.add_argument("--contrast_layer", type=int, default=4, help="where these two are to be alike")
    train.add_argument("--contrast_weight", type=float, default=0.5, help="of that loss beside the masked words'")
    train.add_argument("--word_weight", type=float, default=0.5, help="of telling a piece's translation from others")
    train.add_argument("--match_weight", type=float, default=1.0, help="of telling pairs of one meaning from others")
    train.add_argument("--mismatch_share", type=float, default=0.4, help="share of a row's pairs that are spoilt")
    train.add_argument("--same_share", type=float, default=0.3, help="share of a row's pairs in one language")
    train.add_argument("--mlm_probability", type=float, default=0.2)
    train.add_argument("--tlm_probability", type=float, default=0.3)
    train.add_argument("--reset_positions", type=float, default=0.5, help="share of pairs aligned by position")
    train.add_argument("--no_whole_words", action="store_true", help="mask pieces, not words")
    train.add_argument("--max_minutes", type=float, help="end with a checkpoint after so long")
    train.add_argument("--save_minutes", type=float, default=10.0)
    train.add_argument("--logging_steps", type=int, default=50)
    train.add_argument("--precision", choices=("bf16", "no"), default="bf16")
    train.add_argument("--compile", action="store_true", help="torch.compile the encoder")
    train.add_argument("--workers", type=int, default=0, help="processes that prepare batches")
    export = parser.add_argument_group("export")
    export.add_argument("--output_dir", type=Path)
    export.add_argument("--shrink_to", type=Path, help="also, or only, write half-precision weights for --start_from")
    export.add_argument("--checkpoint", type=Path, help="default: the last one in work_dir")
    return parser.parse_args(argv)


def run_tokenizer(arguments: argparse.Namespace) -> None:
    """Trains the tokenizer and writes it to `tokenizer/`."""
    from mini_tokenizer import save_tokenizer, train_tokenizer
    from pretraining_text import read_text

    if arguments.text_dir is None:
        raise InputError("The stage tokenizer reads text. Give its folder: --text_dir.")
    text = read_text(arguments.text_dir, arguments.line_aligned)
    tokenizer = train_tokenizer(
        text.by_language(),
        arguments.vocab_size,
        arguments.alpha,
        arguments.tokenizer_characters,
        arguments.min_character_count,
    )
    save_tokenizer(tokenizer, arguments.work_dir / "tokenizer", arguments.max_positions)
    print(f"tokenizer: {tokenizer.get_vocab_size()} pieces")


def run_pack(arguments: argparse.Namespace) -> None:
    """Tokenises the text and writes `packed.npz`, and its record as `packed.json`."""
    from pretraining_data import pack
    from pretraining_text import read_text

    if arguments.text_dir is None:
        raise InputError("The stage pack reads text. Give its folder: --text_dir.")
    file = tokenizer_dir(arguments) / "tokenizer.json"
    if not file.is_file():
        raise InputError(f"{file} does not exist. Run the stage tokenizer first, or give --tokenizer_dir.")
    text = read_text(arguments.text_dir, arguments.line_aligned)
    packed = pack(text, file, arguments.characters_alone)
    path = arguments.work_dir / "packed.npz"
    packed.save(path)
    record = json.dumps(packed.record, ensure_ascii=False, indent=2)
    path.with_suffix(".json").write_text(record + "\n", encoding="utf-8", newline="\n")
    groups = sum(packed.record["groups"].values())
    print(f"packed: {len(packed.lengths):,} sentences, {len(packed.ids):,} pieces, {groups:,} groups, {size(path)}")


def run_init(arguments: argparse.Namespace) -> None:
    """Computes aligned word embeddings and writes `embeddings.npy`."""
    import numpy as np
    from alignment import usage_vectors
    from pretraining_data import Packed

    packed = Packed.load(packed_path(arguments))
    if not len(packed.group_lengths):
        raise InputError("The packed text has no aligned sentences, which the stage init needs. Leave the stage out.")
    vectors, known = usage_vectors(packed, arguments.hidden_size, arguments.seed)
    path = arguments.work_dir / "embeddings.npy"
    np.save(path, vectors.astype(np.float16))
    print(f"embeddings: {int(known.sum()):,} of {len(known):,} pieces from aligned sentences, {size(path)}")


def run_train(arguments: argparse.Namespace) -> None:
    """Trains, or goes on with training; checkpoints and `loss.jsonl` go to `training/`."""
    import numpy as np
    from checkpoints import load_state
    from pretraining import RunSettings, Training, TrainingSettings
    from pretraining_batches import BatchSettings
    from pretraining_data import Packed
    from transformers import BertConfig

    if not 0 <= arguments.contrast_layer <= arguments.layers:
        raise InputError(f"--contrast_layer: the encoder has layers 0 to {arguments.layers}.")
    if not 0 <= arguments.tlm_share + arguments.contrast_share <= 1:
        raise InputError("--tlm_share and --contrast_share are shares of one whole: lower one of them.")
    if arguments.max_length > arguments.max_positions:
        raise InputError(f"--max_length {arguments.max_length} is more than the {arguments.max_positions} positions.")
    packed = Packed.load(packed_path(arguments))
    config = BertConfig(
        vocab_size=len(packed.starts_word),
        hidden_size=arguments.hidden_size,
        num_hidden_layers=arguments.layers,
        num_attention_heads=arguments.heads,
        intermediate_size=arguments.intermediate_size,
        max_position_embeddings=arguments.max_positions,
        hidden_dropout_prob=arguments.dropout,
        attention_probs_dropout_prob=arguments.dropout,
        pad_token_id=packed.record["special"]["[PAD]"],
        # Words of one meaning begin as one vector, which could not be told apart if it were also what predicts them.
        tie_word_embeddings=False,
    )
    batches = BatchSettings(
        tokens=arguments.batch_tokens,
        max_length=arguments.max_length,
        alpha=arguments.alpha,
        tlm_share=arguments.tlm_share,
        contrast_share=arguments.contrast_share,
        line_aligned_share=arguments.line_aligned_share,
        mlm_probability=arguments.mlm_probability,
        tlm_probability=arguments.tlm_probability,
        reset_positions=arguments.reset_positions,
        mismatch_share=arguments.mismatch_share,
        same_share=arguments.same_share,
        whole_words=not arguments.no_whole_words,
        seed=arguments.seed,
    )
    embeddings = arguments.work_dir / "embeddings.npy"
    use_embeddings = embeddings.is_file() and not arguments.random_embeddings
    default_rate = 0.0 if use_embeddings or arguments.start_from else 1.0
    settings = TrainingSettings(
        max_steps=arguments.max_steps,
        warmup_steps=arguments.warmup_steps,
        decay_steps=arguments.max_steps // 5 if arguments.decay_steps is None else arguments.decay_steps,
        learning_rate=arguments.learning_rate,
        embedding_rate=default_rate if arguments.embedding_rate is None else arguments.embedding_rate,
        contrast_layer=arguments.contrast_layer,
        contrast_weight=arguments.contrast_weight,
        word_weight=arguments.word_weight,
        match_weight=arguments.match_weight,
        weight_decay=arguments.weight_decay,
    )
    run = RunSettings(
        max_minutes=arguments.max_minutes,
        save_minutes=arguments.save_minutes,
        logging_steps=arguments.logging_steps,
        precision=arguments.precision,
        compiled=arguments.compile,
        workers=arguments.workers,
    )
    training = Training(
        packed,
        config,
        batches,
        settings,
        run,
        arguments.work_dir / "training",
        embeddings=np.load(embeddings) if use_embeddings else None,
        start_from=arguments.start_from,
    )
    checkpoint = training.train()
    state = load_state(checkpoint)
    print(f"train: step {state['step']:,} of {settings.max_steps:,}, {state['tokens']:,} tokens, {checkpoint}")


def run_export(arguments: argparse.Namespace) -> None:
    """Writes the encoder in half precision, its configuration and tokenizer to `--output_dir`."""
    from checkpoints import last_checkpoint
    from exporting import export, shrink

    if arguments.output_dir is None and arguments.shrink_to is None:
        raise InputError("The stage export writes the encoder. Give a folder: --output_dir.")
    checkpoint = arguments.checkpoint or last_checkpoint(arguments.work_dir / "training")
    if checkpoint is None:
        raise InputError(f"{arguments.work_dir / 'training'} has no checkpoint. Run the stage train first.")
    if arguments.shrink_to is not None:
        shrink(checkpoint, arguments.shrink_to)
    if arguments.output_dir is None:
        return
    parameters = export(checkpoint, tokenizer_dir(arguments), arguments.output_dir)
    files = sorted(path for path in arguments.output_dir.iterdir() if path.is_file())
    for path in files:
        print(f"  {path.name}: {size(path)}")
    total = sum(path.stat().st_size for path in files) / 1e6
    print(f"export: {parameters:,} parameters, {total:.1f} MB in {arguments.output_dir}")


def tokenizer_dir(arguments: argparse.Namespace) -> Path:
    """Folder of the tokenizer in use."""
    return arguments.tokenizer_dir or arguments.work_dir / "tokenizer"


def packed_path(arguments: argparse.Namespace) -> Path:
    """The packed text in use.

    Raises:
        InputError: There is none.
    """
    path = arguments.packed or arguments.work_dir / "packed.npz"
    if not path.is_file():
        raise InputError(f"{path} does not exist. Run the stage pack first, or give --packed.")
    return path


def size(path: Path) -> str:
    """Size of a file for people."""
    return f"{path.stat().st_size / 1e6:.1f} MB"


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the stages in their order."""
    arguments = parse(argv)
    results = {"tokenizer": "tokenizer/tokenizer.json", "pack": "packed.npz", "init": "embeddings.npy"}
    runs = dict(zip(STAGES, (run_tokenizer, run_pack, run_init, run_train, run_export), strict=True))
    try:
        for stage in STAGES:
            if stage not in arguments.stages:
                continue
            result = arguments.work_dir / results.get(stage, "")
            if stage in results and result.is_file() and not arguments.overwrite:
                print(f"{stage}: {result} exists, skipped; --overwrite runs it again")
                continue
            runs[stage](arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
