"""What makes a report readable on a terminal: numbers that can be told apart, code to copy, the error along depth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import makers
import pytest
from makers import remeasured

from tracer.records import Report, Status, Verdict
from tracer.report import render
from tracer.report.forms.sparkline import sparkline
from tracer.report.phrases import error_words
from tracer.report.style import beside


@pytest.mark.parametrize(
    ("value", "bound", "told"),
    [
        (1.2e-3, 2e-6, ("1.2e-03", "2.0e-06")),
        (2.04e-6, 2e-6, ("2.04e-06", "2.00e-06")),
        (2.0000004e-6, 2e-6, ("2.0000004e-06", "2.0000000e-06")),
        (2e-6, 2e-6, ("2.0e-06", "2.0e-06")),
        (None, 2e-6, ("-", "2.0e-06")),
        (math.inf, 2e-6, ("inf", "2.0e-06")),
        (0.0, 2e-6, ("0", "2.0e-06")),
    ],
)
def test_an_error_and_its_bound_can_be_told_apart(value: float | None, bound: float, told: tuple[str, str]) -> None:
    assert beside(value, bound) == told


def test_neighbouring_numbers_are_told_apart() -> None:
    error, bound = beside(math.nextafter(2e-6, 1), 2e-6)
    assert error != bound and float(error) > float(bound)


def test_no_layer_is_beyond_what_it_seems_to_be_equal_to(samples: Mapping[str, Report]) -> None:
    layer = remeasured(samples["nested_h5"].layers[2], rel_error=2.04e-6, local_error=2.04e-6)
    assert error_words(layer).startswith("2.04e-06 on the same inputs, 2.00e-06 allowed")
    assert error_words(replace(layer, local_error=None)) == "2.04e-06 of its output, 2.00e-06 allowed"
    sample = remeasured(layer, rel_error=1e-6, local_error=1e-6, sample_error=8.0004e-6, worst_sample=4)
    assert "8.0004e-06 in sample 4, 8.0000e-06 allowed; 1.0e-06 over the whole batch" in error_words(sample)
    layers = (*samples["nested_h5"].layers[:2], layer)
    text = render(replace(samples["nested_h5"], layers=layers))
    assert "introduced  2.0e-06     2.04e-06     2.00e-06" in text
    within = replace(samples["within"], layers=(remeasured(layer, verdict=Verdict.CLOSE, rel_error=1.96e-6),))
    assert render(within).startswith("PASS within tolerance: 240 layer outputs compared, worst layer efficientnetb0/")
    assert "1.96e-06 of 2.00e-06 allowed" in render(within).splitlines()[0]


def test_code_in_a_remedy_has_a_line_of_its_own(samples: Mapping[str, Report]) -> None:
    code = "tracer fix 'a very long name of a model file.keras' --as-trained -o 'an equally long name.keras'"
    fault = replace(samples["nested_h5"].faults[0], remedy=f"Call `f()`, or run `{code}`. Then load it again.")
    lines = render(replace(samples["nested_h5"], faults=(fault,)), width=70).splitlines()
    place = next(number for number, line in enumerate(lines) if code in line)
    assert lines[place].strip() == code
    assert lines[place - 1] == "  remedy      Call `f()`, or run"
    assert lines[place + 1].strip() == "Then load it again."
    bare = replace(fault, remedy=f"`{code}`.")
    assert f"  remedy\n                {code}\n  proof" in render(replace(samples["nested_h5"], faults=(bare,)))


# --- the error along depth


def report(*errors: float, faults: tuple[int, ...] = ()) -> Report:
    def verdict(number: int, error: float) -> Verdict:
        return Verdict.INTRODUCED if number in faults else Verdict.INHERITED if error else Verdict.IDENTICAL

    layers = [makers.layer_report(f"l{n}", verdict(n, error), error) for n, error in enumerate(errors)]
    blamed = tuple(makers.fault(f"l{number}") for number in faults)
    return makers.report(*layers, status=Status.DIVERGED, faults=blamed)


def test_a_line_of_the_error_along_depth() -> None:
    drawn = sparkline(report(0.0, 0.0, 1e-8, 1e-4, 1.0, math.inf, 0.0, faults=(2, 5)), 40)
    assert drawn is not None
    assert drawn.bars == "··▁▅█!·"
    assert drawn.faults == "  x  x"
    assert drawn.legend == "error of the layers, log scale from ▁ 1.0e-08 to █ 1.0e+00, · none; x at fault"


def test_a_narrow_line_shows_the_largest_error_of_each_part() -> None:
    errors = [1e-6] * 816
    errors[700] = 1.0
    drawn = sparkline(report(*errors, faults=(700,)), 60)
    assert drawn is not None and len(drawn.bars) == 60
    assert drawn.bars.count("█") == 1 and drawn.bars.index("█") == drawn.faults.index("x") == 700 * 60 // 816


def test_no_line_where_there_is_nothing_to_draw() -> None:
    assert sparkline(report(0.0, 0.0, 0.0), 40) is None
    assert sparkline(report(0.1, 0.2), 40) is None
    assert sparkline(report(math.inf, math.inf, 0.0), 40) is None
    drawn = sparkline(report(0.1, 0.1, 0.1), 40)
    assert drawn is not None and drawn.bars == "███"
    extreme = sparkline(report(5e-324, 1.0, 1e300), 40)
    assert extreme is not None and extreme.bars[0] == "▁" and extreme.bars[2] == "█"
