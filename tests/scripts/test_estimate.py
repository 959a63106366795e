"""What training will take, estimated from a few steps: counts of steps, and times that follow from them."""

from __future__ import annotations

from pathlib import Path

import estimate


def test_estimates_count_steps_and_copies(tiny_encoder: Path, tiny_data: Path, tmp_path: Path) -> None:
    def command(verb: str, *more: str, train: str = str(tiny_data / "train.tsv")) -> list[str]:
        files = ["--train_file", train, "--validation_file", str(tiny_data / "dev.tsv")]
        files += ["--test_file", str(tiny_data / "test-{language}.tsv")]
        common = ["--model_name_or_path", str(tiny_encoder), *files, "--num_train_epochs", "2", "--use_cpu", "True"]
        output = ["--output_dir", str(tmp_path / "out")]
        return ["dlfa", verb, "xnli", *common, "--per_device_train_batch_size", "8", *more, *output]

    switched = ["dlfa", "augment", "xnli", "--train_file", str(tiny_data / "train.tsv"), "--output_file", "new.jsonl"]
    alone = command("train", "--fusion", "last", "--seeds", "1", "2")
    found = estimate.estimate_commands(
        [
            alone,
            command("sweep", "--one_pass", "--seeds", "1"),
            switched,
            command("train", "--fusion", "last", "--seeds", "1", "2", train="new.jsonl"),
            [*alone[:-2], "--mixup", "no.safetensors", "--output_dir", "other"],
        ],
        2,
    )
    assert [one.steps for _, one in found] == [48, 24, 96, 48]
    assert [name for name, _ in found] == [
        f"{words}, {out}"
        for words, out in zip(
            ["train xnli", "sweep xnli", "train xnli", "train xnli"],
            [tmp_path / "out", tmp_path / "out", tmp_path / "out", "other"],
            strict=True,
        )
    ]
    assert found[2][1].training == 2 * found[0][1].training and found[2][1].testing == found[0][1].testing
    assert all(0 < one.step < one.training and one.testing > 0 for _, one in found)
    assert not (tmp_path / "out").exists()


def test_estimates_of_words(tiny_encoder: Path, tiny_tags: Path) -> None:
    files = ["--train_file", str(tiny_tags / "ner-train.tsv"), "--validation_file", str(tiny_tags / "ner-dev.tsv")]
    files += ["--test_file", str(tiny_tags / "ner-test-{language}.tsv"), "--use_cpu", "True", "--max_steps", "7"]
    model = ["--model_name_or_path", str(tiny_encoder), "--fusion_layers", "1", "--output_dir", "out"]
    [(_, found)] = estimate.estimate_commands([["dlfa", "train", "ner", *model, *files]], 2)
    assert found.steps == 7 and found.training > 7 * found.step > 0
