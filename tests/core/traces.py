"""Traces for tests: judged call sites, and a comparison that consists of them.  Records only, no model."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from tracer.core.comparison.alignment import Alignment
from tracer.core.comparison.gap import Gap
from tracer.core.comparison.judge import Judgement
from tracer.core.comparison.lockstep import Trace
from tracer.core.source import Call, End, Run, Value
from tracer.records import Difference, LayerReport, Verdict

SAME = Gap(difference=Difference(rel_error=0.0, max_abs=0.0, max_ulp=0.0, cosine=1.0), kind="", same=True)
CLOSE = replace(SAME, same=False, tolerance=1e-5, difference=replace(SAME.difference, rel_error=1e-7))
FAR = replace(SAME, same=False, tolerance=1e-5, difference=replace(SAME.difference, rel_error=0.5))
_ERRORS = {Verdict.IDENTICAL: 0.0, Verdict.CLOSE: 1e-7, Verdict.INCOMPARABLE: math.inf}


def value(number: float, name: str = "args[0]") -> Value:
    return Value(array=np.full((2, 3), number, "float32"), name=name)


def call(path: str, *wiring: str, side: float = 0.0, **changes: Any) -> Call:
    given: dict[str, Any] = {
        "path": path, "class_name": "Dense", "box": "", "is_box": False, "inputs": (value(0.0),),
        "outputs": (value(side),), "context": {}, "wiring": wiring, **changes,
    }  # fmt: skip
    return Call(**given)


def report(path: str, verdict: Verdict, **changes: Any) -> LayerReport:
    error = changes.pop("rel_error", _ERRORS.get(verdict, 0.5))
    numbers = Difference(rel_error=error, max_abs=0.0, max_ulp=0.0, cosine=1.0)
    given: dict[str, Any] = {"difference": numbers, "local_error": 0.0, "tolerance": 1e-5, **changes}
    return LayerReport(layer=path, class_name="Dense", verdict=verdict, **given)


def judged(
    path: str, verdict: Verdict = Verdict.IDENTICAL, *wiring: str, there: Any = None, **changes: Any
) -> Judgement:
    """A call site with that verdict; `there` is the candidate's wiring where it is another."""
    shared = {key: changes.pop(key) for key in ("box", "class_name", "compute_dtype") if key in changes}
    here, other = changes.pop("context", ({}, {}))
    handed = changes.pop("handed", 1.0 if changes.get("other_inputs") else 0.0)
    return Judgement(
        reference=call(path, *wiring, context=here, **shared),
        candidate=call(
            path, *(wiring if there is None else there), side=1.0, context=other, inputs=(value(handed),), **shared
        ),
        layers=changes.pop("layers", (report(path, verdict),)),
        introduced=verdict is Verdict.INTRODUCED,
        **changes,
    )


def both_have(paths: frozenset[str]) -> Alignment:
    return Alignment({}, paths, paths)


def traced(*judgements: Judgement, output: Gap | None = None, **changes: Any) -> Trace:
    wrong = any(layer.rel_error > 1e-5 for judgement in judgements for layer in judgement.layers)
    last = judgements[-1].reference.path if judgements else ""
    paths = frozenset(judgement.reference.path for judgement in judgements)
    given: dict[str, Any] = {
        "judgements": judgements, "unmatched_reference": (), "unmatched_candidate": (),
        "outputs": (output or (FAR if wrong else SAME),),
        "reference_end": End(outputs=(value(0.0),), wiring=(last,)),
        "candidate_end": End(outputs=(value(1.0),), wiring=(last,)),
        "leak": {}, "alignment": both_have(paths), "run": Run(inputs=()), **changes,
    }  # fmt: skip
    return Trace(**given)
