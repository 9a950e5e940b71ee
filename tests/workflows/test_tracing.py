"""diff and roundtrip as users call them: real files, real fresh processes."""

from __future__ import annotations

import json
import sys
import threading
import time
import types
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer import zoo
from tracer.errors import InputError, ModelError, SpecError
from tracer.records import Report, Status
from tracer.workflows import roundtrip_formats
from tracer.workflows.comparing import clocked

_ROWS = np.random.RandomState(0).normal(5.0, 3.0, (64, 4)).astype("float32")


def adapted(name: str = "outer") -> Any:
    """A nested model whose `Normalization` has been adapted: far from mean 0 and variance 1."""
    norm = layers.Normalization(name="norm")
    norm.adapt(_ROWS)
    inside = keras.Input((4,), name="features")
    inner = keras.Model(inside, layers.Dense(3, activation="tanh", name="dense")(norm(inside)), name="inner")
    outside = keras.Input((4,), name="x")
    model = keras.Model(outside, layers.Dense(2, name="out")(inner(outside)), name=name)
    random = np.random.RandomState(1)
    for layer in (inner.get_layer("dense"), model.get_layer("out")):
        layer.set_weights([random.normal(0, 0.5, w.shape).astype("float32") for w in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def model() -> Any:
    return adapted()


@pytest.fixture(scope="module")
def reports(model: Any) -> dict[str, Any]:
    """Both formats, each loaded in a fresh process."""
    return roundtrip_formats(model, ["h5", "keras"], _ROWS[:5])


# --- a real defect, through a fresh process


def test_the_nested_layer_is_the_one_fault_and_the_loaded_side_is_wrong(reports: dict[str, Any]) -> None:
    report = reports["h5"]
    [fault] = report.faults
    assert (report.status, report.matches) == ("diverged", False)
    assert (fault.layer, fault.class_name) == ("inner/norm", "Normalization")
    assert (fault.side, fault.cause) == ("candidate", "unsaved-state")
    assert report.first_divergence == "inner/norm"
    assert {layer.layer: str(layer.verdict) for layer in report.layers} == {
        "inner/norm": "introduced", "inner/dense": "inherited", "out": "inherited",
    }  # fmt: skip
    assert {layer.layer: layer.inbound for layer in report.layers} == {
        "inner/norm": ("inner<input 0>",), "inner/dense": ("inner/norm",), "out": ("inner",),
    }  # fmt: skip


def test_the_evidence_is_mean_and_variance_with_both_values(reports: dict[str, Any]) -> None:
    [fault] = reports["h5"].faults
    state = {e.name: (e.reference, e.candidate) for e in fault.evidence if e.kind == "state"}
    assert state.keys() == {"mean", "variance"}
    assert state["mean"][1].startswith("[0, 0, 0, 0")
    assert state["variance"][1].startswith("[1, 1, 1, 1")
    assert state["mean"][0].startswith(f"[{_ROWS[:, 0].mean():.3g}"[:4])


def test_the_proof_holds_both_ways(reports: dict[str, Any]) -> None:
    proof = reports["h5"].faults[0].proof
    assert proof.holds
    assert proof.healed <= 1e-6
    assert proof.output_error > 0.01
    assert proof.broken == pytest.approx(proof.output_error, rel=0.01)


def test_the_remedy_was_seen_to_work_and_does(model: Any, reports: dict[str, Any], tmp_path: Any) -> None:
    remedy = reports["h5"].faults[0].remedy
    assert "verified" in remedy
    assert "model.get_layer('inner').get_layer('norm').finalize_state()" in remedy
    model.save(tmp_path / "m.h5")
    loaded = keras.models.load_model(tmp_path / "m.h5", compile=False)
    before = np.asarray(loaded(_ROWS))
    loaded.get_layer("inner").get_layer("norm").finalize_state()
    expected = np.asarray(model(_ROWS))
    assert np.abs(before - expected).max() > 0.01
    np.testing.assert_allclose(np.asarray(loaded(_ROWS)), expected, rtol=1e-6, atol=1e-6)


def test_it_is_known_and_no_release_is_promised(reports: dict[str, Any]) -> None:
    [fault] = reports["h5"].faults
    assert (fault.known_issue, fault.fixed_in) == ("keras#20147", None)


def test_the_other_format_is_right(reports: dict[str, Any]) -> None:
    report = reports["keras"]
    assert (str(report.status), report.matches, report.faults) == ("pass", True, ())
    assert report.first_divergence is None
    assert (report.compared, report.coverage) == (3, 1.0)


def test_the_report_says_what_was_run_where(reports: dict[str, Any]) -> None:
    report = reports["h5"]
    assert report.environments["reference"]["keras"] == keras.__version__
    assert report.environments["candidate"]["keras"] == keras.__version__
    assert "outer" in report.specs["reference"]
    assert "saved as h5 and loaded in a fresh process" in report.specs["candidate"]
    assert {"save", "load", "compare", "total"} <= set(report.timings)


_ROUNDING = 1e-3  # seconds: each is rounded


def _phases(report: Any) -> float:
    return sum(seconds for phase, seconds in report.timings.items() if phase != "total")


def test_what_it_took_is_the_time_of_the_whole_call(reports: Any, model: Any) -> None:
    for report in reports.values():
        assert report.timings["total"] > _phases(report) - _ROUNDING
    assert reports.seconds > sum(report.timings["total"] for report in reports.values()) - _ROUNDING
    before = time.perf_counter()
    alone = tracer.roundtrip(model, _ROWS[:5], format="keras", same_process=True)
    other = tracer.diff(model, model, _ROWS[:5])
    took = alone.timings["total"] + other.timings["total"]
    assert _phases(alone) + _phases(other) - _ROUNDING < took < time.perf_counter() - before + _ROUNDING


def test_what_is_between_the_phases_counts() -> None:
    def run() -> Report:
        time.sleep(0.05)
        return Report(status=Status.PASS, compared=0, coverage=1.0, first_divergence=None, faults=(), layers=(),
                      timings={"open": 0.01, "total": 0.02})  # fmt: skip

    timings = clocked(run)().timings
    assert timings["open"] == 0.01 and 0.05 <= timings["total"] < 5.0


def test_the_model_is_left_as_it_was(model: Any, reports: dict[str, Any]) -> None:
    assert reports
    np.testing.assert_array_equal(np.asarray(model(_ROWS)), np.asarray(adapted()(_ROWS)))


# --- reports as data


def test_a_real_report_survives_json(reports: dict[str, Any]) -> None:
    for report in reports.values():
        body = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        again = tracer.Report.from_dict(body)
        assert again.to_dict() == body
        assert again.faults == report.faults
        assert (again.status, again.matches, again.layers[0].layer) == (
            report.status, report.matches, report.layers[0].layer,
        )  # fmt: skip


def test_the_json_has_the_keys_of_the_contract(reports: dict[str, Any]) -> None:
    body = reports["h5"].to_dict()
    wanted = {"schema", "status", "matches", "compared", "coverage", "first_divergence", "faults", "layers",
              "unmatched", "environments", "specs", "timings"}  # fmt: skip
    assert wanted <= body.keys()
    assert body["schema"] == 1
    assert body["faults"][0]["proof"].keys() >= {"healed", "broken", "output_error"}
    assert body["unmatched"] == {"reference": [], "candidate": []}


def test_a_divergence_is_raised_with_the_report(reports: dict[str, Any]) -> None:
    with pytest.raises(tracer.DivergenceError, match="inner/norm") as raised:
        reports["h5"].raise_for_divergence()
    assert raised.value.report is reports["h5"]
    assert isinstance(raised.value, AssertionError)
    reports["keras"].raise_for_divergence()


# --- formats


def test_roundtrip_formats_tries_all_that_the_model_supports() -> None:
    found = roundtrip_formats(zoo.tiny_sequential(), None, same_process=True)
    assert {format: str(report.status) for format, report in found.items()} == dict.fromkeys(
        ("keras", "h5", "weights", "config"), "pass"
    )


def test_one_format_that_fails_does_not_take_the_others_with_it() -> None:
    found = roundtrip_formats(zoo.tiny_sequential(), ["keras", "keras-compiled", "config", "keras"], same_process=True)
    assert list(found) == ["keras", "keras-compiled", "config"]
    assert found["keras"].matches and found["config"].matches
    assert isinstance(found["keras-compiled"], ModelError)


def test_roundtrip_of_an_unknown_format_says_which_there_are() -> None:
    with pytest.raises(SpecError, match="keras, h5, weights, config"):
        tracer.roundtrip(zoo.tiny_sequential(), format="tf", same_process=True)


def test_set_weights_never_derives_the_state(model: Any) -> None:
    report = tracer.roundtrip(model, _ROWS[:5], format="config", same_process=True)
    assert [(f.layer, str(f.side)) for f in report.faults] == [("inner/norm", "candidate")]


# --- layers that a fresh process can't import


def test_layers_of_main_that_can_not_be_sent_say_so_and_are_loaded_here(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(layers.Layer):
        lock = threading.Lock()

        def call(self, x: Any) -> Any:
            return x + 1.0

    monkeypatch.setattr(Mine, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Mine", Mine, raising=False)
    x = keras.Input((3,))
    mine = keras.Model(x, Mine(name="mine")(x), name="m")
    with pytest.raises(ModelError, match=r"__main__.*same_process=True"):
        tracer.roundtrip(mine)
    with keras.saving.custom_object_scope({"Mine": Mine}):
        assert tracer.roundtrip(mine, same_process=True).matches


# --- inputs that don't fit


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (np.ones((2, 5), "float32"), r"\(2, 5\)"),
        (np.ones((2, 4, 1, 1), "float32"), r"\(2, 4, 1, 1\)"),
        ({"x": np.ones((2, 4), "float32"), "y": np.ones((2, 4), "float32")}, "unknown y"),
        ([np.ones((2, 4), "float32")] * 2, "2"),
        (np.array([["a"] * 4]), "expected float32, received <U1"),
        ("nowhere.npz", "nowhere.npz"),
    ],
    ids=["shape", "rank", "name", "count", "dtype", "file"],
)
def test_inputs_that_do_not_fit_are_refused(inputs: Any, says: str, model: Any) -> None:
    with pytest.raises(InputError, match=says):
        tracer.diff(model, model, inputs)


def test_inputs_by_name_have_to_be_all_there() -> None:
    two = zoo.tiny_multi_io()
    with pytest.raises(InputError, match="missing right, unknown none"):
        tracer.diff(two, two, {"left": np.ones((2, 4), "float32")})
    with pytest.raises(InputError, match="missing right, unknown wrong"):
        tracer.diff(two, two, {"left": np.ones((2, 4), "float32"), "wrong": np.ones((2, 3), "float32")})


# --- nothing to compare


def _other() -> Any:
    x = keras.Input((4,), name="x")
    return keras.Model(x, layers.Activation("tanh", name="squash")(x), name="other")


def test_two_models_with_nothing_in_common_are_trouble_not_a_pass(model: Any) -> None:
    with pytest.raises(ModelError, match="nothing was compared") as raised:
        tracer.diff(model, _other(), _ROWS[:3])
    assert "inner/norm" in str(raised.value)
    assert "squash" in str(raised.value)


@pytest.mark.parametrize("thing", [3, None, types.SimpleNamespace(), np.ones(3), layers.Dense(2)])
def test_what_is_no_model_is_refused_with_what_it_is(thing: Any, model: Any) -> None:
    with pytest.raises(ModelError, match=f"received {type(thing).__name__}"):
        tracer.diff(thing, model)
    with pytest.raises(ModelError, match=f"received {type(thing).__name__}"):
        tracer.diff(model, thing, _ROWS[:2])


def test_an_unknown_application_is_answered_with_the_nearest(model: Any) -> None:
    with pytest.raises(SpecError, match="EfficientNetB0"):
        tracer.diff("EficientNetB0", model)


def test_equal_models_by_another_name_pass(model: Any) -> None:
    report = tracer.diff(model, adapted("elsewhere"), _ROWS[:3])
    assert (str(report.status), report.compared) == ("pass", 3)


def test_packages_without_an_environment_to_put_them_into_are_refused(model: Any) -> None:
    """They would be dropped: what is at hand would be compared with itself, and pass."""
    with pytest.raises(SpecError, match=r"keras-hub==0\.26: packages are installed into the environment of a release"):
        tracer.roundtrip("tracer.zoo:tiny_functional", packages=["keras-hub==0.26"])
    with pytest.raises(SpecError, match="none is named here"):
        tracer.diff(model, "tracer.zoo:tiny_functional", packages=["keras-hub==0.26"])
    with pytest.raises(SpecError, match="none is named here"):
        tracer.roundtrip(model, packages=["tensorflow==2.16.2"])


def test_what_runs_in_another_environment_is_not_loaded_in_this_process() -> None:
    with pytest.raises(
        SpecError, match=r"tiny_functional@3\.4\.1 runs in an environment of its own, .* --same-process"
    ):
        tracer.roundtrip("tracer.zoo:tiny_functional@3.4.1", same_process=True)
