"""What `reproduce.sh` asks of the package: layer, best variant, the Hub's rows as files, card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import reproduce_steps

from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import get_task

from ..hub import HubServer
from ..served import serve


def test_the_best_and_the_layer_are_those_of_validation(finished: Path, tmp_path: Path) -> None:
    assert reproduce_steps.layer(str(finished)) == 1
    content = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    [last] = [name for name in content["summary"]["systems"] if name == "last"]
    for name, mean in (("a", 0.5), ("b", 0.7), ("c", 0.7)):
        system = {**content["summary"]["systems"][last]}
        system["validation"] = {**system["validation"], "mean": mean}
        (tmp_path / name).mkdir()
        changed = {**content, "summary": {**content["summary"], "systems": {last: system}}}
        (tmp_path / name / "results.json").write_text(json.dumps(changed), encoding="utf-8")
    assert reproduce_steps.best([str(tmp_path / name) for name in "abc"]) == str(tmp_path / "b")
    with pytest.raises(InputError, match="must hold one system"):
        reproduce_steps.best([str(finished)])


def test_the_card_has_table_and_command(finished: Path, tmp_path: Path) -> None:
    reproduce_steps.main(["card", str(finished), str(tmp_path / "card.md")])
    text = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert "aif-layer1 minus last" in text and "Hardware: " in text and (tmp_path / "figures/card.png").is_file()


@pytest.mark.slow
def test_the_hubs_rows_become_files(hub: HubServer, tiny_encoder: Path, tmp_path: Path) -> None:
    serve(tmp_path / "served", tiny_encoder)
    reproduce_steps.main(["rows", "xnli", str(tmp_path / "rows")])
    assert len(list((tmp_path / "rows").iterdir())) == 17
    rows = [json.loads(line) for line in (tmp_path / "rows/train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 48 and {row["label"] for row in rows} == set(get_task("xnli").labels)
