"""What `make test-versions VERSIONS=all` found → docs/versions.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import torch
import transformers

# Columns of the table, by the test that fills them.
CELLS = {
    "test_another_line_computes_the_same": "logits, bit for bit",
    "test_pipelines_of_another_line_answer_the_same": "pipelines",
    "test_what_another_line_tuned_and_saved_loads_on_the_newest": "tuned there, loaded here",
    "test_every_way_of_saving_is_read": "sharded, variant, subfolder, half, 0.5",
    "test_what_another_line_saved_is_read_here": "saved there, loaded here",
    "test_tokenizers_give_the_same_ids": "ids in 15 languages",
    "test_eight_processes_load_after_one": "eight processes",
}
TEXT = """# Versions of transformers

`make test-versions VERSIONS=all` wrote this page, with transformers {newest} and torch {torch} saving, and each line
below loading, tuning and saving again ({tested}). `make test-versions` alone tests the lines that CI does.

{table}

- **logits, bit for bit**: models of the six encoder families, and one with glyphs, with either head and padded inputs,
  loaded by their own code over HTTP.
- **pipelines**: the three pipelines, tags with every aggregation strategy.
- **sharded, variant, subfolder, half, 0.5**: what `max_shard_size`, `variant="fp16"`, `subfolder` and float16 save,
  and weights that are all 0.5 (no initialisation may touch them), loaded by class, by Auto class and by the folder's
  own code, also with `device_map="auto"`; every tensor compared. Without `dtype`, a float16 checkpoint becomes float32
  on 4.57 and stays float16 on 5.x.
- **eight processes**: load one folder at once, after one has loaded it (see [Publishing](publishing.md)).
"""


def main() -> None:
    """Writes the page (the second argument) from pytest's XML (the first)."""
    found: dict[str, dict[str, str]] = {}
    for case in ElementTree.parse(sys.argv[1]).iter("testcase"):
        name, _, release = case.attrib["name"].rstrip("]").partition("[")
        release = next((part for part in release.split("-") if re.fullmatch(r"\d+(\.\d+)+", part)), None)
        if name in CELLS and release is not None:
            outcomes = {child.tag for child in case}
            bad, left_out = outcomes & {"failure", "error"}, "skipped" in outcomes
            cell = "**fails**" if bad else "not run" if left_out else "yes"
            cells = found.setdefault(release, {})
            cells[name] = min(cell, cells.get(name, cell), key=("**fails**", "not run", "yes").index)
    rows = ["| transformers | " + " | ".join(CELLS.values()) + " |", "|---" * (1 + len(CELLS)) + "|"]
    for release in sorted(found, key=lambda release: tuple(map(int, release.split(".")))):
        rows.append(f"| {release} | " + " | ".join(found[release].get(name, "not run") for name in CELLS) + " |")
    passed = sum(cell == "yes" for cells in found.values() for cell in cells.values())
    text = TEXT.format(
        newest=transformers.__version__,
        torch=torch.__version__.partition("+")[0],
        tested=f"{passed} of {len(found) * len(CELLS)} cells as they should be",
        table="\n".join(rows),
    )
    Path(sys.argv[2]).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
