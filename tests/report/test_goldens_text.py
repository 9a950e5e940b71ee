"""Goldens for reading: who agreed, and which layers differ by themselves elsewhere."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tracer import report
from tracer.core.golden.fingerprint import Site, fingerprint
from tracer.core.golden.golden import Golden, golden_sites
from tracer.core.source import Outline, Value
from tracer.errors import FixtureError, TracerError

_NAMES = ("rescaling", "conv", "bn", "pool", "head")


def witness(backend: str, worst: float, layer: str) -> dict[str, Any]:
    return {"environment": {"keras": "3.15.1", "backend": backend}, "worst": worst, "layer": layer}


@pytest.fixture
def golden() -> Golden:
    array = np.random.RandomState(0).normal(size=(2, 3)).astype(np.float32)
    sites = tuple(
        Site(
            path=name,
            class_name="Layer",
            box="",
            is_box=False,
            wiring=None,
            fingerprint=fingerprint(Value(array=array)),
        )
        for name in _NAMES
    )
    local = dict(zip(_NAMES[:4], (6e-8, 1e-9, 2e-8, 3e-9), strict=True))
    return Golden(
        sites=golden_sites(sites, sites, [sites, sites], [{}, local]),
        outline=Outline(name="", class_name="Functional", base="functional"),
        identities={},
        provenance={
            "model": {"spec": "m"}, "truth": "float64",
            "witnesses": [witness("tensorflow", 0.0, ""), witness("jax", 4e-7, "head")],
        },
    )  # fmt: skip


def test_witnesses_say_how_far_they_agree_and_where_they_differ_by_themselves(golden: Golden) -> None:
    text = " ".join(report.render_golden(golden, "m.safetensors", width=500).split())
    assert "backend tensorflow: agrees in float64 bit for bit witness" in text
    named = "rescaling 6.0e-08, bn 2.0e-08, pool 3.0e-09, …"
    assert f"to 4.0e-07 (head); 4 layer outputs differ by themselves beyond 1e-10: {named}" in text


def test_a_layer_says_what_it_is_elsewhere(golden: Golden) -> None:
    text = report.render_golden(golden, "m.safetensors", layer="bn", width=500)
    assert "local error 1e-10 at most in float64, of this layer alone, keras 3.15.1, backend tensorflow" in text
    assert "2.00e-08 in float64, of this layer alone, keras 3.15.1, backend jax" in text
    told = {layer["layer"]: layer["local_errors"] for layer in json.loads(report.golden_to_json(golden))["layers"]}
    assert told["bn"] == [0.0, 2e-8] and told["head"] == [0.0, 0.0]
    with pytest.raises(FixtureError, match=r"no layer 'b'.*bn"):
        report.render_golden(golden, "m.safetensors", layer="b")


def test_a_check_of_several_says_which_goldens_were_used() -> None:
    outcomes = {"A": TracerError("no such golden"), "B": TracerError("damaged")}
    lines = report.render_checked(outcomes, goldens="fixtures").splitlines()
    assert lines[:2] == ["INCONCLUSIVE in 2 of 2 models: A, B", "goldens: fixtures"]
    assert "goldens: " not in report.render_checked(outcomes)
