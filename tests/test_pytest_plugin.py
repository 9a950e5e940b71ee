"""The pytest fixture `activation_regression`: the life of a golden, in a project of somebody else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import keras  # noqa: F401 - an inner run unloads what it imports; NumPy can be loaded once only
import makers
import pytest
import vl_convert  # noqa: F401 - so can this; whoever draws a page afterwards would find it missing

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
    begins = "FAILED test_mine.py::test_it - norm: config, "
    (told,) = (line for line in diverged.outlines if line.startswith("FAILED test_mine.py::test_it"))
    assert told.startswith(begins) and len(told) == 80 and "e-01 of its" in told
    run(project, "--tracer-update-new-only").assert_outcomes(failed=2)

    monkeypatch.setenv("CI", "true")
    refused = run(project, "--tracer-update")
    refused.assert_outcomes(failed=2)
    refused.stdout.fnmatch_lines(["*not written, because this is CI*"])
    monkeypatch.delenv("CI")
    run(project, "--tracer-update").assert_outcomes(passed=2)
    run(project).assert_outcomes(passed=2)


def test_junit_begins_with_the_layer_and_other_errors_are_left_as_they_are(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makepyfile(test_mine=_TESTS + "\ndef test_other():\n    raise AssertionError('it is another matter')\n")
    run(project, "--tracer-update")
    monkeypatch.setenv("EPSILON", "1e-1")
    told = run(project, "--junit-xml", "j.xml", "-k", "test_it or other")
    told.stdout.fnmatch_lines(["*FAILED test_mine.py::test_other - AssertionError: it is another matter"])
    cases = ET.parse(Path(project.path, "j.xml")).getroot().iter("testcase")
    messages = {case.get("name"): str(failure.get("message")) for case in cases for failure in case.iter("failure")}
    assert messages["test_it"].startswith("norm: config, ") and " allowed (LayerNormalization)" in messages["test_it"]
    assert messages["test_other"] == "AssertionError: it is another matter"


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
    assert told[0] == "a/norm: config, 1.0e-01 on the same inputs, 2.0e-06 allowed (Norm)"
    assert told[1] == "diverged: 1 layer outputs against test_a/b c.safetensors"
    assert "  what was recorded there: tracer show 'test_a/b c.safetensors' a/norm" in told
    two = replace(report, faults=(fault, replace(fault, layer="other")))
    assert message(two)[0].endswith("allowed (Norm); and 1 more at fault")
    hidden = replace(report, faults=(), hidden=(replace(fault, cause=Cause.WEIGHTS),))
    assert message(hidden)[0] == "a/norm: weights, though these inputs don't show it (Norm)"
    nobody = replace(report, faults=())
    assert message(nobody)[0] == "DIVERGED: from a/norm on, but no layer could be blamed"
    evil = replace(report, faults=(replace(fault, layer="a\nb\x1b[2J"),))
    assert message(evil)[0] == "a\\nb\\x1b[2J: config (Norm)"


def test_one_golden_for_two_models_is_a_mistake(project: pytest.Pytester) -> None:
    project.makepyfile(test_mine=_TESTS.replace('basename="second"', 'basename="first"'))
    run(project, "--tracer-update").stdout.fnmatch_lines(["*golden of two models in one test*"])


_CLASSES = """
class TestA:
    def test_it(self, activation_regression):
        activation_regression.check(model(), np.ones((2, 4), "float32"))

class TestB:
    def test_it(self, activation_regression):
        activation_regression.check(model(), np.zeros((2, 4), "float32") + 0.5)
"""


def test_tests_of_two_classes_have_a_golden_each(project: pytest.Pytester) -> None:
    project.makepyfile(test_mine=_TESTS + _CLASSES)
    run(project, "--tracer-update").assert_outcomes(passed=4)
    assert {"test_it.safetensors", "TestA.test_it.safetensors", "TestB.test_it.safetensors"} <= set(goldens(project))
    run(project).assert_outcomes(passed=4)


def test_a_test_of_a_class_is_never_held_against_the_golden_of_another(project: pytest.Pytester) -> None:
    project.makepyfile(test_mine=_TESTS + _CLASSES)
    run(project, "--tracer-update")
    assert run(project).ret is pytest.ExitCode.OK
    plain = Path(project.path, "test_mine", "test_it.safetensors")
    before = plain.read_bytes()
    for one in ("TestA::test_it", "TestB::test_it"):
        assert run(project, f"test_mine.py::{one}").ret is pytest.ExitCode.OK
        assert run(project, "--tracer-update", f"test_mine.py::{one}").ret is pytest.ExitCode.OK
    assert plain.read_bytes() == before
    Path(project.path, "test_mine", "TestB.test_it.safetensors").unlink()
    run(project, "test_mine.py::TestB::test_it").stdout.fnmatch_lines(
        ["*no golden test_mine/TestB.test_it.safetensors*"]
    )


def test_two_tests_never_have_one_golden(project: pytest.Pytester) -> None:
    project.makepyfile(test_mine=_TESTS.replace('basename="second"', 'basename="test_it"'))
    told = run(project, "--tracer-update")
    told.assert_outcomes(passed=1, failed=1)
    told.stdout.fnmatch_lines(["*'test_it' is the golden of test_mine.py::test_it too: give each `basename=*"])


def test_workers_that_used_one_golden_for_two_tests_are_found_out() -> None:
    here, there = plugin._Seen(), plugin._Seen()
    assert here.claim("a.safetensors", "t::one") == here.claim("a.safetensors", "t::one") == ""
    there.claim("a.safetensors", "t::two")
    here.add(there.plain())
    assert here.claimed_twice == {"a.safetensors: of t::one and of t::two"}


def test_unused_goldens_fail_the_run_where_that_is_asked_for(project: pytest.Pytester) -> None:
    run(project, "--tracer-update")
    assert run(project, "--tracer-fail-unused").ret is pytest.ExitCode.OK
    left = Path(project.path, "test_gone")
    left.mkdir()
    (left / "old.safetensors").write_bytes(b"")
    assert run(project).ret is pytest.ExitCode.OK
    failed = run(project, "--tracer-fail-unused")
    assert failed.ret is pytest.ExitCode.TESTS_FAILED
    failed.stdout.fnmatch_lines(["*goldens that no test uses*", "test_gone/old.safetensors"])
    partly = run(project, "--tracer-fail-unused", "-k", "it")
    assert partly.ret is pytest.ExitCode.OK
    partly.stdout.fnmatch_lines(["*isn't known which goldens are unused*"])


def test_a_page_of_all_checks(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    run(project, "--tracer-update")
    target = Path(project.path, "checks.html")
    run(project, "--tracer-html", "checks.html").stdout.fnmatch_lines(["*a page of 3 checks: checks.html"])
    assert "test_mine.py::test_two (second)" in target.read_text(encoding="utf-8")
    monkeypatch.setenv("EPSILON", "0.5")
    run(project, "--tracer-html", "checks.html").stdout.fnmatch_lines(["*a page of 2 checks: checks.html"])
    page = target.read_text(encoding="utf-8")
    assert "test_mine.py::test_it" in page and "LayerNormalization" in page
    none = run(project, "--tracer-html", "none.html", "-k", "nothing")
    none.stdout.fnmatch_lines(["*no golden was checked*"])
    assert not Path(project.path, "none.html").exists()
