"""What the default ids of the README stand for, tiny, in the real ones' layout, on the loopback Hub."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import torch
from huggingface_hub import HfApi
from transformers import BertConfig, BertForPreTraining

from modeling_dlfa.tasks import XNLI

from .conftest import WORDS

ENCODER, DATASET = "google-bert/bert-base-multilingual-cased", "facebook/xnli"
ROWS = {"train": 48, "validation": 12, "test": 12}


def make_encoder(tokenizer: Path, folder: Path) -> None:
    """Fills a folder with mBERT's files: 12 layers, the whole pre-training model, a cased tokenizer."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 128}
    BertForPreTraining(BertConfig(vocab_size=50, num_hidden_layers=12, **sizes)).save_pretrained(folder)
    for path in tokenizer.iterdir():
        if "token" in path.name:
            shutil.copyfile(path, folder / path.name)


def _rows(split: str, count: int) -> list[tuple[str, str, int]]:
    rng, words = random.Random(split), WORDS["en"]
    made = []
    for row in range(count):
        label = row % 3
        pair = (rng.sample(words, 5), rng.choices(words[label::3], k=4))
        made.append((" ".join(pair[0]), " ".join(pair[1]), label))
    return made


def make_xnli(folder: Path) -> None:
    """Fills a folder with Parquet, a configuration for each language and `all_languages`, integer class labels."""
    from datasets import ClassLabel, Dataset, Features, Translation, TranslationVariableLanguages, Value

    languages, labels = list(XNLI.languages), ClassLabel(names=list(XNLI.labels))
    one = Features({"premise": Value("string"), "hypothesis": Value("string"), "label": labels})
    every = Features(
        {
            "premise": Translation(languages=languages),
            "hypothesis": TranslationVariableLanguages(languages=languages),
            "label": labels,
        }
    )
    card = "---\nlanguage:\n" + "".join(f"- {code}\n" for code in languages) + "configs:\n"
    for config in ("all_languages", *languages):
        card += f"- config_name: {config}\n  data_files:\n"
        (folder / config).mkdir(parents=True)
        for split, count in ROWS.items():
            rows = _rows(split, count)
            premises, hypotheses, classes = (list(column) for column in zip(*rows, strict=True))
            if config == "all_languages":
                given = [{code: text for code in languages} for text in premises]
                found = [{"language": languages, "translation": [text] * len(languages)} for text in hypotheses]
                data = Dataset.from_dict({"premise": given, "hypothesis": found, "label": classes}, every)
            else:
                data = Dataset.from_dict({"premise": premises, "hypothesis": hypotheses, "label": classes}, one)
            data.to_parquet(folder / config / f"{split}-00000-of-00001.parquet")
            card += f"  - split: {split}\n    path: {config}/{split}-*\n"
    (folder / "README.md").write_text(card + "---\n", encoding="utf-8")


def serve(folder: Path, tokenizer: Path) -> None:
    """Pushes both to the Hub, which this process must be online to."""
    api = HfApi()
    make_encoder(tokenizer, folder / "encoder")
    make_xnli(folder / "xnli")
    for repo_id, kind, name in ((ENCODER, "model", "encoder"), (DATASET, "dataset", "xnli")):
        api.create_repo(repo_id, repo_type=kind, exist_ok=True)
        api.upload_folder(repo_id=repo_id, repo_type=kind, folder_path=folder / name)
