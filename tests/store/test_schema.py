"""The JSON Schema in the package is that of the records, and holds for whatever a command writes as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import fastjsonschema
import pytest

from tracer.core.matrix.bisection import Bisection, Found, Outcome
from tracer.core.matrix.cells import FAILED, Answer, Cell, CellTemplate, answer
from tracer.errors import FixtureError, ModelError
from tracer.records import (
    Audit,
    Cause,
    Difference,
    Evidence,
    Fault,
    Finding,
    Inputs,
    LayerReport,
    Proof,
    Report,
    Side,
    Status,
    Verdict,
)
from tracer.report import bisection_to_json, matrix_to_json, to_json
from tracer.store import schema
from tracer.store.validation import Name, check, shipped

LAYER = LayerReport(
    layer="head", class_name="Dense", verdict=Verdict.INTRODUCED, local_error=math.inf, tolerance=2e-6, shape=(2, 3),
    dtype="float32", difference=Difference(
        rel_error=0.5, max_abs=0.25, max_ulp=math.nan, cosine=0.75, worst_index=(1, 2), worst_reference=2 + 1j,
        channels=((2, 0.875),), sample_error=0.5, worst_sample=1,
    ),
)  # fmt: skip
FAULT = Fault(
    layer="head", class_name="Dense", side=Side.CANDIDATE, cause=Cause.UNSAVED_STATE, known_issue="keras#20147",
    evidence=(Evidence(kind="state", name="mean", reference="0", candidate="1"),),
    proof=Proof(healed=0.0, broken=math.nan, output_error=0.5, holds=True),
)  # fmt: skip
REPORT = Report(
    status=Status.DIVERGED, compared=1, coverage=1.0, first_divergence="head", faults=(FAULT,), layers=(LAYER,),
    hidden=(replace(FAULT, proof=None, cause=Cause.WEIGHTS),), unmatched={"reference": ("a",)}, timings={"compare": 1},
    environments={side: {"keras": "3.4.1", "backend": "tensorflow"} for side in ("reference", "candidate")},
    inputs=Inputs(origin="seeded", source="seed 0", samples=2, shapes={"x": (2, 3)}, dtypes={"x": "float32"}),
    notes=("a note",),
)  # fmt: skip
NOTHING = Report(
    status=Status.INCONCLUSIVE, compared=0, coverage=0.0, first_divergence=None, faults=(), layers=(), reason="nothing"
)
VALUES = ("x", 1.0, 1, None, True, b"x", math.inf, -(2**63), 2**64 - 1)
CELL = Cell(model="m.keras", release="3.4.1", backend="tensorflow", question=CellTemplate(formats=("h5",)))
CELLS = [
    CELL,
    *(
        replace(CELL, question=CellTemplate(**asked))
        for asked in ({"baseline": "m@3.4.1"}, {"golden": "g", "training": None}, {"command": "pytest", "batch": 3})
    ),
]
ANSWERS = [
    *(answer(cell, report, 1.5) for cell in CELLS for report in (REPORT, NOTHING)),
    Answer(cell=CELL, outcome=FAILED, message="its process died"),
]


def bisection(answers: Mapping[str, Answer], **found: Any) -> str:
    tested = tuple((release, Outcome.BAD) for release in answers)
    return bisection_to_json(
        Bisection(
            model="m", vary="keras", held="jax==0.5.3", releases=("3.4.1", "3.6.0"), direction="fixed",
            found=Found(between=(), tested=tested, **found), answers=tuple(answers.items()),
            bad=next(iter(answers.values()), None), reproduce="",
        )
    )  # fmt: skip


@pytest.mark.parametrize("name", get_args(Name))
def test_what_is_shipped_is_made_from_the_records(name: Name) -> None:
    assert shipped(name).read_text(encoding="utf-8") == schema.make(name), "run `python -m tracer.store.schema`"


@pytest.mark.parametrize(
    "report",
    [REPORT, NOTHING, *(replace(REPORT, layers=(replace(LAYER, difference=replace(
        LAYER.difference, worst_reference=value
    )),)) for value in VALUES)],
)  # fmt: skip
def test_every_report_is_as_its_schema_says(report: Report) -> None:
    data = json.loads(to_json(report))
    check("report", data)
    # Every key that is written is described: whoever reads the schema learns of all there is.
    assert data.keys() == schema.report_schema()["properties"].keys()


def test_the_reports_of_several_formats_are_as_their_schema_says() -> None:
    check("reports", json.loads(to_json({"keras": REPORT, "h5": NOTHING, "config": ModelError("no Lambda")})))
    check("reports", json.loads(to_json({})))


def test_a_matrix_is_as_its_schema_says_and_every_key_is_described() -> None:
    data = json.loads(matrix_to_json(ANSWERS))
    check("matrix", data)
    described = schema.matrix_schema()["properties"]
    assert data.keys() == described.keys()
    for cell in data["cells"]:
        assert cell.keys() == described["cells"]["items"]["properties"].keys()
        assert cell["cell"].keys() == described["cells"]["items"]["properties"]["cell"]["properties"].keys()


@pytest.mark.parametrize(
    "text",
    [
        bisection({"3.4.1": ANSWERS[0], "3.6.0": ANSWERS[-1]}, before="3.4.1", after="3.6.0"),
        bisection({}, before=None, after=None, reason="3.4.1 was expected to be bad"),
    ],
)
def test_a_bisection_is_as_its_schema_says_and_every_key_is_described(text: str) -> None:
    check("bisection", json.loads(text))
    assert json.loads(text).keys() == schema.bisection_schema()["properties"].keys()


@pytest.mark.parametrize("findings", [(), (Finding(kind="stale-state", place="inner/norm", detail="d", remedy="r"),)])
def test_an_audit_is_as_its_schema_says_and_every_key_is_described(findings: tuple[Finding, ...]) -> None:
    audit = Audit(
        file="m", format="keras", writer="", reader="3.15.1", backend="jax", arrays=1, settings=2, findings=findings,
        notes=("a note",), exposure=(("keras#20147", "what it is"),),
    )  # fmt: skip
    data = json.loads(json.dumps(audit.to_dict()))
    check("audit", data)
    assert data.keys() == schema.audit_schema()["properties"].keys()
    del data["ok"]
    with pytest.raises(FixtureError, match="`ok` is missing"):
        check("audit", data)


@dataclass(frozen=True, kw_only=True)
class Example:
    number: float
    word: Literal["a", "b"] = "a"
    pair: tuple[tuple[int, str], ...] = ()
    named: Mapping[str, bool] = field(default_factory=dict)
    one_of: int | float | str | None = None
    other: Verdict | None = None


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        ({"number": 1}, True),
        ({"number": None, "new": "of a newer tracer"}, True),
        ({}, False),
        ({"number": True}, False),
        ({"number": 10**400}, False),
        ({"number": 1, "word": "b"}, True),
        ({"number": 1, "word": "c"}, False),
        ({"number": 1, "pair": [[1, "x"], [2, "y"]]}, True),
        ({"number": 1, "pair": [[1, "x", 2]]}, False),
        ({"number": 1, "pair": [["x", 1]]}, False),
        ({"number": 1, "named": {"a": True}}, True),
        ({"number": 1, "named": {"a": 1}}, False),
        ({"number": 1, "one_of": 1.5}, True),
        ({"number": 1, "one_of": 10**30}, True),
        ({"number": 1, "one_of": "x"}, True),
        ({"number": 1, "one_of": True}, False),
        ({"number": 1, "other": "close"}, True),
        ({"number": 1, "other": None}, True),
        ({"number": 1, "other": "far"}, False),
    ],
)
def test_types_are_described(data: Any, fits: bool) -> None:
    validate = fastjsonschema.compile(schema.schema_of(Example))
    try:
        validate(data)
    except fastjsonschema.JsonSchemaValueException:
        assert not fits
    else:
        assert fits


def test_a_type_that_nothing_is_said_of_is_refused() -> None:
    with pytest.raises(TypeError, match=r"nothing says how <class 'object'> is written as JSON"):
        schema.schema_of(object)


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("status",), "fine", r'`status` is "fine", and has to be one of pass, pass-within-tolerance, diverged, inc'),
        (("layers", 0, "rel_error"), [1], r"`layers\[0\]\.rel_error` is \[1\], and has to be of type number or null"),
        (("layers", 0, "note"), 3, r"`layers\[0\]\.note` is 3, and has to be of type string"),
        (("inputs", "shapes"), {"x": ["a"]}, r'`inputs\.shapes.*` is "a", and has to be of type integer'),
        (("notes",), "x" * 99, r'`notes` is "x{59}…, and has to be of type array'),
    ],
)
def test_what_is_wrong_is_told_with_its_place(place: tuple[Any, ...], value: Any, says: str) -> None:
    data = inner = json.loads(to_json(REPORT))
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(FixtureError, match=says):
        check("report", data)


def test_what_is_missing_is_named_with_its_place() -> None:
    data = json.loads(to_json(REPORT))
    del data["layers"][0]["tolerance"]
    with pytest.raises(FixtureError, match=r"`layers\[0\]\.tolerance` is missing"):
        check("report", data)
