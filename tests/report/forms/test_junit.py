"""JUnit XML: what a CI service reads of it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from test_matrix_report import ANSWERS, bisection

from tracer.core.matrix.cells import Matrix
from tracer.core.outcomes import Outcomes
from tracer.errors import ModelError
from tracer.records import Report
from tracer.report.forms.junit import junit_of

Snapshot = Callable[[str, str], None]


def test_several_formats(samples: Mapping[str, Report], snapshot: Snapshot) -> None:
    outcomes = Outcomes(
        {
            "keras": samples["passed"],
            "h5": samples["nested_h5"],
            "config": ModelError("Lambda can't be saved."),
            "none": samples["nothing"],
        }
    )
    text = junit_of(outcomes, "tracer roundtrip")
    snapshot("formats.xml", text)
    root = ET.fromstring(text.encode())
    assert {name: root.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "4",
        "failures": "1",
        "errors": "2",
    }
    (failure,) = root.iter("failure")
    assert failure.get("message") == (
        "DIVERGED: 1 layer is at fault: efficientnetb0/normalization (the candidate is wrong)"
    )
    assert [case.get("name") for case in root.iter("testcase")] == ["keras", "h5", "config", "none"]


def test_an_error_without_words_is_an_error_still() -> None:
    root = ET.fromstring(junit_of(Outcomes({"keras": ModelError("")})).encode())
    (error,) = root.iter("error")
    assert (root.get("errors"), error.get("message")) == ("1", "ModelError")


def test_a_matrix_and_a_single_report(samples: Mapping[str, Report]) -> None:
    root = ET.fromstring(junit_of(Matrix(answers=ANSWERS, reused=0, results="")).encode())
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert cases == {
        "m.keras keras @ 3.5.0+jax": ["failure"],
        "m.keras h5 @ 3.5.0+jax": ["error"],
        "m.keras keras @ 3.6.0+jax": [],
        "m.keras h5 @ 3.6.0+jax": [],
    }
    (failure,) = root.iter("failure")
    assert str(failure.get("message")).startswith("norm (Normalization): unsaved-state")
    root = ET.fromstring(junit_of(samples["two_faults"]).encode())
    assert [case.get("name") for case in root.iter("testcase")] == ["m.keras"]
    with pytest.raises(TypeError, match="no test cases"):
        junit_of(bisection())


def test_what_xml_can_not_hold_is_spelled_out(samples: Mapping[str, Report]) -> None:
    report = replace(samples["nested_h5"], specs={"candidate": "a\x00\x1b<b>"}, notes=("\x07",))
    (case,) = ET.fromstring(junit_of(report, "x\x01").encode()).iter("testcase")
    assert (case.get("name"), case.get("classname")) == ("a\\x00\\x1b<b>", "x\\x01")
