"""What the processor says of bf16, as Linux words it on the processors that people have."""

from __future__ import annotations

from pathlib import Path

import pytest

from modeling_dlfa import processor


@pytest.mark.parametrize(
    ("cpuinfo", "slow"),
    [
        ("processor\t: 0\nflags\t\t: fpu sse2 avx2 fma\n", True),
        ("processor\t: 0\nmodel name\t: not bf16\nflags\t\t: avx2 avx512f avx512vl\n", True),
        ("processor\t: 0\nflags\t\t: avx2 avx512f avx512_bf16\n", False),
        ("processor\t: 0\nflags\t\t: avx2 amx_bf16 amx_tile\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd asimddp\n", True),
        ("processor\t: 0\nFeatures\t: fp asimd i8mm bf16\n", False),
        ("processor\t: 0\n", False),
    ],
)
def test_the_flags_of_the_processor_tell_whether_bf16_is_slow(
    cpuinfo: str, slow: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    assert processor.bf16_is_slow() is slow


def test_this_processor_is_asked_without_a_file_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    told = processor.bf16_is_slow()
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
    assert processor.bf16_is_slow() is told


def test_the_warning_names_the_option_the_figures_and_the_remedy():
    text = processor.bf16_warning("--bf16 True")
    assert text.startswith("--bf16 True: ") and "8 to 21" in text and "float32" in text
