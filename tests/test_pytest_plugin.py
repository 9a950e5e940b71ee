"""The pytest fixture `activation_regression`: the life of a golden, in a project of somebody else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras  # noqa: F401 - an inner run unloads what it imports; NumPy can be loaded once only
import makers
import pytest

import tracer.engine.host
import tracer.pytest_plugin as plugin
import tracer.workflows.regression  # noqa: F401 - likewise
from tracer.records import Cause, Report, Status, Verdict

pytest_plugins = ["pytester"]

_TESTS = """
import os
import keras, numpy as np

def model():
    keras.utils.set_random_seed(3)
    x = keras.Input((4,))
    y = keras.layers.Dense(5, name="body")(x)
    y = keras.layers.LayerNormalization(epsilon=float(os.environ.get("EPSILON", "1e-3")), name="norm")(y)
    return keras.Model(x, keras.layers.Dense(2, name="head")(y))

def test_it(activation_regression):
    activation_regression.check(model(), np.ones((2, 4), "float32"))

def test_two(activation_regression):
    activation_regression.check(model(), np.ones((2, 4), "float32"), basename="first")
    activation_regression.check(model(), np.zeros((2, 4), "float32") + 0.5, basename="second")
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(test_mine=_TESTS)
    return pytester


def run(project: pytest.Pytester, *flags: str) -> pytest.RunResult:
    return project.runpytest_inprocess("-p", "tracer.pytest_plugin", "-p", "no:cacheprovider", *flags)


def goldens(project: pytest.Pytester) -> list[str]:
    return sorted(path.name for path in Path(project.path, "test_mine").glob("*"))


def test_the_life_of_a_golden(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = run(project)
    missing.assert_outcomes(failed=2)
    missing.stdout.fnmatch_lines(["*no golden test_mine*pytest --tracer-update-new-only test_mine.py::test_it*"])
    assert not goldens(project)

    written = run(project, "--tracer-update-new-only")
    written.assert_outcomes(passed=2)
    written.stdout.fnmatch_lines(["*goldens written*", "*first.safetensors"])
    assert goldens(project) == ["first.safetensors", "second.safetensors", "test_it.safetensors"]
    run(project).assert_outcomes(passed=2)

    monkeypatch.setenv("EPSILON", "1e-1")
    diverged = run(project)
    diverged.assert_outcomes(failed=2)
    diverged.stdout.fnmatch_lines(["*norm (LayerNormalization): cause config*", "*tracer show *", "*--tracer-update *"])
    # The short summary has the first line alone, and cuts it at the width of the terminal.
    begins = "FAILED test_mine.py::test_it - tracer.errors.DivergenceError: norm (LayerNormalization): cause config, "
    told = [line.removesuffix("...") for line in diverged.outlines if line.startswith("FAILED test_mine.py::test_it")]
    assert told and ": norm (L" in told[0] and begins.startswith(told[0][: len(begins)])
    run(project, "--tracer-update-new-only").assert_outcomes(failed=2)

    monkeypatch.setenv("CI", "true")
    refused = run(project, "--tracer-update")
    refused.assert_outcomes(failed=2)
    refused.stdout.fnmatch_lines(["*not written, because this is CI*"])
    monkeypatch.delenv("CI")
    run(project, "--tracer-update").assert_outcomes(passed=2)
    run(project).assert_outcomes(passed=2)


def test_an_unused_golden_is_reported_when_everything_ran(project: pytest.Pytester) -> None:
    run(project, "--tracer-update")
    Path(project.path, "test_mine", "old.safetensors").write_bytes(b"")
    run(project).stdout.fnmatch_lines(["*goldens that no test uses*", "*old.safetensors"])
    for some in (["-k", "it"], ["test_mine.py::test_it"]):
        run(project, *some).stdout.no_fnmatch_line("*no test uses*")


def test_other_inputs_and_a_damaged_golden_say_what_to_do(project: pytest.Pytester) -> None:
    run(project, "--tracer-update")
    path = Path(project.path, "test_mine", "test_it.safetensors")
    path.write_bytes(path.read_bytes()[:-5])
    damaged = run(project)
    damaged.assert_outcomes(passed=1, failed=1)
    damaged.stdout.fnmatch_lines(
        ["*test_it.safetensors*cut off*", "*git checkout -- test_mine/test_it.safetensors", "*--tracer-update*"]
    )


def message(report: Report) -> list[str]:
    return plugin._message(report, "test_a/b c.safetensors", "test_a.py::test_b").splitlines()


def test_the_first_line_says_what_is_wrong() -> None:
    layer = makers.layer_report("a/norm", Verdict.INTRODUCED, 0.1, local_error=0.1)
    fault = makers.fault("a/norm", class_name="Norm", cause=Cause.CONFIG)
    report = makers.report(layer, status=Status.DIVERGED, first_divergence="a/norm", faults=(fault,))
    told = message(report)
    assert told[0] == (
        "a/norm (Norm): cause config, 1.0e-01 on equal inputs, 2.0e-06 allowed; 1.0e-01 with the inputs as they came"
    )
    assert told[1] == "diverged: 1 layer outputs against test_a/b c.safetensors"
    assert "  what was recorded there: tracer show 'test_a/b c.safetensors' a/norm" in told
    two = replace(report, faults=(fault, replace(fault, layer="other")))
    assert message(two)[0].endswith("as they came; and 1 more at fault")
    hidden = replace(report, faults=(), hidden=(replace(fault, cause=Cause.WEIGHTS),))
    assert message(hidden)[0] == "a/norm (Norm): cause weights, though these inputs don't show it"
    nobody = replace(report, faults=())
    assert message(nobody)[0] == "DIVERGED: from a/norm on, but no layer could be blamed"
    evil = replace(report, faults=(replace(fault, layer="a\nb\x1b[2J"),))
    assert message(evil)[0] == "a\\nb\\x1b[2J (Norm): cause config"


def test_one_golden_for_two_models_is_a_mistake(project: pytest.Pytester) -> None:
    project.makepyfile(test_mine=_TESTS.replace('basename="second"', 'basename="first"'))
    run(project, "--tracer-update").stdout.fnmatch_lines(["*golden of two models in one test*"])
