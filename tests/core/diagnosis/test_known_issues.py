"""`tracer.core.diagnosis.known_issues`: the table of known Keras defects, and what is matched against it."""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracer.core.diagnosis.known_issues import (
    ACTIONS,
    UPGRADE,
    KnownIssue,
    affects,
    exposure,
    known_issues,
    match,
    recognize,
    settings_of,
)
from tracer.core.formats import FORMATS as ALL
from tracer.core.layer.optimizer import unnamed_fault
from tracer.core.releases import parse_release
from tracer.core.source import Call, Facts, Value
from tracer.records import Cause, Evidence, Fault, Side

KINDS = {"state", "config", "lost-config", "weight", "policy", "mask", "output", "wiring", "context", "stale"}
FORMATS = {way.family for way in ALL.values()} - {""} | {UPGRADE}
MEAN = Evidence(kind="state", name="mean", reference="[0, 0]", candidate="[0.485, 0.456]")


def both(release: str) -> Mapping[str, str]:
    return {"reference": release, "candidate": release}


def issue(key: str) -> KnownIssue:
    return next(i for i in known_issues() if i.id == key)


def found(
    fault: Fault, release: str | tuple[str, str], format: str | None = None, nested: bool = False, **settings: Any
) -> str | None:
    releases = (
        both(release) if isinstance(release, str) else dict(zip(("reference", "candidate"), release, strict=True))
    )
    known = match(fault, releases=releases, format=format, nested=nested, settings=settings)
    return None if known is None else known.id


def stale(side: Side, *evidence: Evidence) -> Fault:
    return Fault(layer="norm", class_name="Normalization", side=side, cause=Cause.UNSAVED_STATE, evidence=evidence)


# --- the table


def test_the_table_is_well_formed() -> None:
    ids = [i.id for i in known_issues()]
    assert len(ids) == len(set(ids)) >= 18
    for entry in known_issues():
        assert re.fullmatch(r"keras(#\d+|@[0-9a-f]{10})(/[a-z0-9-]+)?", entry.id)
        assert entry.url.startswith("https://github.com/keras-team/keras/")
        assert re.split("[#@]", entry.thread)[1] in entry.url
        assert set(entry.evidence.kinds) <= KINDS
        assert set(entry.formats) <= FORMATS
        assert set(entry.backends) <= {"tensorflow", "jax", "torch"}
        assert entry.remedy_action in ACTIONS
        assert entry.title
        assert entry.symptom
        assert entry.remedy


def test_releases_parse_and_are_in_order() -> None:
    for entry in known_issues():
        first, fixed = parse_release(entry.first_bad), parse_release(entry.fixed_in)
        assert first is not None, entry.id
        assert (fixed is None) == (entry.fixed_in == ""), entry.id
        assert fixed is None or first < fixed, entry.id


def test_every_entry_asks_for_more_than_a_class() -> None:
    for entry in known_issues():
        assert entry.evidence.kinds or entry.settings, entry.id


def test_what_no_release_fixes_says_so_and_never_advises_an_upgrade() -> None:
    for entry in known_issues():
        if not entry.fixed_in:
            assert "o release" in entry.remedy, entry.id
            assert "o release" in (entry.otherwise or entry.remedy), entry.id
            assert entry.remedy_action != "upgrade", entry.id


def test_every_entry_was_run_on_both_sides_of_its_boundaries() -> None:
    assert [i.id for i in known_issues() if not i.verified] == []


def test_every_entry_has_its_reproduction_and_no_reproduction_is_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(__file__).parents[2] / "quality"
    monkeypatch.syspath_prepend(folder)
    module = runpy.run_path(str(folder / "repro_known.py"))
    assert set(module["reproductions"]()) == {i.id for i in known_issues()}
    assert set(module["TRAINING"]) <= set(module["reproductions"]())


# --- releases


@pytest.mark.parametrize("text", ["", "nightly", "latest", "x3.1"])
def test_what_is_no_release_parses_to_none(text: str) -> None:
    assert parse_release(text) is None
    assert exposure(text) == ()


@pytest.mark.parametrize(
    ("key", "release", "affected"),
    [
        ("keras#20147", "3.0.0", True),
        ("keras#20147", "3.4.1", True),
        ("keras#20147", "3.5.0", True),
        ("keras#20147", "3.6.0", False),
        ("keras#20147", "3.6.0.dev2024082001", True),
        ("keras#20147", "3.10.0", False),
        ("keras@7dae3e918f", "3.1.1", False),
        ("keras@7dae3e918f", "3.2.1", True),
        ("keras#21139", "3.9.2", False),
        ("keras#20147/nested-h5", "3.16.0.dev2026010100", True),
        ("keras#20147", "2.15.0", False),
    ],
)
def test_affects(key: str, release: str, affected: bool) -> None:
    assert affects(issue(key), release) is affected


def test_exposure_of_a_release() -> None:
    old, new = {i.id for i in exposure("3.4.1")}, {i.id for i in exposure("3.15.1")}
    assert "keras#20147" in old - new
    assert "keras#20147/nested-h5" in old & new
    assert new == {i.id for i in known_issues() if not i.fixed_in}


# --- matching


def test_a_file_that_does_not_name_its_optimizer_is_recognized_and_nothing_else_of_an_optimizer_is() -> None:
    fault = recognize(unnamed_fault(10), "3.15.1", "keras")
    assert (fault.known_issue, fault.fixed_in) == ("keras#23475", None)
    assert fault.remedy is not None and fault.remedy.startswith("If the model was saved as .h5 before")
    other = Evidence(kind="state", name="adam/iteration", detail="adam/iteration is lost: the file doesn't have it")
    for unknown, release, format in (
        (replace(fault, known_issue=None, remedy=None, evidence=(other,)), "3.15.1", "keras"),
        (unnamed_fault(10), "3.15.1", "h5"),
        (unnamed_fault(10), "", "keras"),
    ):
        assert recognize(unknown, release, format) == unknown and unknown.remedy is None


def test_the_three_faces_of_the_first_published_case() -> None:
    assert found(stale(Side.REFERENCE, MEAN), "3.4.1", "keras") == "keras#20147"
    assert found(stale(Side.CANDIDATE, MEAN), "3.4.1", "h5") == "keras#20168"
    assert found(stale(Side.CANDIDATE, MEAN), "3.4.1", "h5", nested=True) == "keras#20147/nested-h5"
    assert found(stale(Side.CANDIDATE, MEAN), "3.15.1", "h5", nested=True) == "keras#20147/nested-h5"
    assert found(stale(Side.CANDIDATE, MEAN), "3.15.1", "config") == "keras#20147/set-weights"


def test_without_evidence_nothing_matches() -> None:
    assert found(stale(Side.REFERENCE), "3.4.1", "keras") is None
    other = Evidence(kind="state", name="scale", reference="1", candidate="2")
    assert found(stale(Side.REFERENCE, other), "3.4.1", "keras") is None


def test_cause_side_class_format_nesting_and_release_all_count() -> None:
    fault = stale(Side.CANDIDATE, MEAN)
    assert found(fault, "3.4.1", "keras") is None
    assert found(fault, "3.6.0", "h5") is None
    assert found(Fault(layer="n", class_name="Mine", side=Side.CANDIDATE, cause=fault.cause, evidence=(MEAN,)), "3.4.1", "h5") is None  # fmt: skip  # noqa: E501
    assert found(Fault(layer="n", class_name="Normalization", side=Side.CANDIDATE, cause=Cause.WEIGHTS, evidence=(MEAN,)), "3.4.1", "h5") is None  # fmt: skip  # noqa: E501
    assert found(stale(Side.UNKNOWN, MEAN), "3.4.1", "h5") == "keras#20168"


def test_the_class_may_carry_its_module() -> None:
    fault = Fault(layer="n", class_name="keras.src.layers.preprocessing.normalization.Normalization",
                  side=Side.REFERENCE, cause=Cause.UNSAVED_STATE, evidence=(MEAN,))  # fmt: skip
    assert found(fault, "3.4.1", "keras") == "keras#20147"


def test_the_most_specific_entry_wins() -> None:
    def dropped(axis: str) -> Fault:
        evidence = Evidence(kind="config", name="axis", reference=axis, candidate="-1")
        return Fault(layer="u", class_name="UnitNormalization", side=Side.CANDIDATE, cause=Cause.CONFIG, evidence=(evidence,))  # fmt: skip  # noqa: E501

    assert found(dropped("1"), "3.8.0", "h5") == "keras#20963"
    assert found(dropped("[1, 2]"), "3.8.0", "h5") == "keras#20973"
    assert found(dropped("[1, 2]"), "3.15.1", "h5") == "keras#20973"
    assert found(dropped("1"), "3.9.0", "h5") is None
    assert found(dropped("1"), "3.8.0", "keras") is None


def test_a_call_of_a_shared_layer_must_be_among_the_rewired_inputs() -> None:
    def rewired(here: str, there: str) -> Fault:
        evidence = Evidence(kind="wiring", name="inputs", reference=here, candidate=there)
        return Fault(layer="d", class_name="Dense", side=Side.CANDIDATE, cause=Cause.TOPOLOGY, evidence=(evidence,))

    assert found(rewired("encoder#1", "encoder"), "3.2.1", "keras") == "keras@7dae3e918f"
    assert found(rewired("encoder", "encoder#1"), "3.2.1", "h5") == "keras@7dae3e918f"
    assert found(rewired("a", "b"), "3.2.1", "keras") is None
    assert found(rewired("encoder#1", "encoder"), "3.3.0", "keras") is None


def test_a_lost_list_is_found_by_its_length() -> None:
    evidence = Evidence(kind="lost-config", name="len(output_padding)", reference="2", candidate="absent")
    fault = Fault(
        layer="up", class_name="Conv2DTranspose", side=Side.CANDIDATE, cause=Cause.CONFIG, evidence=(evidence,)
    )
    assert found(fault, "3.14.1", "keras") == "keras#23014"
    assert found(fault, "3.15.0", "keras") is None


def layer_norm(*evidence: Evidence) -> Fault:
    return Fault(layer="ln", class_name="LayerNormalization", cause=Cause.IMPLEMENTATION, evidence=evidence)


def test_a_difference_between_releases_needs_the_boundary_between_them() -> None:
    half = {"dtype": "float16"}
    assert found(layer_norm(), ("3.5.0", "3.7.0"), **half) == "keras#20257"
    assert found(layer_norm(), ("3.7.0", "3.5.0"), **half) == "keras#20257"
    assert found(layer_norm(), ("3.6.0", "3.7.0"), **half) is None
    assert found(layer_norm(), ("3.4.1", "3.5.0"), **half) is None
    assert found(layer_norm(), "3.5.0", **half) is None


def test_a_difference_between_releases_needs_the_settings_that_bring_it_out() -> None:
    assert found(layer_norm(), ("3.3.3", "3.7.0")) is None
    assert found(layer_norm(), ("3.3.3", "3.7.0"), dtype="float32") is None
    assert found(layer_norm(), ("3.3.3", "3.7.0"), dtype="bfloat16") is None
    assert found(layer_norm(), ("3.3.3", "3.7.0"), dtype={"config": {"name": "mixed_float16"}}) == "keras#20257"
    assert found(layer_norm(), ("3.3.3", "3.7.0"), dtype="float32", rms_scaling=True) == "keras#19643"


def test_two_defects_that_fit_equally_well_are_neither() -> None:
    assert found(layer_norm(), ("3.3.3", "3.7.0"), dtype="float16", rms_scaling=True) is None


def test_a_mask_is_a_setting_and_an_evidence() -> None:
    softmax = Fault(layer="s", class_name="Softmax", cause=Cause.IMPLEMENTATION)
    assert found(softmax, ("3.9.2", "3.10.0")) is None
    assert found(softmax, ("3.9.2", "3.10.0"), mask="given") == "keras#21149"
    mask = Evidence(kind="mask", name="add", detail="another mask")
    add = Fault(layer="add", class_name="Add", cause=Cause.IMPLEMENTATION, evidence=(mask,))
    assert found(add, ("3.3.3", "3.12.0")) == "keras#18416"
    assert found(add, ("3.4.1", "3.12.0")) == "keras#21449"


def test_settings_of_a_layer() -> None:
    facts = Facts(class_name="Softmax", config={"axis": -1}, weights={}, state={},
                  policy={"compute_dtype": "float16"}, arguments=())  # fmt: skip

    def call(*inputs: Value) -> Call:
        return Call(path="s", class_name="Softmax", box="", is_box=False, inputs=inputs, outputs=(), context={"training": "true"})  # fmt: skip  # noqa: E501

    plain = Value(array=np.zeros(3, "float32"))
    keep = Value(array=np.ones(3, bool))
    assert dict(settings_of(facts, None)) == {"axis": -1, "compute_dtype": "float16"}
    assert "mask" not in settings_of(facts, call(plain))
    assert settings_of(facts, call(plain, keep))["mask"] == "given"
    assert settings_of(facts, call(Value(array=plain.array, mask=keep.array)))["mask"] == "given"
    assert settings_of(facts, call(plain))["training"] == "true"


@pytest.mark.parametrize("ends", [("2.15.0", "3.15.1"), ("3.15.1", "2.13.1")])
def test_hard_sigmoid_is_another_function_between_the_generations_alone(ends: tuple[str, str]) -> None:
    def held(name: str) -> Fault:
        other = Evidence(kind="state", name="activation", reference=f"keras.src.{name}", candidate=f"keras.{name}")
        about = {"layer": "d", "class_name": "Dense", "side": Side.UNKNOWN}
        return Fault(**about, cause=Cause.IMPLEMENTATION, evidence=(other,))

    gates = Fault(layer="g", class_name="GRU", side=Side.UNKNOWN, cause=Cause.IMPLEMENTATION, evidence=())
    assert found(held("activations.hard_sigmoid"), ends) == "keras#19477"
    assert found(gates, ends, recurrent_activation="hard_sigmoid") == "keras#19477/gates"
    assert found(held("activations.sigmoid"), ends) is None
    assert found(gates, ends, recurrent_activation="sigmoid") is None
    for same in (("3.0.0", "3.15.1"), ("2.12.0", "2.15.0")):
        assert found(held("activations.hard_sigmoid"), same) is None
        assert found(gates, same, recurrent_activation="hard_sigmoid") is None
