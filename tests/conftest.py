"""A tiny real encoder, tokenizer, three-language data set and Hub, made once a session."""

from __future__ import annotations

import atexit
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .hub import HubServer
from .online import Environment, online

# huggingface_hub reads these once, when it is imported: the address of the Hub comes before its first answer. No test
# can reach another Hub, and none sees this user's cache or token.
STATE = Path(tempfile.mkdtemp(prefix="dlfa-tests-"))
atexit.register(shutil.rmtree, STATE, ignore_errors=True)
HUB = HubServer(STATE / "hub")
os.environ["HF_ENDPOINT"] = HUB.url
os.environ["HF_HOME"] = str(STATE / "home")
os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
for _name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE", "HF_ASSETS_CACHE", "HF_MODULES_CACHE"):
    os.environ.pop(_name, None)

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
# Where the examples find each other.
sys.path[:0] = [str(ROOT / "examples" / path) for path in ("demo", "demo/corpus/generator", "")]

WORDS = {
    "en": "the cat dog sleeps runs eats in house garden today red small not always".split(),
    "de": "die katze hund schläft rennt isst im haus garten heute rot klein nicht immer".split(),
    "ar": "ال قطة كلب ينام يركض يأكل في بيت حديقة اليوم أحمر صغير ليس دائما".split(),
}


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Takes back what a test leaves to its process: Accelerate's variables (`fsdp=`), log levels, silent bars."""
    loggers = [logging.getLogger(name) for name in ("modeling_dlfa", "transformers")]
    kept, before = [(logger.level, logger.handlers[:]) for logger in loggers], set(os.environ)
    yield
    for logger, (level, handlers) in zip(loggers, kept, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = handlers
    for name in set(os.environ) - before:
        if name.startswith(("ACCELERATE_", "FSDP_")):
            del os.environ[name]
    if "datasets" in sys.modules:
        sys.modules["datasets"].enable_progress_bars()
    if "transformers" in sys.modules:
        sys.modules["transformers"].utils.logging.enable_progress_bar()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and models that lies beside a checkout, where it does."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside this checkout: it holds real data that is not part of the repository")
    return SHARED


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a BERT with a pooler (3 layers, 16 features, random weights) and a word-piece tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    # Written out, not learnt: the trainers of tokenizers break ties differently in every process.
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(word for words in WORDS.values() for word in words)]
    tokenizer = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    BertTokenizerFast(tokenizer_object=tokenizer, model_max_length=64).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_glyphs(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a table of that tokenizer's vocabulary, as `dlfa glyphs` writes it, of drawn numbers: no font."""
    import torch
    from transformers import AutoTokenizer

    from modeling_dlfa.glyphs import GlyphTable

    from .tiny_checkpoints import glyph_record

    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    values = torch.randn(len(tokenizer), 6, generator=torch.Generator().manual_seed(4)).half()
    folder = tmp_path_factory.mktemp("glyphs") / "table"
    GlyphTable(values, glyph_record(tokenizer, 6)).save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_control(tiny_glyphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a control of that table, as `dlfa glyphs --control permuted` writes it."""
    from modeling_dlfa.glyphs import GlyphTable

    table, folder = GlyphTable.load(tiny_glyphs), tmp_path_factory.mktemp("control") / "table"
    record = {**table.record, "control": "permuted", "seed": 0, "method": {"encoder": "permuted"}}
    GlyphTable(table.values.flip(0), record).save(folder)
    return folder


def write_nli(path: Path, language: str, rows: int, seed: int) -> None:
    """Writes a TSV of random sentence pairs, translations of each other for the same seed.

    A hypothesis has words of one third of the list, and the third is the label, which a tiny model can learn.
    """
    rng, labels, words = random.Random(seed), ("entailment", "neutral", "contradiction"), WORDS[language]
    with path.open("w", encoding="utf-8") as file:
        file.write("premise\thypothesis\tlabel\n")
        for _ in range(rows):
            label = rng.randrange(3)
            premise = rng.sample(range(len(words)), rng.randint(3, 9))
            hypothesis = rng.choices(range(label, len(words), 3), k=rng.randint(2, 6))
            texts = [" ".join(words[index] for index in side) for side in (premise, hypothesis)]
            file.write("\t".join([*texts, labels[label]]) + "\n")


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with train.tsv (96 rows), dev.tsv (30) and test-{en,de,ar}.tsv (37 each: no batch size divides it)."""
    folder = tmp_path_factory.mktemp("data")
    write_nli(folder / "train.tsv", "en", 96, seed=1)
    write_nli(folder / "dev.tsv", "en", 30, seed=2)
    for language in WORDS:
        write_nli(folder / f"test-{language}.tsv", language, 37, seed=3)
    return folder


def write_tags(path: Path, language: str, sentences: int, seed: int, tags: tuple[str, ...]) -> None:
    """Writes sentences of tagged words, a word a line; its place in the list is a word's tag, which a model can learn.

    Some sentences are longer than the encoder reads, some words have several pieces, one is nothing to a tokenizer.
    """
    rng, words = random.Random(seed), WORDS[language]
    with path.open("w", encoding="utf-8") as file:
        for number in range(sentences):
            for _ in range(rng.randint(100, 150) if number % 12 == 5 else rng.randint(1, 9)):
                index = rng.randrange(len(words))
                word = words[index] + rng.choice(["", "", "", ".x"])
                file.write(f"{word}\t{tags[index % len(tags)]}\n")
            if number == 3:
                file.write(f"\u200b\t{tags[0]}\n")
            file.write("\n")


@pytest.fixture(scope="session")
def tiny_tags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with {ner,pos}-{train,dev}.tsv and {ner,pos}-test-{en,de,ar}.tsv, of 72, 24 and 25 sentences."""
    folder = tmp_path_factory.mktemp("tags")
    for kind, tags in (("ner", ("O", "B-PER", "I-PER")), ("pos", ("NOUN", "VERB", "X"))):
        write_tags(folder / f"{kind}-train.tsv", "en", 72, 1, tags)
        write_tags(folder / f"{kind}-dev.tsv", "en", 24, 2, tags)
        for language in WORDS:
            write_tags(folder / f"{kind}-test-{language}.tsv", language, 25, 3, tags)
    return folder


@pytest.fixture
def xnli_arguments(tiny_encoder: Path, tiny_data: Path, tmp_path: Path) -> list[str]:
    """Arguments of a whole small command, which a test may extend."""
    return [
        *("--model_name_or_path", str(tiny_encoder)),
        *("--train_file", str(tiny_data / "train.tsv"), "--validation_file", str(tiny_data / "dev.tsv")),
        *("--test_file", str(tiny_data / "test-{language}.tsv"), "--languages", "en", "de", "ar"),
        *("--fusion", "aif", "--fusion_layers", "1", "--reduction_ratio", "4"),
        *("--output_dir", str(tmp_path / "out"), "--num_train_epochs", "2", "--learning_rate", "1e-3"),
        *("--per_device_train_batch_size", "8", "--use_cpu", "True"),
    ]


@pytest.fixture(scope="session")
def finished(tiny_encoder: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output of a whole command: two seeds, DLFA and its baseline, three languages. Tests that write copy it."""
    from modeling_dlfa.cli import main

    output = tmp_path_factory.mktemp("finished") / "out"
    arguments = [
        *("--model_name_or_path", str(tiny_encoder)),
        *("--train_file", str(tiny_data / "train.tsv"), "--validation_file", str(tiny_data / "dev.tsv")),
        *("--test_file", str(tiny_data / "test-{language}.tsv"), "--languages", "en", "de", "ar"),
        *("--fusion_layers", "1", "--baseline", "--seeds", "1", "2", "--output_dir", str(output)),
        *("--num_train_epochs", "4", "--learning_rate", "2e-2", "--per_device_train_batch_size", "8"),
        *("--use_cpu", "True"),
    ]
    main("xnli", arguments)
    return output


def python(*arguments: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in a fresh process from the repository's root, one thread, and returns what it printed."""
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not check or process.returncode == 0, process.stderr[-4000:]
    return process


@pytest.fixture(scope="session")
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The function `python`, for tests that need a process of their own."""
    return python


@pytest.fixture(scope="session")
def hub_server() -> Iterator[HubServer]:
    """The Hub of this session; it keeps what a test publishes, so a repository's name is a test's own."""
    with HUB:
        yield HUB


@pytest.fixture
def hub(hub_server: HubServer) -> Iterator[HubServer]:
    """The Hub, with an empty log and without faults, and this process online with a token that writes."""
    hub_server.faults.clear()
    with online():
        yield hub_server
    hub_server.faults.clear()


@pytest.fixture(scope="session")
def bare_environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A stranger's virtual environment: the libraries of this one, without our package."""
    return Environment(tmp_path_factory.mktemp("bare"), package=False)


@pytest.fixture(scope="session")
def package_environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A virtual environment with our package."""
    return Environment(tmp_path_factory.mktemp("installed"), package=True)
