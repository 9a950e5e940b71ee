"""bisect and matrix in real releases, from the registry's real list (minutes)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tracer.core.matrix.cells import CellTemplate
from tracer.workflows.releases.matrix import ExecutionOptions, matrix

pytestmark = pytest.mark.releases

_ROOT = Path(__file__).resolve().parents[2]
_HERE = Path(__file__).resolve().parent


def cli(*arguments: str, folder: Path) -> tuple[int, Any]:
    """`python -m tracer … --json -`, as a user runs it; exit code and JSON."""
    paths = os.pathsep.join([str(_ROOT), str(_HERE)])
    done = subprocess.run(
        [sys.executable, "-m", "tracer", *arguments, "--results", str(folder / "cells"), "--json", "-"],
        cwd=folder, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_bisect_finds_where_keras_20147_was_fixed(tmp_path: Path) -> None:
    code, found = cli(
        "bisect", "tracer.zoo:pretrained_classifier", "--good", "latest", "--bad", "3.0.0", folder=tmp_path
    )
    assert code == 1
    assert (found["direction"], found["before"], found["release"]) == ("fixed", "3.5.0", "3.6.0")
    assert found["layer"].endswith("normalization")
    assert (found["cause"], found["side"], found["known_issue"]) == ("unsaved-state", "reference", "keras#20147")
    assert len(found["tested"]) <= 7
    assert len(found["releases"]) >= 40
    assert found["held"] == "tensorflow==2.16.2"
    assert "pretrained_classifier@3.5.0+tensorflow --format keras" in found["reproduce"]


@pytest.mark.parametrize(
    ("arguments", "release", "layer"),
    [
        (("boundary_models:h5_normalization", "--format", "h5", "--good", "3.6.0", "--bad", "3.4.1"), "3.6.0", "norm"),
        (
            ("boundary_models:integer_resizing", "--baseline", "3.4.1", "--good", "3.4.1", "--bad", "3.6.0"),
            "3.6.0",
            "resize",
        ),
    ],
    ids=["fixed", "introduced"],
)
def test_bisect_goes_either_way(arguments: tuple[str, ...], release: str, layer: str, tmp_path: Path) -> None:
    code, found = cli("bisect", *arguments, folder=tmp_path)
    assert code == 1
    assert (found["before"], found["release"], found["layer"]) == ("3.5.0", release, layer)
    assert found["direction"] == ("introduced" if "--baseline" in arguments else "fixed")


def test_a_golden_decides(tmp_path: Path) -> None:
    """Recorded with the installed Keras: what an older one computes otherwise is found from the fingerprint alone."""
    paths = os.pathsep.join([str(_ROOT), str(_HERE)])
    model, goldens = "boundary_models:integer_resizing", str(tmp_path / "goldens")
    subprocess.run(
        [sys.executable, "-m", "tracer", "record", model, "--no-witness", "--yes", "--fixtures", goldens],
        env={**os.environ, "PYTHONPATH": paths}, check=True, capture_output=True,
    )  # fmt: skip
    code, found = cli("bisect", model, "--good", "3.6.0", "--bad", "3.4.1", "--golden", goldens, folder=tmp_path)
    assert (code, found["direction"], found["before"], found["release"]) == (1, "fixed", "3.5.0", "3.6.0")
    assert (found["layer"], found["cause"], found["known_issue"]) == ("resize", "implementation", "keras#20213")
    assert found["reproduce"].startswith(f"tracer check {model}@3.5.0+tensorflow --fixture {goldens}")


def test_a_command_of_the_user_decides(tmp_path: Path) -> None:
    command = "python -c 'import keras, sys; sys.exit(keras.__version__ >= \"3.5\")'"
    held = ("--tensorflow", "2.17.1")
    code, found = cli("bisect", "--run", command, "--good", "3.4.1", "--bad", "3.6.0", *held, folder=tmp_path)
    assert (code, found["direction"], found["release"]) == (1, "introduced", "3.5.0")


def test_the_same_table_on_a_cluster_that_loses_a_worker(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    question = CellTemplate(formats=("keras", "h5", "weights", "config"), packages=("tensorflow==2.17.1",))
    asked: dict[str, Any] = {"keras": ["3.6.0"], "question": question}
    here = matrix(["tracer.zoo:tiny_nested"], running=ExecutionOptions(results=str(tmp_path / "here")), **asked)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        pids = [worker.process.pid for worker in cluster.workers.values()]

        def kill_one(what: str, done: int, total: int) -> None:
            if done == 1:
                os.kill(pids[0], signal.SIGKILL)

        running = ExecutionOptions(
            results=str(tmp_path / "there"), cluster=cluster.scheduler_address, progress=kill_one
        )  # fmt: skip
        there = matrix(["tracer.zoo:tiny_nested"], running=running, **asked)
    assert [replace(answer, seconds=0) for answer in there.answers] == [replace(a, seconds=0) for a in here.answers]
    assert [answer.outcome for answer in here.answers] == ["pass", "diverged", "pass", "diverged"]
