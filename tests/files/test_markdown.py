from __future__ import annotations

import pytest

from modeling_dlfa.files.markdown import pipe_table


def test_a_table_aligns_its_numbers_to_the_right_and_escapes_bars() -> None:
    table = pipe_table(["system", "score"], [["a|b", "1.0"], ["**c**", "2.0"]])
    assert table.splitlines() == ["| system | score |", "| --- | ---: |", "| a\\|b | 1.0 |", "| **c** | 2.0 |"]
    assert pipe_table(["a", "b"], [], text_columns=2).splitlines()[1] == "| --- | --- |"


def test_a_row_without_a_cell_for_each_column_is_refused() -> None:
    with pytest.raises(ValueError, match="A row of 1 cells under a header of 2"):
        pipe_table(["a", "b"], [["c"]])
