"""The arithmetic of the benchmark: rounds, ratios, goals, memory."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import pytest
import torch
from bench.evaluation import extrapolated
from bench.fusion import adamw, peak_bytes
from bench.processes import python
from bench.report import Row, bytes_row, sections, time_row
from bench.timing import Ratio, interleave, ratio, timed

from modeling_dlfa.pages.rendering import to_markdown

CPU = torch.device("cpu")


def test_rounds_alternate_their_order() -> None:
    done: list[str] = []
    seconds = interleave({"a": lambda: done.append("a") or 1.0, "b": lambda: done.append("b") or 2.0}, 3)
    assert done == ["a", "b", "b", "a", "a", "b"]
    assert seconds == {"a": [1.0] * 3, "b": [2.0] * 3}


def test_a_machine_that_slows_down_does_not_move_the_ratio() -> None:
    speeds = iter([1.0, 1.0, 1.0, 1.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0])
    seconds = interleave({"a": lambda: 1 * next(speeds), "b": lambda: 3 * next(speeds)}, 5)
    assert max(seconds["a"]) == 9 * min(seconds["a"])
    assert ratio(seconds["b"], seconds["a"]) == Ratio(3.0, 3.0, 3.0, 5)


def test_a_function_is_timed_with_all_threads() -> None:
    threads: list[int] = []
    measure = timed(lambda: (threads.append(torch.get_num_threads()), time.sleep(0.05)))
    before = torch.get_num_threads()
    assert 0.05 <= measure() < 0.5
    assert set(threads) == {before}


def test_ratios_are_of_the_same_round() -> None:
    found = ratio([2.0, 8.0, 9.0, 40.0, 10.0], [1.0, 2.0, 3.0, 4.0, 5.0])
    assert found == Ratio(3.0, 2.0, 4.0, 5)
    assert ratio([3.0], [2.0]) == Ratio(1.5, 1.5, 1.5, 1)
    with pytest.raises(ValueError):
        ratio([1.0, 2.0], [1.0])
    with pytest.raises(ValueError):
        ratio([], [])


def test_a_goal_is_met_on_its_own_side() -> None:
    def met(median: float, better: Any, goal: float | None = 2.0) -> bool | None:
        return Row("g", "n", "1 s", ratio=Ratio(median, median, median, 1), goal=goal, better=better).met

    assert [met(1.9, "high"), met(2.0, "high"), met(2.0, "low"), met(2.1, "low")] == [False, True, True, False]
    assert Row("g", "n", goal=2.0).met is None and met(2.0, "high", None) is None


def test_rows_divide_the_right_way_round() -> None:
    faster = time_row("g", "n", [1.0, 1.0], [3.0, 5.0], "theirs", goal=3.5)
    assert faster.ratio is not None and faster.ratio.median == 4.0 and faster.met
    assert (faster.ours, faster.theirs) == ("1 s", "theirs: 4 s")
    share = time_row("g", "n", [0.02, 0.02], [0.04, 0.04], "theirs", better="low", goal=0.4)
    assert share.ratio is not None and share.ratio.median == 0.5 and share.met is False and share.ours == "20 ms"
    memory = bytes_row("g", "n", 2**20, 2**21, "theirs", 1.0)
    assert memory.ratio == Ratio(0.5, 0.5, 0.5, 1) and memory.ours == "1.0 MiB" and memory.met


def test_the_table_says_what_was_measured_and_what_was_not() -> None:
    rows = [
        time_row("training", "step", [1.0, 2.0], [3.0, 5.0], "official", goal=2.6, note="32 examples."),
        Row("training", "bf16", note="No instructions."),
    ]
    machine = {"device": "cpu", "versions": {"torch": "2"}}
    text = to_markdown(sections({"machine": machine, "rows": [asdict(row) for row in rows]}))
    assert "| training: step | 1.5 s | official: 4 s | 2.75× (2.62–2.88; 2) | ≥ 2.6× | yes |" in text
    assert "| training: bf16 | not measured |  |  |  |  |" in text
    assert "- training, step: 32 examples." in text and "- training, bf16: No instructions." in text
    assert "- versions: torch 2" in text


def test_peak_memory_is_counted_to_the_byte() -> None:
    def work() -> None:
        first, second = torch.empty(1 << 20, dtype=torch.uint8), torch.empty(1 << 19, dtype=torch.uint8)
        del first
        third = torch.empty(1 << 18, dtype=torch.uint8)
        del second, third

    assert peak_bytes(work, torch.nn.Identity(), None, CPU) == (1 << 20) + (1 << 19)


def test_held_memory_counts_each_storage_once() -> None:
    def held(optimizer: torch.optim.Optimizer | None = None) -> int:
        return peak_bytes(lambda: None, model, optimizer, CPU)

    model = torch.nn.Sequential(torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8, bias=False))
    model[1].weight = model[0].weight
    assert held() == 256
    optimizer = adamw(model)
    model(torch.ones(1, 8)).sum().backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    assert held(optimizer) == 256 + 2 * 256 + 4  # Two averages, and the count of steps.


def test_a_failed_process_tells_why() -> None:
    seconds, printed = python(["-c", "import os; print(os.environ['HF_HUB_OFFLINE'])"])
    assert printed.split() == ["1"] and seconds > 0
    with pytest.raises(RuntimeError, match="status 3:\nso it is"):
        python(["-c", "print('so it is'); raise SystemExit(3)"])


def test_more_rows_cost_predicting_alone() -> None:
    assert extrapolated(12.0, 2.0, 1) == 12.0 and extrapolated(12.0, 2.0, 10) == 30.0
