"""The command that pre-trains and exports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import last_checkpoint, load_parts, load_state
from encoder_card import comparison, make_card
from pretrain_mini import main
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from .pretraining import (
    EXAMPLES,
    TINY,
)

pytest_plugins = "tests.pretraining_fixtures"


def scored(encoder: str) -> dict[str, Any]:
    """What a command with two seeds of the last layer, and a fused one that does not count, leaves behind."""

    def run(fusion: str, **accuracy: float) -> dict[str, Any]:
        return {"fusion": fusion, "test": {code: {"accuracy": value} for code, value in accuracy.items()}}

    runs = [run("last", en=0.88, de=0.5, fr=0.4), run("last", en=0.92, de=0.6, fr=0.3), run("aif", en=1, de=1, fr=1)]
    return {
        "title": "UD-POS",
        "model_name_or_path": encoder,
        "recipe": {"num_train_epochs": 3.0, "learning_rate": 3e-4},
        "seeds": [1, 2],
        "source_language": "en",
        "languages": ["de", "en", "fr"],
        "command": "python examples/run_pos.py",
        "runs": runs,
    }


def test_a_comparison_wants_the_last_layer_alone() -> None:
    results = scored("another/encoder")
    results["runs"] = results["runs"][2:]
    with pytest.raises(ValueError, match="the last layer alone was not trained"):
        comparison(results)


class TestCommand:
    def test_train_and_export_need_only_the_packed_file(self, mini_work: Path, tmp_path: Path) -> None:
        # As on a machine without datasets, scipy and tokenized text.
        code = (
            "import sys; sys.modules.update(dict.fromkeys(['scipy', 'datasets', 'evaluate']))\n"
            f"sys.path.insert(0, {str(EXAMPLES)!r})\n"
            "from pretrain_mini import main; main(sys.argv[1:])"
        )
        command = ["train", "--packed", str(mini_work / "packed.npz"), "--work_dir", str(tmp_path), *TINY]
        command += ["--max_steps", "3", "--batch_tokens", "512", "--workers", "1"]
        subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True)
        checkpoint = last_checkpoint(tmp_path / "training")
        assert checkpoint is not None and load_state(checkpoint)["step"] == 3
        output = tmp_path / "encoder"
        main(
            ["export", "--work_dir", str(tmp_path), "--tokenizer_dir", str(mini_work / "tokenizer")]
            + ["--output_dir", str(output)]
        )
        assert {path.name for path in output.iterdir()} == {
            "config.json", "model.safetensors", "pretraining.json", "tokenizer.json", "tokenizer_config.json"
        }  # fmt: skip
        weights = load_file(str(output / "model.safetensors"))
        assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
        model, report = AutoModel.from_pretrained(
            str(output), add_pooling_layer=False, dtype=torch.float32, output_loading_info=True
        )
        assert not report["missing_keys"] and not report["unexpected_keys"]
        trained = load_parts(checkpoint, "model")
        for name, parameter in model.named_parameters():
            assert torch.equal(parameter, trained[f"bert.{name}"].half().float()), name
        tokenizer = AutoTokenizer.from_pretrained(str(output))
        assert torch.isfinite(model(**tokenizer("我", "a tree", return_tensors="pt")).last_hidden_state).all()

    def test_shrunk_weights_start_another_run(self, mini_work: Path, tmp_path: Path) -> None:
        command = ["train", "--packed", str(mini_work / "packed.npz"), *TINY, "--max_steps", "1", "--precision", "no"]
        main([*command, "--work_dir", str(tmp_path / "one")])
        small = tmp_path / "small"
        main(["export", "--work_dir", str(tmp_path / "one"), "--shrink_to", str(small)])
        start = ["--start_from", str(small), "--learning_rate", "0"]
        main([*command, *start, "--work_dir", str(tmp_path / "two")])
        tokenizer = ["--tokenizer_dir", str(mini_work / "tokenizer"), "--output_dir", str(tmp_path / "encoder")]
        main(["export", "--work_dir", str(tmp_path / "two"), *tokenizer])
        stages = json.loads((tmp_path / "encoder" / "pretraining.json").read_text(encoding="utf-8"))["stages"]
        assert [stage["training"]["learning_rate"] for stage in stages] == [1e-3, 0.0]
        assert [len(stage["curve"]) for stage in stages] == [0, 1] and stages[1]["curve"][0]["step"] == 1
        assert all(stage["packed"]["files"][0]["sha256"] and stage["tokens"] > 0 for stage in stages)
        other = tmp_path / "results.json"
        other.write_text(json.dumps(scored("another/encoder")), encoding="utf-8")
        card = make_card(tmp_path / "encoder", "tiny", [], "loss.png", "One core.", [other], "Both are tiny.")
        assert "| `another/encoder` | 3 | 0.0003 | 1, 2 | 90.0 | 45.0 (2) |" in card
        assert "\n\nBoth are tiny.\n\nThe commands" in card and "\n    python examples/run_pos.py\n" in card
        assert f"| 1 | 1 | {stages[0]['tokens'] / 1e6:.1f} M |" in card and "One core." in card
        for file in stages[1]["packed"]["files"]:
            assert f"| `{file['file']}` | {file['lines']:,} | {file['bytes']:,} |" in card
        one, two = (last_checkpoint(tmp_path / name / "training") for name in ("one", "two"))
        expected, found = load_parts(one, "model"), load_parts(two, "model")
        assert all(torch.equal(found[name], tensor.half().float()) for name, tensor in expected.items())

    def test_an_exported_encoder_starts_another_run(self, mini_work: Path, tmp_path: Path) -> None:
        command = ["train", "--packed", str(mini_work / "packed.npz"), *TINY, "--precision", "no"]
        export = ["export", "--tokenizer_dir", str(mini_work / "tokenizer"), "--output_dir"]
        start: list[str] = []
        for number, rate in enumerate(("1e-3", "2e-3", "0")):
            run, encoder = str(tmp_path / f"run{number}"), str(tmp_path / f"encoder{number}")
            main([*command, *start, "--max_steps", "1", "--learning_rate", rate, "--work_dir", run])
            main([*export, encoder, "--work_dir", run])
            start = ["--start_from", encoder]
        one, two = (load_file(str(tmp_path / f"encoder{number}" / "model.safetensors")) for number in (1, 2))
        assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
        last = load_parts(last_checkpoint(tmp_path / "run2" / "training"), "model")
        assert torch.equal(last["cls.predictions.decoder.weight"], last["bert.embeddings.word_embeddings.weight"])
        stages = json.loads((tmp_path / "encoder2" / "pretraining.json").read_text(encoding="utf-8"))["stages"]
        assert [stage["training"]["learning_rate"] for stage in stages] == [1e-3, 2e-3, 0.0]
        assert all(stage["curve"] and stage["tokens"] > 0 for stage in stages)

    def test_what_is_nothing_to_start_from_is_refused(self, mini_work: Path, tmp_path: Path, capsys) -> None:
        command = ["train", "--packed", str(mini_work / "packed.npz"), *TINY, "--precision", "no"]
        command += ["--work_dir", str(tmp_path / "run")]
        with pytest.raises(SystemExit):
            main([*command, "--start_from", str(tmp_path)])
        assert "nor an exported encoder" in capsys.readouterr().err
        with pytest.raises(SystemExit):
            main([*command, "--start_from", str(EXAMPLES / "mini" / "encoder")])
        assert "another shape" in capsys.readouterr().err

    def test_a_finished_stage_is_skipped(self, mini_work: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = (mini_work / "packed.npz").stat().st_mtime_ns
        main(["pack", "--work_dir", str(mini_work), "--text_dir", str(mini_work.parent)])
        assert "skipped" in capsys.readouterr().out
        assert (mini_work / "packed.npz").stat().st_mtime_ns == before

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["tokenizer"], "--text_dir"),
            (["pack", "--text_dir", "."], "stage tokenizer"),
            (["train"], "stage pack"),
            (["train", "--contrast_layer", "9"], "layers 0 to 6"),
            (["train", "--tlm_share", "0.6", "--contrast_share", "0.6"], "--tlm_share"),
            (["export", "--output_dir", "x"], "stage train"),
        ],
    )
    def test_what_is_missing_is_named(
        self, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as caught:
            main([*arguments, "--work_dir", str(tmp_path)])
        assert caught.value.code == 2
        assert message in capsys.readouterr().err
