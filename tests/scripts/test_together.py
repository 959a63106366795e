"""Commands that run at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from together import run_together


def command(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def test_they_run_at_once_and_share_the_processors(tmp_path: Path) -> None:
    # Each waits for the other's file: one after another they would never end.
    code = """if True:
        import os, pathlib, sys, time
        own, other = map(pathlib.Path, sys.argv[1:])
        own.write_text(os.environ["OMP_NUM_THREADS"])
        while not other.exists():
            time.sleep(0.01)
    """
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    run_together([command(code, one, two), command(code, two, one)])
    share = max(1, (os.cpu_count() or 1) // 2)
    assert {Path(path).read_text(encoding="utf-8") for path in (one, two)} == {str(share)}


@pytest.mark.parametrize("failing", [0, 1])
def test_a_failure_is_shown_and_stops_the_others(
    failing: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # One that is not stopped is waited for, and leaves its file.
    late = tmp_path / "late"
    code = "import pathlib, sys, time; time.sleep(20); pathlib.Path(sys.argv[1]).touch()"
    commands = [command(code, str(late))] * 2
    commands[failing] = command("import sys; print('the cause', file=sys.stderr); sys.exit(3)")
    with pytest.raises(SystemExit) as ended:
        run_together(commands)
    assert ended.value.code == 3 and not late.exists()
    assert "the cause" in capfd.readouterr().err


def test_the_first_one_is_seen_the_others_are_not(capfd: pytest.CaptureFixture[str]) -> None:
    run_together([command("print('first')"), command("print('second')")])
    assert capfd.readouterr().out == "first\n"
