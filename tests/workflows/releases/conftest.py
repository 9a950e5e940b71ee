"""No registry is asked, and no cell is run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from scripted_cells import OF_TF_KERAS, RELEASES, answer_to

from tracer.core.matrix.cells import Cell
from tracer.envs import local, registry
from tracer.errors import WorkerError


@pytest.fixture(autouse=True)
def releases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = registry.Releases(versions=RELEASES, yanked=frozenset({"3.3.0"}), asked=time.time())
    other = registry.Releases(versions=OF_TF_KERAS, yanked=frozenset(), asked=time.time())
    monkeypatch.setattr(
        registry, "releases", lambda distribution, progress=None: other if distribution == "tf-keras" else known
    )
    monkeypatch.setenv("TRACER_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    """Round trips are wrong up to 3.2.0, 3.3.1 dies, 3.6.0 can't be told; the cells that were run."""
    cells: list[Cell] = []

    def run_all(tasks: Sequence[Mapping[str, Any]], **_: Any) -> Iterator[tuple[int, dict[str, Any] | WorkerError]]:
        for index, task in reversed(list(enumerate(tasks))):  # as they are done, not as they were asked
            cell = Cell.from_dict(task)
            cells.append(cell)
            yield index, answer_to(cell)

    monkeypatch.setattr(local, "run_all", run_all)
    return cells
