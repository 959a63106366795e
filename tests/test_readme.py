"""The snippets of README and docs run as printed, against the Hub of the tests, which serves its ids, tiny."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from accelerate.utils.other import get_free_port
from huggingface_hub import HfApi
from transformers import BertConfig, BertModel

from modeling_dlfa.tasks import XNLI

from .conftest import WORDS, write_tags
from .hub import WRITE_TOKEN, HubServer
from .online import ROOT, Environment, online
from .served import DATASET, ENCODER, serve
from .tiny_checkpoints import ENTITIES, save_checkpoint

# A snippet has a language and, where it is run here, a mark behind it, by which it is found whatever it says.
SNIPPET = re.compile(r"^```(\w+)(?: ([\w-]+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))}
pytestmark = pytest.mark.slow
SNIPPETS = [(page, *snippet) for page, text in PAGES.items() for snippet in SNIPPET.findall(text)]
# What no test here runs: the installation, without which no test runs, and the benchmark, which takes minutes (in
# miniature it is run by test_bench.py), the page, which is served until it is stopped (test_serving.py), drawing a
# vocabulary with more glyphs than the tests' (test_table.py), and Optimum, which needs an older transformers
# (test_optimum.py).
NOT_RUN = ["README", "benchmarks", "glyphs", "prediction", "space", "space"]
# The Trainer's data, which are the user's own.
EXAMPLES = """
examples = [{"input_ids": [2, 7, 3], "attention_mask": [1, 1, 1], "labels": row % 3} for row in range(8)]
"""


def marked(page: str, mark: str) -> str:
    """Returns the one snippet of a page with a mark."""
    (found,) = (text for name, _, known, text in SNIPPETS if (name, known) == (page, mark))
    return found


@pytest.fixture(scope="module")
def served(hub_server: HubServer, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with online():
        serve(tmp_path_factory.mktemp("served"), tiny_encoder)


@pytest.fixture
def no_repository(hub: HubServer) -> HfApi:
    """The client, when the README's `org/name` is not there yet."""
    HfApi().delete_repo("org/name", missing_ok=True)
    return HfApi()


def shell(environment: Environment, script: str, home: Path, hub: HubServer, **more: str) -> str:
    """Runs a snippet of bash as a user of a checkout would, `more` variables set, and returns what it printed."""
    return shells(environment, script, home, hub, more)[0]


def shells(environment: Environment, script: str, home: Path, hub: HubServer, *machines: dict[str, str]) -> list[str]:
    """Runs a snippet on several machines, each with variables of its own; if it fails on one, it ends on all."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "examples").exists():
        (home / "examples").symlink_to(ROOT / "examples")
    variables = environment.variables(home, hub, WRITE_TOKEN, offline=False)
    variables["PATH"] = f"{Path(environment.python).parent}{os.pathsep}{variables['PATH']}"
    logs = [(home / f"{number}.out", home / f"{number}.err") for number in range(len(machines))]
    processes = []
    for machine, (out, err) in zip(machines, logs, strict=True):
        with out.open("w") as stdout, err.open("w") as stderr:
            streams = {"stdout": stdout, "stderr": stderr, "start_new_session": True}
            processes.append(subprocess.Popen(["bash", "-euc", script], cwd=home, env=variables | machine, **streams))
    deadline = time.monotonic() + 900
    while any(process.poll() is None for process in processes):
        if any(process.poll() for process in processes) or time.monotonic() > deadline:
            for process in processes:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
        time.sleep(0.1)
    refused = (home / "refused").read_text() if (home / "refused").exists() else ""
    codes = [process.returncode for process in processes]
    assert not refused and not any(codes), (
        refused + f"{codes}\n" + "\n".join(err.read_text()[-4000:] for _, err in logs)
    )
    return [out.read_text() for out, _ in logs]


def test_every_snippet_is_run() -> None:
    run = re.findall(r'\bmarked\("([^"]+)", "([^"]+)"\)', Path(__file__).read_text(encoding="utf-8"))
    assert len(set(run)) == len(run) > 20
    fenced = [line for text in PAGES.values() for line in re.findall(r"^```", text, re.MULTILINE)]
    assert 2 * len(SNIPPETS) == len(fenced), "a block without a language, which nobody can run"
    assert sorted(run) == sorted((page, mark) for page, _, mark, _ in SNIPPETS if mark)
    assert [page for page, _, mark, _ in SNIPPETS if not mark] == NOT_RUN


def test_links_lead_somewhere() -> None:
    for page, text in PAGES.items():
        folder = ROOT if page == "README" else ROOT / "docs"
        targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
        assert [name for name in targets if name and "://" not in name and not (folder / name).exists()] == [], page


def test_wrap_save_and_a_trainer_of_ones_own(
    served: None, hub: HubServer, no_repository: HfApi, package_environment: Environment, tmp_path: Path
) -> None:
    use = [marked("training", "wrap"), marked("publishing", "save"), marked("publishing", "first")]
    push = marked("publishing", "callback")
    code = "\n".join([*use, EXAMPLES, push, "print(model.num_labels)"])
    assert package_environment.run(code, home=tmp_path, hub=hub, token=WRITE_TOKEN).value == 3
    assert (tmp_path / "my-model" / "modeling_dlfa.py").is_file()
    files = no_repository.list_repo_files("org/name")
    assert {"model.safetensors", "modeling_dlfa.py"} <= set(files)
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pth"))]


def test_predict_and_look_at_the_fusion(hub: HubServer, package_environment: Environment, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "runs/xnli/models/aif-layer4-seed42", "sequence", XNLI.labels)
    save_checkpoint(tmp_path / "runs/ner/models/aif-layer4-seed42", "token", ENTITIES)
    (tmp_path / "pairs.tsv").write_text("A cat sleeps.\tAn animal sleeps.\nIt rains.\tIt is dry.\n", encoding="utf-8")
    (tmp_path / "words.conll").write_text("Ada O\nLovelace O\n\nParis O\n", encoding="utf-8")
    (tmp_path / "texts.tsv").write_text("A cat sleeps.\n", encoding="utf-8")
    printed = shell(package_environment, marked("prediction", "predict"), tmp_path, hub)
    assert len((tmp_path / "labels.tsv").read_text(encoding="utf-8").splitlines()) == 3
    assert len((tmp_path / "labels.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert any(label in printed for label in XNLI.labels)
    package_environment.run(marked("prediction", "pipeline"), home=tmp_path)
    scored = package_environment.run(marked("prediction", "score"), home=tmp_path).stdout
    assert 0 <= float(scored.split()[-2]) <= 1
    shown = shell(package_environment, marked("prediction", "gate"), tmp_path, hub)
    assert shown.count("[SEP]") == 2 and (tmp_path / "gate.png").stat().st_size > 1000
    look = marked("prediction", "weights")
    seen = "\nprint([list(weights.shape), inputs['input_ids'].shape[1]])"
    shape, tokens = package_environment.run(look + seen, home=tmp_path).value
    assert shape == [1, tokens]


def test_predict_faster(hub: HubServer, tiny_data: Path, package_environment: Environment, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    save_checkpoint(tmp_path / "runs/xnli/models/aif-layer4-seed42", "sequence", XNLI.labels)
    (tmp_path / "pairs.tsv").write_text("A cat sleeps.\tAn animal sleeps.\nIt rains.\tIt is dry.\n", encoding="utf-8")
    for language in WORDS:
        shutil.copyfile(tiny_data / f"test-{language}.tsv", tmp_path / f"test-{language}.tsv")
    printed = shell(package_environment, marked("prediction", "onnx"), tmp_path, hub)
    assert "model.onnx: " in printed and "model_quantized.onnx: " in printed
    assert "| onnx_quantized minus torch |" in printed and "| average, targets |" in printed
    for name in ("labels.onnx.tsv", "labels.int8.tsv"):
        assert len((tmp_path / name).read_text(encoding="utf-8").splitlines()) == 3


def test_sentence_transformers(bare_environment: Environment, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="it needs transformers 5")
    save_checkpoint(tmp_path / "runs/xnli/models/aif-layer4-seed42", "sequence", XNLI.labels)
    seen = "print([list(scores.shape), list(vectors.shape)])"
    assert bare_environment.run(marked("prediction", "sentences") + seen, home=tmp_path).value == [[1, 3], [2, 32]]


def test_a_smaller_vocabulary(
    hub: HubServer, tiny_encoder: Path, tiny_data: Path, package_environment: Environment, tmp_path: Path
) -> None:
    copy_deeper(tiny_encoder, tmp_path)
    (tmp_path / "text").mkdir()
    for path in tiny_data.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    for code in ("en", "de"):
        (tmp_path / "text" / f"{code}.txt").write_text("\n".join(WORDS[code]) + "\n", encoding="utf-8")
    printed = shell(package_environment, marked("trimming", "trim").rstrip() + " --languages en de", tmp_path, hub)
    assert "Tokens: 47 before, 32 after." in printed and "aif-layer4" in printed


def test_look_into_the_layers(
    hub: HubServer, tiny_encoder: Path, package_environment: Environment, tmp_path: Path
) -> None:
    shutil.copytree(tiny_encoder, tmp_path / "ENCODER")
    rows = [(row, row * row % 7) for row in range(60)]
    lines = ["\t".join(f"{words[a % 14]} {words[b]}" for words in WORDS.values()) for a, b in rows]
    (tmp_path / "aligned.tsv").write_text("\n".join(["\t".join(WORDS), *lines]) + "\n", encoding="utf-8")
    for name, words in {"en-train": WORDS["en"], "en-test": WORDS["en"], "de-test": WORDS["de"]}.items():
        tree = "1\t{}\t_\tNOUN\t_\t_\t0\troot\t_\t_\n2\t{}\t_\tVERB\t_\t_\t1\tdep\t_\t_\n\n"
        sentences = "".join(tree.format(words[a % 7], words[7 + b]) for a, b in rows)
        (tmp_path / f"{name}.conllu").write_text(sentences, encoding="utf-8")
    printed = shell(package_environment, marked("studies", "layers"), tmp_path, hub)
    assert "parts of speech, transferred" in printed
    files = {path.name for path in (tmp_path / "runs/layers").rglob("*")}
    assert {"layer_analysis.json", "layer_analysis.md", "layers.png", "layers.pdf"} <= files


def copy_deeper(encoder: Path, home: Path) -> None:
    """Copies an encoder as `ENCODER`, with layers enough for the commands."""
    shutil.copytree(encoder, home / "ENCODER")
    deeper = BertConfig.from_pretrained(encoder, num_hidden_layers=6)
    BertModel(deeper, add_pooling_layer=False).save_pretrained(home / "ENCODER")


def write_conllu(path: Path, language: str, sentences: int) -> None:
    words = WORDS[language]
    token = "{}\t{}\t_\t{}\t_\t_\t0\troot\t_\t_\n"
    text = ""
    for number in range(sentences):
        pair = (words[number % 7], "NOUN"), (words[7 + number * number % 7], "VERB")
        text += "".join(token.format(place, *tagged) for place, tagged in enumerate(pair, start=1)) + "\n"
    path.write_text(text, encoding="utf-8")


def write_paraphrases(path: Path, language: str, rows: int) -> None:
    words = WORDS[language]
    lines = ["sentence1,sentence2,label"]
    lines += [
        f"{words[row % 14]} {words[3]},{words[row % 14 - row % 2]} {words[3]},{1 - row % 2}" for row in range(rows)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_train_from_files_of_ones_own(
    hub: HubServer, tiny_encoder: Path, tiny_data: Path, package_environment: Environment, tmp_path: Path
) -> None:
    commands = re.findall(r"^dlfa.*?(?=^dlfa|\Z)", marked("training", "tasks"), re.DOTALL | re.MULTILINE)
    homes = [tmp_path / name for name in ("xnli", "pawsx", "ner", "pos")]
    for home in homes:
        copy_deeper(tiny_encoder, home)
    xnli, pawsx, ner, pos = homes
    for path in tiny_data.iterdir():
        shutil.copyfile(path, xnli / path.name)
    shutil.copyfile(tiny_data / "test-de.tsv", xnli / "test-bg.tsv")
    for name, language in {"train": "en", "dev": "en", "test-en": "en", "test-de": "de"}.items():
        write_paraphrases(pawsx / f"{name}.csv", language, 32)
    for name, language in {"train-en": "en", "dev-en": "en", "test-en": "en", "test-de": "de"}.items():
        write_tags(ner / f"{name}.tsv", language, 24, 1, ("O", "B-PER", "I-PER", "B-LOC"))
    for name, language in {"en-train": "en", "en-dev": "en", "en-test": "en", "de-test": "de"}.items():
        write_conllu(pos / f"{name}.conllu", language, 24)
    assert len(commands) == len(homes)
    for command, home in zip(commands, homes, strict=True):
        assert "aif-layer4" in shell(package_environment, command, home, hub)
        results = json.loads((home / "runs" / home.name / "results.json").read_text(encoding="utf-8"))
        assert [run["baseline"] for run in results["runs"]] == [False, True]


def prepare_xnli(home: Path, encoder: Path, data: Path) -> None:
    """Lays out what `xnli.yaml` names, and the file itself."""
    copy_deeper(encoder, home)
    for path in data.iterdir():
        shutil.copyfile(path, home / path.name)
    shutil.copyfile(data / "test-de.tsv", home / "test-bg.tsv")
    (home / "xnli.yaml").write_text(marked("devices", "arguments"), encoding="utf-8")


def test_many_devices(
    hub: HubServer, tiny_encoder: Path, tiny_data: Path, package_environment: Environment, tmp_path: Path
) -> None:
    accelerate = Path(package_environment.python).with_name("accelerate")
    main = "from accelerate.commands.accelerate_cli import main; main()"
    accelerate.write_text(f"#!{package_environment.python}\n{main}\n", encoding="utf-8")
    accelerate.chmod(0o755)
    on_cpu = {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    for name in ("one", "two"):
        prepare_xnli(tmp_path / name, tiny_encoder, tiny_data)
    printed = [shell(package_environment, marked("devices", "processes"), tmp_path / "one", hub, **on_cpu)]
    command = marked("devices", "machines")
    address = {"HOST": "127.0.0.1", "PORT": str(get_free_port())} | on_cpu
    machines = [address | {"MACHINE": rank} for rank in ("0", "1")]
    printed += shells(package_environment, command, tmp_path / "two", hub, *machines)
    assert [text.count("Results: ") for text in printed] == [1, 1, 0]
    for name in ("one", "two"):
        results = json.loads((tmp_path / name / "runs/xnli/results.json").read_text(encoding="utf-8"))
        assert results["hardware"]["processes"] == 2 and len(results["runs"]) == 4


def test_shards_of_several_machines(
    hub: HubServer, tiny_encoder: Path, tiny_data: Path, package_environment: Environment, tmp_path: Path
) -> None:
    prepare_xnli(tmp_path, tiny_encoder, tiny_data)
    printed = shell(package_environment, marked("devices", "shards"), tmp_path, hub)
    assert printed.rstrip().endswith("runs/xnli/results.json")
    results = json.loads((tmp_path / "runs/xnli/results.json").read_text(encoding="utf-8"))
    assert [run["seed"] for run in results["runs"]] == [1, 1, 2, 2] and len(results["shards"]) == 2


def test_which_layer(hub: HubServer, tiny_encoder: Path, package_environment: Environment, tmp_path: Path) -> None:
    shutil.copytree(tiny_encoder, tmp_path / "ENCODER")
    for name, language in {"en-train": "en", "en-dev": "en", "en-test": "en", "de-test": "de"}.items():
        write_conllu(tmp_path / f"{name}.conllu", language, 24)
    printed = shell(package_environment, marked("studies", "sweep"), tmp_path, hub)
    assert "Sweep: runs/sweep/layer_sweep.md" in printed
    sweep = json.loads((tmp_path / "runs/sweep/layer_sweep.json").read_text(encoding="utf-8"))
    assert list(sweep["layers"]) == ["0", "1", "2"]


def test_what_text_looks_like(
    hub: HubServer, tiny_encoder: Path, tiny_glyphs: Path, package_environment: Environment, tmp_path: Path
) -> None:
    copy_deeper(tiny_encoder, tmp_path)
    shutil.copytree(tiny_glyphs, tmp_path / "glyphs")
    for name, language in {"en-train": "en", "en-dev": "en", "en-test": "en", "de-test": "de"}.items():
        write_conllu(tmp_path / f"{name}.conllu", language, 24)
    assert "aif-layer4+glyphs" in shell(package_environment, marked("glyphs", "train"), tmp_path, hub)
    code = marked("glyphs", "weights") + marked("glyphs", "features")
    seen = "\nprint([list(looks.shape), list(logits.shape)])"
    assert package_environment.run(code + seen, home=tmp_path).value == [[1, 5], [1, 3]]


def test_train_a_part(
    hub: HubServer, tiny_encoder: Path, tiny_data: Path, package_environment: Environment, tmp_path: Path
) -> None:
    copy_deeper(tiny_encoder, tmp_path)
    for path in tiny_data.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    shell(package_environment, marked("training", "lora"), tmp_path, hub)
    assert list((tmp_path / "runs/lora/adapters").iterdir())
    save_checkpoint(tmp_path / "my-model", "sequence", XNLI.labels)
    printed = package_environment.run(marked("training", "peft"), home=tmp_path).stdout
    assert "trainable params" in printed and (tmp_path / "my-adapter/adapter_model.safetensors").is_file()


def test_a_loss_of_ones_own(
    hub: HubServer, tiny_encoder: Path, tiny_data: Path, package_environment: Environment, tmp_path: Path
) -> None:
    copy_deeper(tiny_encoder, tmp_path)
    for path in tiny_data.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    package_environment.run(marked("training", "loss"), home=tmp_path, hub=hub)
    recipe = json.loads((tmp_path / "runs/focal/results.json").read_text(encoding="utf-8"))["recipe"]
    assert recipe["compute_loss_func"] == "__main__.focal_loss"


def test_scaling_and_report(hub: HubServer, finished: Path, package_environment: Environment, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "runs" / "xnli")
    command = marked("studies", "report")
    printed = shell(package_environment, command, tmp_path, hub)
    assert "Study: " in printed and "Report: " in printed
    study = json.loads((tmp_path / "runs/scaling/language_scaling.json").read_text(encoding="utf-8"))
    assert [point["n"] for point in study["cost"]["points"]] == [1, 2, 3]
    page = (tmp_path / "runs/report/report.html").read_text(encoding="utf-8")
    assert "Cost of n languages" in page and "Scaling with target languages: XNLI" in page


def test_publish_and_load(
    hub: HubServer,
    no_repository: HfApi,
    finished: Path,
    package_environment: Environment,
    bare_environment: Environment,
    tmp_path: Path,
) -> None:
    shutil.copytree(finished, tmp_path / "runs" / "xnli")
    printed = shell(package_environment, marked("publishing", "publish"), tmp_path, hub)
    assert "Nothing was pushed" in printed and f"{hub.url}/org/name/commit/" in printed
    preview = {path.relative_to(tmp_path / "preview") for path in (tmp_path / "preview").rglob("*") if path.is_file()}
    assert {name.as_posix() for name in preview} | {".gitattributes"} == set(no_repository.list_repo_files("org/name"))
    code = marked("publishing", "load") + "print(type(encoder).__module__, model.num_labels)"
    told = bare_environment.run(code, home=tmp_path / "stranger", hub=hub).stdout
    assert "'score'" in told and "transformers_modules.org.name" in told and told.split()[-1] == "3"
    first = marked("README", "load") + "\nprint(type(model).__module__, model.num_labels)"
    told = bare_environment.run(first, home=tmp_path / "stranger", hub=hub).stdout
    assert "transformers_modules.org.name" in told and told.split()[-1] == "3"


def test_the_mbert_command_runs_unchanged(
    served: None, hub: HubServer, package_environment: Environment, tmp_path: Path
) -> None:
    command = marked("README", "train")
    assert ENCODER in command and "--seeds 1 2 3" in command and DATASET == (XNLI.hub and XNLI.hub.dataset)
    printed = shell(package_environment, command, tmp_path, hub)
    results = json.loads((tmp_path / "runs/mbert-xnli/results.json").read_text(encoding="utf-8"))
    assert [run["name"] for run in results["runs"]] == [
        f"{system}-seed{seed}" for seed in (1, 2, 3) for system in ("aif-layer8", "last")
    ]
    for run in results["runs"]:
        assert list(run["test"]) == list(XNLI.languages) and run["train"]["steps"] == 10
    head = hub.repository("datasets", DATASET).commit("main").oid
    assert results["data"]["train"]["source"] == DATASET and results["data"]["train"]["revision"] == head
    assert results["model_commit"] == hub.repository("models", ENCODER).commit("main").oid
    assert "aif-layer8" in printed
    (tmp_path / "pairs.tsv").write_text("A cat sleeps.\tAn animal sleeps.\nIt rains.\tIt is dry.\n", encoding="utf-8")
    shell(package_environment, marked("README", "predict"), tmp_path, hub)
    assert len((tmp_path / "labels.tsv").read_text(encoding="utf-8").splitlines()) == 3


def test_quick_start_with_a_trainer(
    served: None, hub: HubServer, package_environment: Environment, tmp_path: Path
) -> None:
    code = marked("README", "trainer") + "\nprint(trainer.state.global_step)"
    assert package_environment.run(code, home=tmp_path, hub=hub, token=WRITE_TOKEN).value == 18


def test_a_task_of_ones_own(
    hub: HubServer, tiny_encoder: Path, package_environment: Environment, tmp_path: Path
) -> None:
    shutil.copytree(tiny_encoder, tmp_path / "ENCODER")
    for name in ("train", "dev", "test-en", "test-de"):
        rows = [f"the {'cat' if row % 2 else 'dog'} sleeps,{('bad', 'good')[row % 2]}" for row in range(32)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,opinion", *rows]) + "\n", encoding="utf-8")
    (tmp_path / "run_reviews.py").write_text(marked("own-task", "task"), encoding="utf-8")
    shell(package_environment, marked("own-task", "run"), tmp_path, hub)
    results = json.loads((tmp_path / "runs" / "reviews" / "results.json").read_text(encoding="utf-8"))
    assert results["task"] == "reviews" and list(results["runs"][0]["test"]) == ["en", "de"]
    kinds = (
        marked("own-task", "kinds") + "\nimport json; print(json.dumps([emotions.problem_type, similarity.metric]))"
    )
    said = package_environment.run(kinds, home=tmp_path).value
    assert said == ["multi_label_classification", "spearman"]


def test_topics_on_ten_rows(
    hub: HubServer, tiny_encoder: Path, package_environment: Environment, tmp_path: Path
) -> None:
    copy_deeper(tiny_encoder, tmp_path)
    topics = ("sports", "travel", "health")
    for name, language in {"train-en": "en", "dev-en": "en", "test-en": "en", "test-de": "de"}.items():
        words = WORDS[language]
        rows = [f"{row}\t{topics[row % 3]}\t{words[row % 3]} {words[4]} {words[row]}" for row in range(10)]
        (tmp_path / f"{name}.tsv").write_text("\n".join(["index_id\tcategory\ttext", *rows]) + "\n", encoding="utf-8")
    (tmp_path / "run_sib200.py").write_text(marked("own-task", "sib"), encoding="utf-8")
    shell(package_environment, marked("own-task", "sib-run"), tmp_path, hub)
    results = json.loads((tmp_path / "runs/sib200/results.json").read_text(encoding="utf-8"))
    assert results["languages"] == ["de", "en"] and results["runs"][0]["test"]["de"]["n"] == 10
    assert results["recipe"]["class_weights"]["sports"] < results["recipe"]["class_weights"]["travel"]


def test_choices_on_ten_rows(
    hub: HubServer, tiny_encoder: Path, package_environment: Environment, tmp_path: Path
) -> None:
    copy_deeper(tiny_encoder, tmp_path)
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
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    package_environment.run(marked("own-task", "xcopa-rows"), home=tmp_path)
    (tmp_path / "run_xcopa.py").write_text(marked("own-task", "xcopa"), encoding="utf-8")
    shell(package_environment, marked("own-task", "xcopa-run"), tmp_path, hub)
    scored = package_environment.run(marked("own-task", "xcopa-score"), home=tmp_path).stdout.splitlines()
    assert [line.split()[1] for line in scored] == ["en", "it"]
    assert all(0 <= float(line.split()[2]) <= 1 for line in scored)
