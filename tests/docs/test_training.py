"""The snippets that train: from files, on tasks of one's own, a part of the weights, with glyphs, in shards."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from modeling_dlfa.tasks import XNLI

from ..conftest import WORDS, write_tags
from ..tiny_checkpoints import save_checkpoint
from .files import copy_files, copy_for_yaml, write_conllu, write_paraphrases
from .snippets import execute, marked, shell

pytestmark = pytest.mark.slow
# The Trainer's data, which are the user's own.
EXAMPLES = """
examples = [{"input_ids": [2, 7, 3], "attention_mask": [1, 1, 1], "labels": row % 3} for row in range(8)]
"""


def results(home: Path, name: str) -> dict:
    return json.loads((home / "runs" / name / "results.json").read_text(encoding="utf-8"))


def test_wrap_save_and_a_trainer_of_ones_own(served: None, no_repository: HfApi, home: Path) -> None:
    use = [marked("training", "wrap"), marked("publishing", "save"), marked("publishing", "first")]
    names = execute(*use, EXAMPLES, marked("publishing", "callback"))
    assert names["model"].num_labels == 3 and (home / "my-model" / "modeling_dlfa.py").is_file()
    files = no_repository.list_repo_files("org/name")
    assert {"model.safetensors", "modeling_dlfa.py"} <= set(files)
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pth"))]


@pytest.mark.parametrize("task", ["xnli", "pawsx", "ner", "pos"])
def test_train_from_files_of_ones_own(task: str, tiny_data: Path, encoder: Path, home: Path) -> None:
    given = re.findall(r"^dlfa.*?(?=^dlfa|\Z)", marked("training", "tasks"), re.DOTALL | re.MULTILINE)
    assert len(given) == 4
    if task == "xnli":
        copy_files(tiny_data, home)
    elif task == "pos":
        write_conllu(home, 24)
    for name, language in {"train": "en", "dev": "en", "test-en": "en", "test-de": "de"}.items():
        if task == "pawsx":
            write_paraphrases(home / f"{name}.csv", language, 32)
        elif task == "ner":
            file = home / (f"{name}.tsv" if "test" in name else f"{name}-en.tsv")
            write_tags(file, language, 24, 1, ("O", "B-PER", "I-PER", "B-LOC"))
    [command] = [text for text in given if text.startswith(f"dlfa train {task} ")]
    assert "aif-layer4" in shell(command)
    assert [run["baseline"] for run in results(home, task)["runs"]] == [False, True]


def test_shards_of_several_machines(tiny_data: Path, encoder: Path, home: Path) -> None:
    copy_for_yaml(tiny_data, home)
    assert shell(marked("devices", "shards")).rstrip().endswith("runs/xnli/results.json")
    merged = results(home, "xnli")
    assert [run["seed"] for run in merged["runs"]] == [1, 1, 2, 2] and len(merged["shards"]) == 2


def test_what_text_looks_like(tiny_glyphs: Path, encoder: Path, home: Path) -> None:
    shutil.copytree(tiny_glyphs, home / "glyphs")
    write_conllu(home, 24)
    assert "aif-layer4+glyphs" in shell(marked("glyphs", "train"))
    names = execute(marked("glyphs", "weights"), marked("glyphs", "features"))
    assert list(names["looks"].shape) == [1, 5] and list(names["logits"].shape) == [1, 3]


def test_train_a_part(tiny_data: Path, encoder: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy_files(tiny_data, home)
    shell(marked("training", "lora"))
    assert list((home / "runs/lora/adapters").iterdir())
    save_checkpoint(home / "my-model", "sequence", XNLI.labels)
    execute(marked("training", "peft"))
    assert "trainable params" in capsys.readouterr().out
    assert (home / "my-adapter/adapter_model.safetensors").is_file()


def test_a_loss_of_ones_own(tiny_data: Path, encoder: Path, home: Path) -> None:
    copy_files(tiny_data, home)
    execute(marked("training", "loss"))
    assert results(home, "focal")["recipe"]["compute_loss_func"] == "__main__.focal_loss"


def test_a_task_of_ones_own(encoder: Path, home: Path) -> None:
    for name in ("train", "dev", "test-en", "test-de"):
        rows = [f"the {'cat' if row % 2 else 'dog'} sleeps,{('bad', 'good')[row % 2]}" for row in range(32)]
        (home / f"{name}.csv").write_text("\n".join(["text,opinion", *rows]) + "\n", encoding="utf-8")
    (home / "run_reviews.py").write_text(marked("own-task", "task"), encoding="utf-8")
    shell(marked("own-task", "run"))
    found = results(home, "reviews")
    assert found["task"] == "reviews" and list(found["runs"][0]["test"]) == ["en", "de"]
    names = execute(marked("own-task", "kinds"))
    assert names["emotions"].problem_type == "multi_label_classification" and names["similarity"].metric == "spearman"


def test_topics_on_ten_rows(encoder: Path, home: Path) -> None:
    topics = ("sports", "travel", "health")
    for name, language in {"train-en": "en", "dev-en": "en", "test-en": "en", "test-de": "de"}.items():
        words = WORDS[language]
        rows = [f"{row}\t{topics[row % 3]}\t{words[row % 3]} {words[4]} {words[row]}" for row in range(10)]
        (home / f"{name}.tsv").write_text("\n".join(["index_id\tcategory\ttext", *rows]) + "\n", encoding="utf-8")
    (home / "run_sib200.py").write_text(marked("own-task", "sib"), encoding="utf-8")
    shell(marked("own-task", "sib-run"))
    found = results(home, "sib200")
    assert found["languages"] == ["de", "en"] and found["runs"][0]["test"]["de"]["n"] == 10
    assert found["recipe"]["class_weights"]["sports"] < found["recipe"]["class_weights"]["travel"]


def test_choices_on_ten_rows(encoder: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, language in {"train-en": "en", "dev-en": "en", "test-en": "en", "test-it": "de"}.items():
        words = WORDS[language]
        rows = [
            {
                "premise": " ".join(words[row:] + words[:row]),  # Most of a row is known to the tiny tokenizer.
                "choice1": words[row + 1],
                "choice2": words[row + 2],
                "question": ("cause", "effect")[row % 2],
                "label": row // 2 % 2,
            }
            for row in range(10)
        ]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (home / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    execute(marked("own-task", "xcopa-rows"))
    (home / "run_xcopa.py").write_text(marked("own-task", "xcopa"), encoding="utf-8")
    shell(marked("own-task", "xcopa-run"))
    capsys.readouterr()
    execute(marked("own-task", "xcopa-score"))
    scored = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in scored] == ["en", "it"]
    assert all(0 <= float(line.split()[2]) <= 1 for line in scored)
