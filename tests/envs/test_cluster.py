"""`tracer.envs.cluster`: a real scheduler with two workers on loopback; losing one loses nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tracer.envs import cluster
from tracer.errors import WorkerError

distributed = pytest.importorskip("distributed")

_MODULE = """
import os, time

def answer(task):
    with open(task["log"], "a") as log:
        log.write(f"{os.getpid()} {task['number']}\\n")
    time.sleep(0.3)
    if task["number"] == 99:
        raise ValueError("this one can't be answered")
    return {"square": task["number"] ** 2}
"""


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "cluster_tasks.py").write_text(_MODULE)
    root = Path(cluster.__file__).resolve().parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(root)]))
    monkeypatch.syspath_prepend(str(tmp_path))
    started = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    )
    with started:
        yield started.scheduler_address


def squares(found: dict[int, Any]) -> dict[int, Any]:
    return {index: result["square"] if isinstance(result, dict) else type(result) for index, result in found.items()}


def test_killing_a_worker_loses_nothing_and_ends_with_the_same_answers(address: str, tmp_path: Path) -> None:
    from cluster_tasks import answer

    log = tmp_path / "log.txt"
    tasks = [{"number": number, "log": str(log)} for number in range(14)]
    found: dict[int, Any] = {}
    for index, result in cluster.run_all(tasks, answer, address):
        assert index not in found
        found[index] = result
        if len(found) == 3:  # in the middle of the work of both
            os.kill(int(log.read_text().splitlines()[-1].split()[0]), signal.SIGKILL)
    assert squares(found) == {number: number**2 for number in range(14)}
    started = [line.split() for line in log.read_text().splitlines()]
    assert len({pid for pid, _ in started}) >= 2
    assert len(started) > len(tasks)  # what was lost has been done again


def test_a_task_that_fails_is_its_own_failure(address: str, tmp_path: Path) -> None:
    from cluster_tasks import answer

    tasks = [{"number": number, "log": str(tmp_path / "log.txt")} for number in (1, 99, 2)]
    found = dict(cluster.run_all(tasks, answer, address))
    assert squares(found) == {0: 1, 1: WorkerError, 2: 4}
    assert "this one can't be answered" in str(found[1])


def test_no_scheduler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT", 1)
    with pytest.raises(WorkerError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9"):
        list(cluster.run_all([{}], dict, "tcp://127.0.0.1:9"))
