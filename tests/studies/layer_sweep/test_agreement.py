"""The agreement of a one-pass with a full sweep, on planted scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.studies.layer_sweep.agreement import check_comparable, measure_agreement, spearman
from modeling_dlfa.studies.layer_sweep.agreement_sections import AGREEMENT, agreement_findings

from .planted import TARGET, VALIDATION, agreement, sweep


def rho(one: list[int], other: list[int]) -> float:
    """Spearman's own formula, for ranks without ties."""
    n = len(one)
    return 1 - 6 * sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) / (n * (n * n - 1))


def test_a_sweep_agrees_with_itself() -> None:
    found = agreement(VALIDATION)
    expected = {key: 1.0 for key in ("validation", "target", "validation_with_last", "target_with_last")}
    # Ranks of the layers by target average and by validation.
    expected |= dict.fromkeys(("selection", "full_selection"), rho([1, 2, 5, 4, 3], [1, 2, 3, 5, 4]))
    assert found["spearman"] == pytest.approx(expected)
    assert found["selected"] == {"full": 3, "one_pass": 3, "one_pass_by_seed": {"0": 3}} and found["oracle"] == 2
    assert found["top3"] and found["regret"]["to_selected"]["mean"] == 0
    assert found["regret"]["to_oracle"]["mean"] == pytest.approx(0.04) == found["regret"]["full_to_oracle"]["mean"]
    assert found["differences"] == "" and found["between_seeds"] == {"validation": None, "target": None}


def test_correlations_of_planted_ranks() -> None:
    reverse = {layer: [180 - value for value in values] for layer, values in VALIDATION.items()}
    swapped = {**TARGET, "2": TARGET["3"], "3": TARGET["2"], "last": [40]}
    found = agreement(reverse, swapped)
    assert found["spearman"]["validation"] == pytest.approx(-1)
    assert found["spearman"]["target"] == pytest.approx(rho([1, 2, 5, 4, 3], [1, 2, 4, 5, 3]))
    assert found["spearman"]["target_with_last"] == pytest.approx(rho([1, 2, 6, 5, 3, 4], [2, 3, 5, 6, 4, 1]))
    assert found["spearman"]["selection"] == pytest.approx(rho([1, 2, 5, 4, 3], [5, 4, 3, 1, 2]))


def test_selection_top_three_and_regret() -> None:
    good = agreement({**VALIDATION, "2": [99]})
    assert good["selected"]["one_pass"] == 2 and good["top3"]
    assert good["regret"]["to_oracle"]["mean"] == 0
    assert good["regret"]["to_selected"]["mean"] == pytest.approx(-0.04), "better than what the full sweep selects"
    bad = agreement({**VALIDATION, "0": [99], "1": [98], "3": [97], "2": [70]})
    assert bad["selected"]["one_pass"] == 0 and not bad["top3"]
    assert bad["regret"]["to_oracle"]["mean"] == pytest.approx(0.20)
    assert bad["regret"]["to_selected"]["mean"] == pytest.approx(0.16)
    assert bad["regret"]["to_oracle"]["low"] < 0.20 < bad["regret"]["to_oracle"]["high"]
    fourth = agreement({**dict.fromkeys(VALIDATION, [50]), "4": [60]})
    assert fourth["top3"] is False, "of equal layers the lower come first: 4, 0, 1"
    assert fourth["spearman"]["selection"] is not None
    equal = agreement(dict.fromkeys(VALIDATION, [50]))
    assert equal["selected"]["one_pass"] == 0 and equal["spearman"]["validation"] is None
    assert "en validation undefined (all equal), target average +1.00" in agreement_findings(equal)[0]


def test_equal_scores_share_a_rank() -> None:
    # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: Pearson's correlation of the two.
    ranks = np.corrcoef([1, 2.5, 2.5, 4], [1, 2, 3, 4])[0, 1]
    one, other = {"0": 0.1, "1": 0.2, "2": 0.2, "3": 0.3}, {"3": 0.9, "2": 0.8, "1": 0.7, "0": 0.6}
    assert spearman(one, other) == pytest.approx(ranks)
    assert spearman({"0": 0.1}, {"0": 0.2}) is None


def test_seeds_of_the_full_sweep_are_compared_with_each_other() -> None:
    target = {layer: [value, value + 1, 124 - value] for layer, [value] in TARGET.items()}
    validation = {layer: [value, value, value] for layer, [value] in VALIDATION.items()}
    full, counts = sweep(validation, target)
    one_pass, _ = sweep(VALIDATION, TARGET, one_pass=True)
    found = measure_agreement(full, counts, one_pass)
    assert found["between_seeds"] == pytest.approx({"validation": 1.0, "target": (1 - 1 - 1) / 3})
    assert found["full"]["target"]["0"] == pytest.approx((0.50 + 0.51 + 0.74) / 3)
    assert "Two seeds of the full sweep with each other, on average: +1.00 and -0.33." in agreement_findings(found)


def test_cost_is_of_a_seed_against_a_run() -> None:
    found = agreement(VALIDATION, seconds=12.0)["cost"]
    # Five layers of 10 s and a baseline of 11 s.
    assert found == pytest.approx(
        {"run": 61 / 6, "one_pass_seed": 12.0, "ratio": 12.0 / (61 / 6), "full_sweep_seed": 61.0}
    )
    resumed = agreement(VALIDATION, resumed=True)
    assert resumed["cost"] is None and any("a run was resumed" in line for line in agreement_findings(resumed))


def test_what_else_differs_is_told_and_what_must_not_is_refused(tmp_path: Path) -> None:
    full, counts = sweep(VALIDATION, TARGET)
    other, _ = sweep(VALIDATION, TARGET, one_pass=True)
    other = replace(other, recipe={**other.recipe, "learning_rate": 0.2})
    check_comparable(full, other)
    found = measure_agreement(full, counts, other)
    told = "The two also differ in: recipe.learning_rate: 0.1 in the full sweep, 0.2 in one pass."
    assert agreement_findings(found)[-1] == told
    AGREEMENT.write(found, tmp_path)
    report = (tmp_path / "one_pass_agreement.md").read_text(encoding="utf-8")
    assert told in report and "| 2 | 84.0 | 84.0 | 70.0 | 70.0 |" in report
    assert "| last | 92.0 | 92.0 | 64.0 | 64.0 |" in report
    fewer, _ = sweep({**VALIDATION}, {layer: TARGET[layer] for layer in ("0", "1", "last")}, one_pass=True)
    with pytest.raises(InputError, match=r"layers: \[0, 1, 2, 3, 4\] in the full sweep, \[0, 1\] in one pass"):
        check_comparable(full, fewer)
    with pytest.raises(InputError, match="task: xnli in the full sweep, pawsx in one pass"):
        check_comparable(full, replace(other, task="pawsx"))
