"""How many seeds a difference needs: against simulated experiments, and from real run directories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import power
import pytest

from modeling_dlfa import train
from modeling_dlfa.statistics.intervals import half_width


def share_found(seeds: int, points: float, seed_sd: float, row_sd: float) -> float:
    rng = np.random.default_rng(0)
    rows = rng.normal(0, row_sd, size=(4000, 1))
    by_seed = points + rows + rng.normal(0, seed_sd, size=(4000, seeds))
    errors = by_seed.std(axis=1, ddof=1) / seeds**0.5
    reach = half_width(errors, np.full(4000, row_sd), (seeds - 1, np.inf))
    return float((by_seed.mean(axis=1) > reach).mean())


@pytest.mark.parametrize(("points", "seed_sd", "row_sd"), [(1.0, 0.8, 0.2), (0.5, 0.4, 0.05), (1.0, 1.5, 0.1)])
def test_so_many_seeds_find_it_in_four_of_five(points: float, seed_sd: float, row_sd: float) -> None:
    needed = power.seeds_needed(points, seed_sd, row_sd)
    assert needed is not None and needed > 2
    assert 0.75 < share_found(needed, points, seed_sd, row_sd) < 0.95
    assert share_found(needed // 2, points, seed_sd, row_sd) < 0.75


def test_where_rows_leave_too_much_no_seeds_help() -> None:
    assert not power.enough_rows(0.5, 0.18) and power.enough_rows(0.5, 0.17)
    assert power.seeds_needed(0.5, 0.0, 0.18) is None and power.seeds_needed(0.5, 0.0, 0.17) == 2
    assert power.seeds_needed(0.5, 4.0, 0.0) is None
    assert power.upper(1.0, 3) == pytest.approx(2.117, abs=0.001)


@pytest.mark.slow
def test_it_reads_runs_and_refuses_one_seed(
    tiny_encoder: Path, tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(name: str, *seeds: int) -> str:
        train(
            "xnli",
            str(tiny_encoder),
            train_file=str(tiny_data / "train.tsv"),
            validation_file=str(tiny_data / "dev.tsv"),
            test_file=str(tiny_data / "test-{language}.tsv"),
            fusion_layers=1,
            baseline=True,
            seeds=list(seeds),
            max_steps=3,
            use_cpu=True,
            output_dir=str(tmp_path / name),
        )
        return str(tmp_path / name)

    power.main([run("two", 1, 2), "--points", "1"])
    (line,) = [row for row in capsys.readouterr().out.splitlines() if "aif-layer1" in row]
    assert line.split("|")[3].strip() == "2"
    with pytest.raises(SystemExit) as stop:
        power.main([run("one", 1)])
    assert stop.value.code == 2 and "one has 1 seed of aif-layer1 and last" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        power.main([str(tmp_path / "two"), "--points", "0"])
    assert "--points 0 is not a difference" in capsys.readouterr().err
