"""What was published loads on a stranger's machine: fresh process, empty cache, without our package, over HTTP.

Each fact of `remote-code.md` that the travelling files rely on is tested here or in `security`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import HfApi
from transformers import AutoTokenizer

from modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification, DlfaModel

from ..backbones import build
from ..hub import WRITE_TOKEN, HubServer
from ..online import ROOT, Environment
from ..small_bert import lively
from ..strangers import PLACES, ROWS, TUNE, outputs
from .repositories import AUTO_MAP, CODE, REPOS, SEQUENCE, Published, read

SENTENCE = "the cat sleeps today"


# What a stranger loads

LOAD = """
import json, sys, torch
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification
from transformers import AutoTokenizer, pipeline
base, sequence, token, sentence, ids, mask = sys.argv[1:]
ids, mask = torch.tensor(json.loads(ids)), torch.tensor(json.loads(mask))
trust = {"trust_remote_code": True}
with torch.no_grad():
    states = AutoModel.from_pretrained(base, **trust)(ids, mask).last_hidden_state
    classifier = AutoModelForSequenceClassification.from_pretrained(sequence, **trust)
    tagger = AutoModelForTokenClassification.from_pretrained(token, **trust)
    results = {base: states, sequence: classifier(ids, mask).logits, token: tagger(ids, mask).logits}
    trunk = AutoModel.from_pretrained(sequence, **trust)(ids, mask).last_hidden_state
    kept = torch.equal(trunk, classifier.dlfa(ids, mask).last_hidden_state)
eager = AutoModelForSequenceClassification.from_pretrained(sequence, attn_implementation="eager", **trust)
pipe = pipeline("text-classification", model=sequence, top_k=None, **trust)
scores = pipe(sentence)
half = AutoModelForSequenceClassification.from_pretrained(sequence, dtype=torch.float16, **trust)
print(json.dumps({
    "results": {name: value.tolist() for name, value in results.items()},
    "kept": kept,
    "scores": {entry["label"]: entry["score"] for entry in (scores[0] if isinstance(scores[0], list) else scores)},
    "module": type(classifier).__module__,
    "config": [type(AutoConfig.from_pretrained(token, **trust)).__name__, eager.config.fusion_layers],
    "attention": [m.dlfa.backbone.config._attn_implementation for m in (classifier, eager)],
    "dtypes": [str(classifier.dtype), str(half.dtype), str(half.dlfa.fusion.local_branch.expand.weight.dtype)],
    "package": "modeling_dlfa" in sys.modules,
    "glyphs": [list(tagger.dlfa.glyphs.table.shape), str(half.dlfa.glyphs.table.dtype)],
}))
"""


# As where neither images nor fonts can be read.
WITHOUT_IMAGES = "import sys; sys.modules |= dict.fromkeys(('PIL', 'fontTools', 'torchvision'))\n"


def load(environment: Environment, home: Path, hub: HubServer | None, before: str = "") -> Any:
    arguments = [*REPOS.values(), SENTENCE, *ROWS]
    return environment.run(before + LOAD, *arguments, home=home, hub=hub, offline=hub is None).value


@pytest.fixture(scope="module")
def stranger(
    published: Published,
    hub_server: HubServer,
    bare_environment: Environment,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Any]:
    """A stranger's home after they loaded everything, and what they saw."""
    home = tmp_path_factory.mktemp("stranger")
    return home, load(bare_environment, home, hub_server, before=WITHOUT_IMAGES)


def test_a_stranger_gets_the_same_logits_bit_for_bit(published: Published, stranger: tuple[Path, Any]) -> None:
    seen = stranger[1]
    assert seen["results"] == published.results
    assert not seen["package"] and seen["module"].startswith("transformers_modules.")
    assert seen["kept"] and seen["config"] == ["DlfaConfig", [1]]
    assert seen["glyphs"] == [
        list(published.models[DlfaForTokenClassification].dlfa.glyphs.table.shape),
        "torch.float16",
    ]


def test_attention_and_dtype_reach_the_backbone_of_a_stranger(stranger: tuple[Path, Any]) -> None:
    assert stranger[1]["attention"] == ["sdpa", "eager"]
    assert stranger[1]["dtypes"] == ["torch.float32", "torch.float16", "torch.float16"]


def test_the_pipeline_scores_what_the_model_computes(
    published: Published, stranger: tuple[Path, Any], tiny_encoder: Path
) -> None:
    model = published.models[DlfaForSequenceClassification]
    inputs = AutoTokenizer.from_pretrained(tiny_encoder)(SENTENCE, return_tensors="pt")
    expected = model(**inputs).logits.softmax(-1)[0].tolist()
    scores = stranger[1]["scores"]
    assert [scores[f"LABEL_{index}"] for index in range(3)] == pytest.approx(expected, abs=1e-6)


def test_the_cache_is_enough_offline(
    published: Published, stranger: tuple[Path, Any], bare_environment: Environment
) -> None:
    home, first = stranger
    assert load(bare_environment, home, None) == first


def test_the_installed_package_gives_the_same(
    published: Published, hub: HubServer, stranger: tuple[Path, Any], package_environment: Environment, tmp_path: Path
) -> None:
    seen = load(package_environment, tmp_path, hub, before="import modeling_dlfa\n")
    assert seen["package"]
    # v5 takes the installed classes even where trust is given, v4 the repository's.
    same = [key for key in seen if key not in ("package", "module")]
    assert {key: seen[key] for key in same} == {key: stranger[1][key] for key in same}


WITHOUT_TRUST = """
import json, sys
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification
from transformers import pipeline
calls = [AutoConfig.from_pretrained, AutoModel.from_pretrained, AutoModelForSequenceClassification.from_pretrained,
         AutoModelForTokenClassification.from_pretrained, lambda repo: pipeline("text-classification", model=repo)]
messages = []
for call in calls:
    try:
        messages.append(f"loaded {call(sys.argv[1])}")
    except ValueError as error:
        messages.append(str(error))
print()  # After the prompts.
print(json.dumps([messages, [name for name in sys.modules if name.endswith("_dlfa")]]))
"""


def test_without_trust_the_library_refuses_and_runs_nothing(
    published: Published, hub: HubServer, bare_environment: Environment, tmp_path: Path
) -> None:
    messages, modules = bare_environment.run(WITHOUT_TRUST, SEQUENCE, home=tmp_path, hub=hub).value
    assert len(messages) == 5 and modules == []
    for message in messages:
        assert "contains custom code" in message and "pass the argument `trust_remote_code=True`" in message


# Revisions


def test_a_pinned_revision_keeps_its_weights_and_its_code(
    published: Published, hub: HubServer, bare_environment: Environment, tmp_path: Path
) -> None:
    repo, api = "org/remote-pinned", HfApi()
    old, new = (lively(DlfaForSequenceClassification(published.models[DlfaModel].config), seed) for seed in (7, 8))
    old.push_to_hub(repo)
    first = api.model_info(repo).sha
    assert first is not None
    api.create_tag(repo, tag="v1")
    new.save_pretrained(tmp_path / "new")
    code = tmp_path / "new" / "modeling_dlfa.py"
    changed = code.read_text().replace("logits = self.classifier(", "logits = 2 * self.classifier(")
    assert changed != code.read_text()
    code.write_text(changed)
    api.upload_folder(repo_id=repo, folder_path=tmp_path / "new")
    doubled = (2 * torch.tensor(outputs(new))).tolist()
    places = [f"{repo}@{first}", repo, f"{repo}@v1", f"{repo}@{first[:7]}", f"{repo}@main"]
    seen = bare_environment.run(PLACES, *ROWS, *places, home=tmp_path / "home", hub=hub).value
    assert seen == [outputs(old), doubled, outputs(old), outputs(old), doubled]


# Folders with equal last names

COLLIDE = """
import json, sys
from transformers import AutoModelForSequenceClassification
first, second, saved = sys.argv[1:]
model = AutoModelForSequenceClassification.from_pretrained(first, trust_remote_code=True)
try:
    message = f"loaded {AutoModelForSequenceClassification.from_pretrained(second, trust_remote_code=True)}"
except ValueError as error:
    message = str(error)
model.save_pretrained(saved)
AutoModelForSequenceClassification.from_pretrained(first, trust_remote_code=True)
print(json.dumps(message))
"""


@pytest.mark.slow
def test_folders_with_equal_names_and_other_code_are_refused(bare_environment: Environment, tmp_path: Path) -> None:
    first, second = (tmp_path / place / "aif-layer4-seed42" for place in "ab")
    for place in (first, second):
        build(DlfaForSequenceClassification, "bert").save_pretrained(place)
    changed = (second / "fusion_dlfa.py").read_text(encoding="utf-8").replace("torch.lerp", "torch.xxxx")
    (second / "fusion_dlfa.py").write_text(changed, encoding="utf-8")  # As large as before.
    message = bare_environment.run(
        COLLIDE, first, second, tmp_path / "saved", home=tmp_path / "home", offline=True
    ).value
    assert message.startswith(f"{second / 'fusion_dlfa.py'} is other code than") and "Rename one" in message
    for name in CODE:
        assert (tmp_path / "saved" / name).read_bytes() == (first / name).read_bytes()


# A stranger's own work


@pytest.mark.slow
def test_a_stranger_tunes_saves_and_pushes_again(
    published: Published, hub: HubServer, bare_environment: Environment, tmp_path: Path
) -> None:
    new = "org/remote-tuned"
    tuned = bare_environment.run(TUNE, SEQUENCE, new, *ROWS, home=tmp_path / "a", hub=hub, token=WRITE_TOKEN).value
    config = json.loads(read(hub, new, "config.json"))
    assert config["auto_map"] == AUTO_MAP and len(config["id2label"]) == 4
    saved = tmp_path / "a" / "saved"
    for name in CODE:
        source = (ROOT / "modeling_dlfa" / name).read_bytes()
        assert read(hub, new, name) == source == (saved / name).read_bytes()
    assert (saved / "model.safetensors").read_bytes() == read(hub, new, "model.safetensors")
    # Someone else loads it, from the Hub and from the folder.
    seen = bare_environment.run(PLACES, *ROWS, new, saved, home=tmp_path / "b", hub=hub)
    assert seen.value == [tuned, tuned]
    ours = DlfaForSequenceClassification.from_pretrained(saved)
    assert outputs(ours) == tuned


# Without any route

ALONE = """
import fcntl, json, os, socket, struct, subprocess, sys
root, state, server_python, python, home, code, *arguments = sys.argv[1:]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # Brings the new namespace's loopback up.
    fcntl.ioctl(probe, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))
try:
    socket.create_connection(("192.0.2.1", 80), 1)
    sys.exit("there is a route")
except OSError:
    pass
command = [server_python, "-m", "tests.hub", "--root", state]
hub = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
os.environ["HF_ENDPOINT"] = hub.stdout.readline().strip()
process = subprocess.run([python, "-c", code, *arguments], cwd=home)
hub.kill()
sys.exit(process.returncode)
"""


@pytest.fixture
def namespace() -> Iterator[list[str]]:
    """The command that runs another one in a network of its own."""
    command = ["unshare", "--net", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("no unshare that makes a network namespace: the guard inside Python has to do")
    yield command


def test_a_machine_without_a_network_loads_from_a_restarted_hub(
    published: Published, hub: HubServer, bare_environment: Environment, namespace: list[str], tmp_path: Path
) -> None:
    shutil.copytree(hub.root, tmp_path / "state")
    home = tmp_path / "home"
    home.mkdir()
    places = [ROOT, tmp_path / "state", sys.executable, bare_environment.python, home]
    process = subprocess.run(
        [*namespace, sys.executable, "-c", ALONE, *map(str, places), PLACES, *ROWS, SEQUENCE],
        env=bare_environment.variables(home, None, None, offline=False),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    assert json.loads(process.stdout.strip().splitlines()[-1]) == [published.results[SEQUENCE]]
