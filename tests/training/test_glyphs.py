"""`--glyphs` from the command line to what is published: which systems, what is recorded, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from modeling_dlfa.cli import main
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.glyphs import GlyphTable
from modeling_dlfa.pretrained_dlfa import file_sha256
from modeling_dlfa.tasks import UDPOS, XNLI, Task
from modeling_dlfa.training.arguments import parse_arguments
from modeling_dlfa.training.systems import Run, plan_runs

from ..commands import read

TRAINING = ["--fusion_layers", "1", "--pooling", "mean", "--num_train_epochs", "2", "--learning_rate", "1e-2"]
FILES = ["--train_file", "train.tsv", "--validation_file", "dev.tsv", "--test_file", "test-{language}.tsv"]


def planned(task: Task, given: list[str]) -> list[Run]:
    arguments = parse_arguments(task, given)
    return plan_runs(task, arguments.model, arguments.seeds, baseline=arguments.run.baseline)


@pytest.mark.parametrize(
    ("options", "systems"),
    [
        (["--fusion_layers", "1", "--baseline"], ["aif-layer1+glyphs", "last"]),
        (["--fusion_layers", "--pooling", "mean"], ["aif+glyphs"]),
        (["--fusion_layers", "0", "2", "--gate", "excite"], ["aif-excite-layers0+2+glyphs"]),
        (["--fusion", "mean", "--fusion_layers", "1", "--pooling", "mean"], ["mean-layer1+glyphs"]),
        (["--fusion", "concat", "--fusion_layers", "--pooling", "mean"], ["concat+glyphs"]),
        (["--fusion", "scalar_mix", "--pooling", "mean", "--baseline"], ["scalar_mix+glyphs", "last"]),
        (["--fusion", "mean", "--fusion_layers", "1", "--glyph_kernel_size", "3"], ["mean-layer1+glyphs"]),
    ],
)
def test_systems_are_named_by_their_streams(
    options: list[str], systems: list[str], tiny_encoder: Path, tiny_glyphs: Path
) -> None:
    given = ["--model_name_or_path", str(tiny_encoder), *FILES, "--glyphs", str(tiny_glyphs), *options]
    runs = planned(XNLI, given)
    assert [run.system for run in runs] == systems
    assert [run.config.glyph_size for run in runs] == [6, 0][: len(runs)]
    assert all(run.config.glyph_table is True for run in runs)


def test_a_control_gives_its_name_to_its_system(tiny_encoder: Path, tiny_control: Path) -> None:
    given = ["--model_name_or_path", str(tiny_encoder), *FILES, "--glyphs", str(tiny_control), "--baseline"]
    fused, baseline = planned(XNLI, [*given, "--fusion_layers", "0", "2"])
    assert (fused.system, baseline.system) == ("aif-layers0+2+permuted", "last")
    assert (fused.config.glyph_table, baseline.config.glyph_table) == ("permuted", True)
    alone, _ = planned(XNLI, [*given, "--fusion", "mean", "--fusion_layers", "--pooling", "mean"])
    assert alone.system == "mean+permuted"


def test_a_file_of_arguments_can_name_no_layer(tiny_encoder: Path, tiny_glyphs: Path, tmp_path: Path) -> None:
    values = {"model_name_or_path": str(tiny_encoder), "glyphs": str(tiny_glyphs), "fusion_layers": []}
    path = tmp_path / "arguments.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    [run] = planned(UDPOS, [str(path)])
    assert run.system == "aif+glyphs" and run.config.fusion_layers == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fusion", "last"], "--glyphs has no effect with --fusion last, which reads only one layer"),
        (["--fusion", "layer"], "--glyphs has no effect with --fusion layer"),
        (["--fusion", "mean"], "the classifier reads only the first token.*Give --pooling mean"),
        (["--fusion", "concat", "--pooling", "cls"], "Give --pooling mean"),
    ],
)
def test_glyphs_that_cannot_act_are_refused(
    options: list[str], message: str, tiny_encoder: Path, tiny_glyphs: Path
) -> None:
    given = ["--model_name_or_path", str(tiny_encoder), *FILES, "--glyphs", str(tiny_glyphs), *options]
    with pytest.raises(InputError, match=message):
        parse_arguments(XNLI, given)
    if options[1] in ("mean", "concat"):  # Of words each is read.
        parse_arguments(UDPOS, [*given[:10], "--fusion", options[1]])


def test_no_layer_and_no_glyphs_is_refused(tiny_encoder: Path) -> None:
    for options, message in (
        (["--fusion_layers"], "needs at least one lower layer, or glyphs"),
        (["--glyph_kernel_size", "3"], "glyph_kernel_size has no effect without a visual stream"),
    ):
        with pytest.raises(InputError, match=message):
            planned(XNLI, ["--model_name_or_path", str(tiny_encoder), *FILES, *options])


def test_a_table_of_another_vocabulary_is_refused_before_anything_is_written(
    xnli_arguments: list[str], tiny_glyphs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = GlyphTable.load(tiny_glyphs)
    made_of = {**table.record["tokenizer"], "sha256": "0" * 64}
    GlyphTable(table.values, {**table.record, "tokenizer": made_of}).save(tmp_path / "other")
    for folder, message in (
        (tmp_path / "other", "made for another vocabulary"),
        (tmp_path, "contains no complete table"),
    ):
        with pytest.raises(SystemExit) as ended:
            main("xnli", [*xnli_arguments, "--glyphs", str(folder)])
        assert ended.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def trained(
    tiny_encoder: Path, tiny_data: Path, tiny_glyphs: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """Output of a command with glyphs and its baseline, and its arguments."""
    output = tmp_path_factory.mktemp("glyphs") / "out"
    arguments = [
        *("--train_file", str(tiny_data / "train.tsv"), "--validation_file", str(tiny_data / "dev.tsv")),
        *("--test_file", str(tiny_data / "test-{language}.tsv"), "--languages", "en", "de", "--use_cpu", "True"),
    ]
    training = [*TRAINING, "--model_name_or_path", str(tiny_encoder), "--glyphs", str(tiny_glyphs), "--baseline"]
    main("xnli", [*arguments, *training, "--output_dir", str(output)])
    return output, arguments


def test_what_was_trained_is_recorded_and_stands_alone(trained: tuple[Path, list[str]], tiny_glyphs: Path) -> None:
    output, _ = trained
    results = read(output / "results.json")
    assert [run["system"] for run in results["runs"]] == ["aif-layer1+glyphs", "last"]
    assert [run["config"]["glyph_size"] for run in results["runs"]] == [6, 0]
    assert results["recipe"]["glyphs"] == f"drawn, sha256 {file_sha256(tiny_glyphs / 'glyphs.safetensors')}"
    folder = output / "models" / "aif-layer1+glyphs-seed42"
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert torch.equal(model.dlfa.glyphs.table, GlyphTable.load(tiny_glyphs).values)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "fused with layer 1 and what each token looks like by DLFA" in " ".join(card.split())
    last = (output / "models" / "last-seed42" / "README.md").read_text(encoding="utf-8")
    assert "looks like" not in last


def test_a_control_is_told_from_the_glyphs_wherever_it_goes(
    trained: tuple[Path, list[str]], tiny_encoder: Path, tiny_control: Path, tmp_path: Path
) -> None:
    """Trained as the glyphs were, without a second baseline; then compared with them."""
    (glyphs, arguments), control = trained, tmp_path / "control"
    training = [*TRAINING, "--model_name_or_path", str(tiny_encoder), "--glyphs", str(tiny_control)]
    main("xnli", [*arguments, *training, "--output_dir", str(control)])
    results, folder = read(control / "results.json"), control / "models" / "aif-layer1+permuted-seed42"
    assert [(run["system"], run["config"]["glyph_table"]) for run in results["runs"]] == [
        ("aif-layer1+permuted", "permuted")
    ]
    assert results["recipe"]["glyphs"].startswith("permuted, sha256")
    assert "aif-layer1+permuted" in (control / "results.md").read_text(encoding="utf-8")
    assert read(folder / "config.json")["glyph_table"] == "permuted"
    card = " ".join((folder / "README.md").read_text(encoding="utf-8").split())
    assert "fused with layer 1 and what another token looks like (a control" in card and "glyph_table permuted" in card
    evaluation = ["--model_name_or_path", str(folder), "--do_train", "False", "--output_dir", str(tmp_path / "again")]
    main("xnli", [*arguments, *evaluation])
    assert read(tmp_path / "again" / "results.json")["runs"][0]["system"] == "aif-layer1+permuted"
    pair = ["aif-layer1+glyphs", "aif-layer1+permuted"]
    options = ["--difference", *pair, "--n_resamples", "20", "--output_dir", str(tmp_path / "scaling")]
    dlfa(["scaling", str(glyphs), str(control), *options])
    [entry] = read(tmp_path / "scaling" / "language_scaling.json")["results"]
    assert list(entry["systems"]) == ["last", *pair] == [entry["baseline"], *entry["all_languages"]]
    [difference] = entry["differences"]
    runs = [read(path / "results.json")["runs"][0]["test"] for path in (glyphs, control)]
    expected = runs[0]["de"]["accuracy"] - runs[1]["de"]["accuracy"]
    assert difference["languages"]["de"]["mean"] == pytest.approx(expected)


def test_a_checkpoint_is_evaluated_without_its_table_and_refuses_another(
    trained: tuple[Path, list[str]], tiny_glyphs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, arguments = trained
    moved = tmp_path / "model"
    shutil.copytree(output / "models" / "aif-layer1+glyphs-seed42", moved)
    given = [*arguments, "--model_name_or_path", str(moved), "--do_train", "False", "--output_dir"]
    main("xnli", [*given, str(tmp_path / "out")])
    first, again = (read(path / "results.json")["runs"][0] for path in (output, tmp_path / "out"))
    assert again["system"] == "aif-layer1+glyphs" and again["test"] == first["test"]
    with pytest.raises(SystemExit):
        main("xnli", [*given, str(tmp_path / "other"), "--glyphs", str(tiny_glyphs)])
    assert "keeps the glyphs that it was trained with" in capsys.readouterr().err


@pytest.mark.parametrize("one_pass", [False, True])
def test_a_sweep_gives_every_layer_the_glyphs(
    one_pass: bool, xnli_arguments: list[str], tiny_glyphs: Path, tmp_path: Path
) -> None:
    layers = ["--fusion_layers", "0", "1", "--glyphs", str(tiny_glyphs), "--max_steps", "4"]
    dlfa(["sweep", "xnli", *(["--one_pass"] if one_pass else []), *xnli_arguments, *layers])
    runs = read(tmp_path / "out" / "results.json")["runs"]
    assert [run["system"] for run in runs] == ["aif-layer0+glyphs", "aif-layer1+glyphs", "last"]
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out" / "models" / runs[1]["name"])
    assert torch.equal(model.dlfa.glyphs.table, GlyphTable.load(tiny_glyphs).values)
    assert set(read(tmp_path / "out" / "layer_sweep.json")["layers"]) == {"0", "1"}
