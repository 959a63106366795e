"""Ways of saving and loading on other lines of transformers: `make test-versions VERSIONS=all` runs this."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, RobertaTokenizerFast

from modeling_dlfa import DlfaForSequenceClassification
from modeling_dlfa.checkpoints.tokenizers import save_tokenizer
from modeling_dlfa.tasks import XNLI

from .backbones import batch, build
from .data.samples import byte_level, unigram
from .online import ROOT, Environment
from .tiny_checkpoints import corpus_pairs, letter_tokenizer

PYTHONS = os.environ.get("DLFA_TEST_PYTHONS", "").split()
if not PYTHONS:
    pytest.skip("make test-versions VERSIONS=all builds the environments of all lines", allow_module_level=True)

SENTENCES = [premise for code in XNLI.languages for premise, _ in corpus_pairs(code)[:5]]
READ = """
import json, sys, torch, transformers
from functools import partial
from pathlib import Path
from transformers import AutoModelForSequenceClassification
folder, inputs, packaged, out = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3] == "package", Path(sys.argv[4])
if packaged:
    from modeling_dlfa import DlfaForSequenceClassification
    loaders = {"class": DlfaForSequenceClassification.from_pretrained}
    loaders["Auto"] = AutoModelForSequenceClassification.from_pretrained
else:
    loaders = {"remote": partial(AutoModelForSequenceClassification.from_pretrained, trust_remote_code=True)}
inputs = {name: torch.tensor(value) for name, value in inputs.items()}
plain = folder / "plain"
ways = {
    "plain": (plain, {}),
    "device_map": (plain, {"device_map": "auto"}),
    "sharded": (folder / "sharded", {}),
    "variant": (folder / "variant", {"variant": "fp16", "dtype": "auto"}),
    "subfolder": (folder / "outer", {"subfolder": "inner"}),
    "half": (folder / "half", {"dtype": "auto"}),
    "half as float32": (folder / "half", {"dtype": torch.float32}),
    "half by default": (folder / "half", {}),
    "constant": (folder / "constant", {}),
}
facts = {}
for name, load in loaders.items():
    for way, (place, options) in ways.items():
        model = load(place, **options).eval()
        values = model.state_dict()
        kinds = sorted({str(value.dtype) for value in model.parameters()})
        with torch.no_grad():
            logits = model(**inputs).logits.float().tolist() if kinds == ["torch.float32"] else None
        sums = {key: float(value.double().sum()) for key, value in values.items()}
        constant = all(bool((value == 0.5).all()) for value in model.parameters())
        facts[f"{name}, {way}"] = [kinds, sums, constant, logits]
model = loaders["class" if packaged else "remote"](plain)
model.save_pretrained(out / "plain")
model.save_pretrained(out / "sharded", max_shard_size="20KB")
model.half().save_pretrained(out / "variant", variant="fp16")
print(json.dumps([facts, "modeling_dlfa" in sys.modules, transformers.__version__]))
"""
TOKENIZE = """
import json, sys
from transformers import AutoTokenizer
sentences, *folders = json.loads(sys.argv[1]), *sys.argv[2:]
print(json.dumps([AutoTokenizer.from_pretrained(folder)(sentences)["input_ids"] for folder in folders]))
"""
LOAD = """
import sys
from transformers import AutoModelForSequenceClassification
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], trust_remote_code=True)
print(f'"{type(model).__name__}"')
"""


@dataclass(frozen=True)
class Line:
    """Another line's environments, without our package and with it."""

    bare: Environment
    packaged: Environment


@pytest.fixture(scope="module", params=PYTHONS, ids=[Path(python).parents[1].name for python in PYTHONS])
def line(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Line:
    python = str(ROOT / request.param)
    bare, packaged = (Environment(tmp_path_factory.mktemp("line"), package, python) for package in (False, True))
    return Line(bare, packaged)


@pytest.fixture(scope="module")
def model() -> DlfaForSequenceClassification:
    return build(DlfaForSequenceClassification, "bert-glyphs", 3)


@pytest.fixture(scope="module")
def saved(model: DlfaForSequenceClassification, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as each way of saving leaves it."""
    folder = tmp_path_factory.mktemp("saved")
    model.save_pretrained(folder / "plain")
    model.save_pretrained(folder / "sharded", max_shard_size="20KB")
    assert len(list((folder / "sharded").glob("model-*.safetensors"))) > 1
    model.save_pretrained(folder / "outer/inner")
    for path in (folder / "outer/inner").glob("*.py"):  # Code is looked for at the top.
        path.rename(folder / "outer" / path.name)
    half = build(DlfaForSequenceClassification, "bert-glyphs", 3).half()
    half.save_pretrained(folder / "half")
    half.save_pretrained(folder / "variant", variant="fp16")
    constant = build(DlfaForSequenceClassification, "bert-glyphs", 3)
    with torch.no_grad():
        for parameter in constant.parameters():
            parameter.fill_(0.5)
    constant.save_pretrained(folder / "constant")
    return folder


@pytest.fixture(scope="module", params=["package", "remote"])
def read(
    request: pytest.FixtureRequest, line: Line, saved: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path, int]:
    """What the line found in each, with our package or the folders' own code; where it saved; its major number."""
    home = tmp_path_factory.mktemp("read")
    given = json.dumps({name: value.tolist() for name, value in batch("bert-glyphs").items()})
    environment = line.packaged if request.param == "package" else line.bare
    arguments = [saved, given, request.param, home / "out"]
    facts, present, release = environment.run(READ, *arguments, home=home, offline=True).value
    assert present == (request.param == "package")
    return facts, home / "out", int(release.partition(".")[0])


def sums(model: torch.nn.Module) -> dict[str, float]:
    return {key: float(value.double().sum()) for key, value in model.state_dict().items()}


@torch.no_grad()
def test_every_way_of_saving_is_read(
    read: tuple[dict[str, Any], Path, int], model: DlfaForSequenceClassification
) -> None:
    facts, whole = read[0], sums(model)
    half = sums(build(DlfaForSequenceClassification, "bert-glyphs", 3).half())
    logits = model(**batch("bert-glyphs")).logits.tolist()
    halves = ["half", "variant", *(["half by default"] if read[2] >= 5 else [])]
    for name, (kinds, found, constant, answered) in facts.items():
        way = name.partition(", ")[2]
        assert constant == (way == "constant"), name
        assert kinds == (["torch.float16"] if way in halves else ["torch.float32"]), name
        if way.startswith("half") or way == "variant":
            assert found == half, name
        elif way != "constant":
            assert found == whole and answered == logits, name


def test_what_another_line_saved_is_read_here(
    read: tuple[dict[str, Any], Path, int], model: DlfaForSequenceClassification
) -> None:
    for way, options in (("plain", {}), ("sharded", {}), ("variant", {"variant": "fp16", "dtype": "auto"})):
        found = DlfaForSequenceClassification.from_pretrained(read[1] / way, **options).state_dict()
        for key, value in model.state_dict().items():
            assert torch.equal(found[key], value.to(found[key].dtype)), (way, key)
    assert len(list((read[1] / "sharded").glob("model-*.safetensors"))) > 1


def test_tokenizers_give_the_same_ids(line: Line, tmp_path: Path) -> None:
    tokenizers = [letter_tokenizer(), unigram(), byte_level(RobertaTokenizerFast)]
    folders = [tmp_path / str(index) for index in range(len(tokenizers))]
    for folder, tokenizer in zip(folders, tokenizers, strict=True):
        save_tokenizer(tokenizer, folder)
    here = [AutoTokenizer.from_pretrained(folder)(SENTENCES)["input_ids"] for folder in folders]
    given = json.dumps(SENTENCES)
    assert line.bare.run(TOKENIZE, given, *folders, home=tmp_path / "home", offline=True).value == here


def test_eight_processes_load_after_one(line: Line, saved: Path, tmp_path: Path) -> None:
    def load(_: int) -> Any:
        return line.bare.run(LOAD, saved / "plain", home=tmp_path, offline=True).value

    load(0)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(load, range(8))) == {"DlfaForSequenceClassification"}
