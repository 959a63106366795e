"""The main job in a minute, offline: English labels, tests in 15 languages, DLFA beside its last-layer baseline.

It trains on the mini corpus beside this file. Its encoder is a tiny BERT with random weights, so this is a smoke run:
it shows that everything works and what comes out, not that anything transfers.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from modeling_dlfa.reporting import text_table
from modeling_dlfa.training import main

CORPUS = Path(__file__).parent / "mini" / "corpus"
ENCODER = Path(".work/demo/encoder")
OUTPUT = Path("runs/demo")
SEED = 1


def make_encoder(folder: Path) -> None:
    """Writes a BERT of 4 layers with random weights, and a word-piece tokenizer counted from unlabelled sentences."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from modeling_dlfa.tokenizer_files import save_tokenizer

    normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    splitter = pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for path in sorted(CORPUS.glob("scenes-*.txt")):
        text = normalizer.normalize_str(path.read_text(encoding="utf-8"))
        words.update(word for word, _ in splitter.pre_tokenize_str(text))
    letters = sorted({letter for word in words for letter in word})
    # Counted, not learnt: the trainers of tokenizers break ties differently in every process.
    frequent = [word for word, _ in sorted(words.items(), key=lambda item: (-item[1], item[0]))][:4000]
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        *(f"##{letter}" for letter in letters),
        *frequent,
    ]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    named = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
    save_tokenizer(PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **named), folder)
    torch.manual_seed(SEED)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=192,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)


def run() -> None:
    """Trains and tests both systems."""
    make_encoder(ENCODER)
    files = ["--train_file", str(CORPUS / "train-en.tsv"), "--validation_file", str(CORPUS / "validation-en.tsv")]
    files += ["--test_file", str(CORPUS / "test-{language}.tsv"), "--languages", "all"]
    # From random weights some seeds stay on the plateau at which training starts; this one was seen to leave it.
    recipe = ["--num_train_epochs", "6", "--learning_rate", "5e-4", "--warmup_steps", "50", "--seeds", "2"]
    system = ["--model_name_or_path", str(ENCODER), "--fusion", "aif", "--fusion_layers", "2", "--baseline"]
    main("xnli", [*system, *files, *recipe, "--output_dir", str(OUTPUT), "--overwrite"])


def show() -> None:
    """Prints the table of the last run and where its files lie."""
    print(text_table(json.loads((OUTPUT / "results.json").read_text(encoding="utf-8"))))
    print("A smoke run on random weights: only English can be learnt, and not with every seed.")
    print(f"Results, figure and models, each with its card: {OUTPUT}/")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="Print the table of the last run again.")
    show() if parser.parse_args().show else run()
