"""Synthetic reports, and whole printed reports held as plain files.

`TRACER_UPDATE_SNAPSHOTS=1 pytest tests/report` writes the files in `snapshots/` anew; read their diff before you
commit it. A file that no test asked for fails the run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tracer.records import Cause, Difference, Evidence, Fault, Inputs, LayerReport, Proof, Report, Side, Status, Verdict

SNAPSHOTS = Path(__file__).parent / "snapshots"
ENVIRONMENT = {"keras": "3.15.1", "tensorflow": "2.21.0", "python": "3.11.9", "numpy": "2.4.6", "platform": "linux"}


def layer(path: str, class_name: str, verdict: Verdict, rel: float = 0.0, local: float | None = 0.0) -> LayerReport:
    return LayerReport(
        layer=path,
        class_name=class_name,
        verdict=verdict,
        difference=Difference(rel_error=rel, max_abs=rel * 3, max_ulp=rel * 1e7, cosine=1.0 - rel * rel),
        local_error=local,
        tolerance=2e-6,
        shape=(2, 224, 224, 3),
        dtype="float32",
    )


def passed() -> Report:
    return Report(
        status=Status.PASS,
        compared=240,
        coverage=1.0,
        first_divergence=None,
        faults=(),
        layers=tuple(layer(f"block{i}", "Conv2D", Verdict.IDENTICAL) for i in range(240)),
        environments={"reference": ENVIRONMENT, "candidate": ENVIRONMENT},
        specs={"reference": "EfficientNetB0 (seeded weights)", "candidate": "the same, reloaded from .keras"},
        timings={"build": 4.0, "compare": 8.25},
        inputs=Inputs(
            origin="seeded",
            source="seed 0",
            samples=2,
            shapes={"image": (2, 224, 224, 3)},
            dtypes={"image": "float32"},
        ),
    )


def within() -> Report:
    layers = list(passed().layers)
    layers[100] = layer("block100", "Conv2D", Verdict.CLOSE, 3.1e-7, 1.2e-7)
    layers[101] = layer("block101", "Conv2D", Verdict.CLOSE, 2e-7, 1.2e-7)
    return replace(passed(), status=Status.WITHIN_TOLERANCE, layers=tuple(layers))


def normalization_fault() -> Fault:
    return Fault(
        layer="efficientnetb0/normalization",
        class_name="Normalization",
        side=Side.CANDIDATE,
        cause=Cause.UNSAVED_STATE,
        evidence=(
            Evidence(kind="state", name="mean", reference="[0.485, 0.456, 0.406]", candidate="[0.0, 0.0, 0.0]"),
            Evidence(
                kind="stale",
                name="finalize_state",
                candidate="changes mean",
                detail="`finalize_state()` on a copy of the candidate's layer changes it: its state is stale",
            ),
        ),
        known_issue="keras#20147",
        fixed_in="3.16.0",
        remedy="Call `finalize_state()` on the layer after loading (verified on a copy), or save as .keras.",
        proof=Proof(healed=0.0, broken=1.2e-6, output_error=1.2e-6, holds=True),
    )


def nested_h5() -> Report:
    """The live defect of `tracer demo`: one fault, everything behind it inherits."""
    normalization = layer("efficientnetb0/normalization", "Normalization", Verdict.INTRODUCED, 0.12, 0.12)
    head = (
        layer("image", "InputLayer", Verdict.IDENTICAL),
        layer("efficientnetb0/rescaling", "Rescaling", Verdict.IDENTICAL),
        replace(
            normalization,
            difference=replace(
                normalization.difference,
                worst_index=(0, 17, 3, 2),
                worst_reference=-1.5,
                worst_candidate=0.25,
                channels=((0, 0.5), (2, 0.3), (1, 0.2)),
            ),
        ),
    )
    rest = tuple(
        layer(f"efficientnetb0/block{i}a_expand_conv", "Conv2D", Verdict.INHERITED, 0.2, 1.1e-7) for i in range(231)
    )
    tail = (layer("dense", "Dense", Verdict.INHERITED, 1.2e-6, 0.0),)
    return replace(
        passed(),
        status=Status.DIVERGED,
        compared=235,
        first_divergence="efficientnetb0/normalization",
        faults=(normalization_fault(),),
        layers=(*head, *rest, *tail),
        specs={"reference": "EfficientNetB0 in a model", "candidate": "the same, reloaded from .h5"},
        notes=("The model outputs differ by 1.2e-06 only: the signal is weak behind the fault.",),
    )


def converted() -> Inputs:
    return Inputs(
        origin="file",
        source="batch.npz",
        samples=41,
        shapes={"x": (41,), "ids": (41, 8)},
        dtypes={"x": "float32", "ids": "int32"},
        conversions=("x was cast from float64 to float32.", "ids was cast from float64 to int32."),
    )


def two_faults() -> Report:
    """Other environments on both sides, an unproved and a masked fault, another first divergence, unmatched layers."""
    layers = (
        layer("a", "Dense", Verdict.IDENTICAL),
        layer("b", "Dense", Verdict.NONDETERMINISTIC, 0.5, 0.5),
        layer("left", "Dense", Verdict.INTRODUCED, 1e-3, 1e-3),
        layer("left_relu", "ReLU", Verdict.INHERITED, 1e-3, 0.0),
        layer("right#1:1", "LSTM", Verdict.MASKED, float("inf"), float("inf")),
        replace(layer("cut", "Lambda", Verdict.INCOMPARABLE, float("inf"), None), note="dtype float32 against int32"),
        layer("out", "Dense", Verdict.INHERITED, 9e-4, 2e-7),
    )
    weak = Proof(healed=5e-4, broken=0.0, output_error=9e-4, holds=False)
    return Report(
        status=Status.DIVERGED,
        compared=7,
        coverage=0.625,
        first_divergence="b",
        faults=(
            Fault(layer="left", class_name="Dense", side=Side.UNKNOWN, cause=Cause.WEIGHTS, proof=weak),
            Fault(
                layer="right#1:1",
                class_name="LSTM",
                side=Side.REFERENCE,
                cause=Cause.IMPLEMENTATION,
                known_issue="keras#1",
                fixed_in="3.6.0",
                masked=True,
            ),
        ),
        layers=layers,
        unmatched={"reference": ("old",), "candidate": tuple(f"new_{i}" for i in range(12))},
        environments={"reference": {"keras": "3.4.1", "tensorflow": "2.17.1"}, "candidate": ENVIRONMENT},
        specs={"reference": "m.keras@3.4.1", "candidate": "m.keras"},
        inputs=converted(),
    )


def many_faults() -> Report:
    layers, faults = [], []
    for i in range(30):
        layers.append(layer(f"stage{i}/conv", "Conv2D", Verdict.INTRODUCED, 0.1, 0.1))
        layers.append(layer(f"stage{i}/relu", "ReLU", Verdict.INHERITED, 0.1, 0.0))
        cause = Cause.CONFIG if i % 7 == 5 else Cause.WEIGHTS
        faults.append(Fault(layer=f"stage{i}/conv", class_name="Conv2D", side=Side.UNKNOWN, cause=cause))
    return Report(
        status=Status.DIVERGED,
        compared=60,
        coverage=1.0,
        first_divergence="stage0/conv",
        faults=tuple(faults),
        layers=tuple(layers),
    )


def nothing() -> Report:
    return Report(
        status=Status.INCONCLUSIVE,
        compared=0,
        coverage=0.0,
        first_divergence=None,
        faults=(),
        layers=(),
        unmatched={"reference": ("dense",), "candidate": ("conv",)},
        specs={"reference": "a.keras", "candidate": "b.keras"},
        notes=("the models have no layer in common.",),
    )


@pytest.fixture(scope="session")
def samples() -> dict[str, Report]:
    makers = (passed, within, nested_h5, two_faults, many_faults, nothing)
    return {maker.__name__: maker() for maker in makers}


@pytest.fixture(scope="session")
def snapshot(request: pytest.FixtureRequest) -> Iterator[Callable[[str, str], None]]:
    asked: set[str] = set()

    def check(name: str, text: str) -> None:
        asked.add(name)
        path = SNAPSHOTS / name
        if os.environ.get("TRACER_UPDATE_SNAPSHOTS"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no snapshot {name}: run TRACER_UPDATE_SNAPSHOTS=1 pytest tests/report"
        assert text == path.read_text(encoding="utf-8")

    yield check
    whole_run = not request.config.getoption("keyword") and "::" not in " ".join(request.config.args)
    if whole_run and request.session.testsfailed == 0 and not hasattr(request.config, "workerinput"):
        unused = {path.name for path in SNAPSHOTS.iterdir()} - asked
        assert not unused, f"snapshots that no test asks for: {sorted(unused)}"
