"""A matrix and a bisection, printed: the whole text, and HTML that user content can't break out of."""

from __future__ import annotations

import json
import re

from tracer.core.matrix.bisection import Found, Outcome
from tracer.core.matrix.cells import FAILED, Answer, Cell, CellTemplate, ending_of
from tracer.report import (
    bisection_to_json,
    matrix_to_json,
    matrix_to_markdown,
    render_bisection,
    render_matrix,
)
from tracer.report.page import matrix_page
from tracer.workflows.releases.bisecting import Bisection

FAULT = {
    "layer": "norm", "class_name": "Normalization", "side": "reference", "cause": "unsaved-state", "masked": False,
    "known_issue": "keras#20147", "fixed_in": "3.6.0",
}  # fmt: skip

FED = {
    "origin": "file", "source": "batch.npz", "samples": 41, "shapes": {"x": [41, 4]}, "dtypes": {"x": "float32"},
    "conversions": ["x was cast from float64 to float32."],
}  # fmt: skip


def cell(release: str, format: str, model: str = "m.keras") -> Cell:
    return Cell(model=model, release=release, backend="jax", question=CellTemplate(formats=(format,)))


ANSWERS = (
    Answer(cell=cell("3.5.0", "keras"), outcome="diverged", faults=(FAULT,), first_divergence="norm", compared=2),
    Answer(cell=cell("3.5.0", "h5"), outcome=FAILED, message="no such\nrelease"),
    Answer(cell=cell("3.6.0", "keras"), outcome="pass", compared=2, inputs=FED),
    Answer(cell=cell("3.6.0", "h5"), outcome="pass-within-tolerance", worst_layer="a", worst_error=3e-7, compared=2),
)

TEXT = """\
DIVERGED: 4 cells: 2 the same, 1 diverged, 1 failed

  A   m.keras keras
  B   m.keras h5

  Keras+backend  A             B
  3.5.0+jax      DIVERGED [1]  FAILED [2]
  3.6.0+jax      same          same to 3.0e-07 (a)

  [1] norm (Normalization): unsaved-state, the reference is wrong, known as keras#20147, fixed in 3.6.0
  [2] no such release
  inputs: batch.npz: 41 samples, x (41, 4) float32. x was cast from float64 to float32.
Answers are kept in DIR: a second run does only what is missing.
"""

MARKDOWN = """\
**DIVERGED: 4 cells: 2 the same, 1 diverged, 1 failed**

* A: `m.keras keras`
* B: `m.keras h5`

| Keras+backend | A | B |
|---|---|---|
| 3.5.0+jax | DIVERGED [1] | FAILED [2] |
| 3.6.0+jax | same | same to 3.0e-07 (a) |

[1] norm (Normalization): unsaved-state, the reference is wrong, known as keras#20147, fixed in 3.6.0

[2] no such release

inputs: batch.npz: 41 samples, x (41, 4) float32. x was cast from float64 to float32.
"""


def test_the_text() -> None:
    assert render_matrix(ANSWERS, results="DIR") == TEXT


def test_the_markdown() -> None:
    assert matrix_to_markdown(ANSWERS) == MARKDOWN
    evil = matrix_to_markdown([Answer(cell=cell("3", "h5"), outcome=FAILED, message="a | b <script> `x`")])
    assert r"a \| b \<script\> \`x\`" in evil


def test_the_html_escapes_and_loads_nothing() -> None:
    evil = Answer(cell=cell("3", "h5", "<script>alert(1)</script>"), outcome=FAILED, message="<img src=x>")
    page = matrix_page([*ANSWERS, evil])
    assert page.count("<script") == 1  # the page's own
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search(r"<[^>]+(src|href)=|url\(|@import|fetch\(", page)
    assert '<td class="bad">DIVERGED [1]</td>' in page


def test_the_json_and_the_exit_code() -> None:
    body = json.loads(matrix_to_json(ANSWERS))
    assert (body["schema"], body["status"], body["matches"]) == (1, "diverged", False)
    assert body["counts"] == {"diverged": 1, "failed": 1, "pass": 1, "pass-within-tolerance": 1}
    assert [(c["model"], c["release"], c["backend"], c["format"], c["outcome"]) for c in body["cells"]] == [
        ("m.keras", "3.5.0", "jax", "keras", "diverged"),
        ("m.keras", "3.5.0", "jax", "h5", "failed"),
        ("m.keras", "3.6.0", "jax", "keras", "pass"),
        ("m.keras", "3.6.0", "jax", "h5", "pass-within-tolerance"),
    ]
    assert body["cells"][0]["faults"][0]["layer"] == "norm"
    assert [ending_of(found) for found in (ANSWERS, ANSWERS[1:], ANSWERS[2:], ())] == [1, 2, 0, 2]


def bisection(between: tuple[str, ...] = (), reason: str = "") -> Bisection:
    tested = (("3.5.0", Outcome.BAD), ("3.6.0", Outcome.GOOD))
    ends = (None, None) if reason else ("3.5.0", "3.6.0")
    return Bisection(
        model="m.keras", vary="keras", held="jax==0.10.2", releases=("3.5.0", "3.6.0"), direction="fixed",
        found=Found(before=ends[0], after=ends[1], between=between, tested=tested, reason=reason),
        answers=(("3.5.0", ANSWERS[0]), ("3.6.0", ANSWERS[2])), bad=None if reason else ANSWERS[0],
        reproduce="" if reason else "tracer roundtrip m.keras@3.5.0+jax --format keras",
    )  # fmt: skip


BISECTION = """\
FIXED in keras 3.6.0: norm (unsaved-state)

  model       m.keras
  held        jax==0.10.2
  inputs      batch.npz: 41 samples, x (41, 4) float32. x was cast from float64 to float32.
  last bad    3.5.0: diverged at norm
  layer       norm (Normalization)
  cause       unsaved-state, the reference is wrong
  known as    keras#20147, fixed in 3.6.0

Tested 2 of 2 releases:
  3.5.0       bad                      diverged at norm
  3.6.0       good      3.5.0 … 3.6.0  pass

See it again, with the whole report:
  tracer roundtrip m.keras@3.5.0+jax --format keras
"""


def test_the_text_of_a_bisection() -> None:
    assert render_bisection(bisection()) == BISECTION
    assert render_bisection(bisection(between=("3.5.1",))).startswith("FIXED after 3.5.0, by 3.6.0: norm")
    none = render_bisection(bisection(reason="3.6.0 was expected to be good, and is bad"))
    assert none.startswith("NO BOUNDARY: 3.6.0 was expected to be good, and is bad")


def test_the_json_of_a_bisection() -> None:
    body = json.loads(bisection_to_json(bisection()))
    assert (body["direction"], body["release"], body["before"]) == ("fixed", "3.6.0", "3.5.0")
    assert (body["layer"], body["cause"], body["side"]) == ("norm", "unsaved-state", "reference")
    assert body["tested"] == [{"release": "3.5.0", "outcome": "bad"}, {"release": "3.6.0", "outcome": "good"}]
    body = json.loads(bisection_to_json(bisection(reason="no")))
    assert (body["direction"], body["release"], body["layer"], body["reason"]) == (None, None, None, "no")
