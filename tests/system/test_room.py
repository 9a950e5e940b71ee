"""How much memory is left: by the kernel, by the container, or a guess."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracer.system.room import available, installed


def test_the_smaller_of_the_system_s_and_the_container_s(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  16 kB\nMemAvailable:    4096 kB\nSwapFree: 1 kB\n")
    assert available(meminfo, tmp_path) == 4 << 20
    (tmp_path / "memory.max").write_text("3145728\n")
    (tmp_path / "memory.current").write_text("1048576\n")
    assert available(meminfo, tmp_path) == 2 << 20
    (tmp_path / "memory.current").write_text("9000000\n")
    assert available(meminfo, tmp_path) == 0
    (tmp_path / "memory.max").write_text("max\n")
    assert available(meminfo, tmp_path) == 4 << 20


def test_a_guess_where_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("nonsense")
    assert available(tmp_path / "meminfo", tmp_path) > 1 << 28
    assert available() > 1 << 20


def test_what_the_machine_has_in_all_or_that_nobody_knows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 3, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert installed() == available(tmp_path / "none", tmp_path) == 3 * 4096

    def refuse(_name: str) -> int:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "sysconf", refuse)
    assert installed() is None
    assert available(tmp_path / "none", tmp_path) == 8 << 30
