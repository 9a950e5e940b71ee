"""`tracer.envs.remote`: a real worker behaves as a live model does; `test_remote_endings.py` has those that don't."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tracer.core.source import Call, End
from tracer.core.spec import parse_spec
from tracer.engine import host as live
from tracer.envs.remote import RemoteHost
from tracer.errors import InputError, ModelError, SpecError, TracerError


def calls(source: Any, inputs: Any, training: bool = False) -> tuple[list[Call], End]:
    source.begin(inputs, training=training)
    found = []
    while isinstance(message := source.receive(), Call):
        found.append(message)
        source.proceed()
    source.rest()
    return found, message


def facts_of(call: Call) -> tuple[Any, ...]:
    """All of a call but the numbers."""
    names = ("path", "class_name", "box", "is_box", "context", "training_after", "wiring", "compute_dtype", "error")
    tensors = tuple((v.array.shape, v.array.dtype, v.sparse, v.name) for v in (*call.inputs, *call.outputs))
    return (*(getattr(call, name) for name in names), tensors)


@pytest.mark.parametrize("name", ["tiny_text", "tiny_recurrent", "tiny_multi_io", "tiny_nested"])
def test_a_worker_says_what_a_live_source_says(name: str, worker: RemoteHost) -> None:
    here = live.from_spec(parse_spec(f"tracer.zoo:{name}"))
    worker.build(f"tracer.zoo:{name}", custom_objects=(), seed=0)
    assert worker.outline == here.outline
    # What was asked for besides Keras and its backend is said too.
    assert dict(worker.environment) == {**here.environment, "safetensors": version("safetensors")}
    fed, fed_there = here.make_inputs(None, seed=3, batch=2), worker.make_inputs(None, seed=3, batch=2)
    assert fed_there.told == fed.told and fed.told.samples == 2
    inputs = fed.arrays
    for x, y in zip(_arrays(inputs), _arrays(fed_there.arrays), strict=True):
        np.testing.assert_array_equal(x, y)
    (ours, our_end), (theirs, their_end) = calls(here, inputs), calls(worker, inputs)
    assert [facts_of(call) for call in ours] == [facts_of(call) for call in theirs]
    for a, b in zip([*ours, our_end], [*theirs, their_end], strict=True):
        for x, y in zip(a.outputs, b.outputs, strict=True):
            np.testing.assert_array_equal(x.array, y.array)
            np.testing.assert_array_equal(x.mask, y.mask) if x.mask is not None else None
            assert (x.mask is None) == (y.mask is None)
    assert our_end.wiring == their_end.wiring


def _arrays(inputs: Any) -> list[Any]:
    return list(inputs.values()) if isinstance(inputs, dict) else inputs if isinstance(inputs, list) else [inputs]


def test_replays_and_other_outputs_go_over_the_wire(worker: RemoteHost) -> None:
    worker.build("tracer.zoo:tiny_sequential", custom_objects=(), seed=0)
    worker.begin(np.ones((2, 8), "float32"), training=False)
    hidden = worker.receive()
    assert isinstance(hidden, Call)
    again = worker.replay(hidden.inputs, hidden.context)
    np.testing.assert_array_equal(again.outputs[0].array, hidden.outputs[0].array)
    worker.proceed([type(hidden.outputs[0])(array=hidden.outputs[0].array * 0.0)])
    out = worker.receive()
    assert isinstance(out, Call)
    assert not out.inputs[0].array.any()
    worker.rest()
    facts = worker.facts("hidden")
    assert facts is not None
    assert facts.config["units"] == 6
    assert worker.facts("nothing") is None


def test_a_run_left_half_way_does_not_disturb_the_next_request(worker: RemoteHost) -> None:
    worker.build("tracer.zoo:tiny_sequential", custom_objects=(), seed=0)
    for _ in range(2):
        worker.begin(np.ones((2, 8), "float32"), training=False)  # nobody receives
    assert worker.formats()[:4] == ("keras", "h5", "weights", "config")
    assert len(calls(worker, np.ones((2, 8), "float32"))[0]) == 2


def test_a_worker_that_takes_long_says_how_far_it_is(worker: RemoteHost) -> None:
    worker.build("remote_models:slow", custom_objects=(), seed=0)
    said: list[tuple[str, int, int]] = []
    inputs = worker.make_inputs(None, seed=0, batch=1).arrays
    sites = worker.fingerprints(inputs, progress=lambda *told: said.append(told))
    assert [site.path for site in sites] == [f"slow_{i}" for i in range(6)]
    assert len(said) >= 3
    assert [done for _, done, _ in said] == sorted(done for _, done, _ in said)
    assert {total for *_, total in said} == {6}
    assert [site.path for site in worker.fingerprints(inputs)] == [site.path for site in sites]  # nobody has to listen


def test_what_a_model_prints_is_no_message(worker: RemoteHost) -> None:
    worker.build("remote_models:noisy", custom_objects=(), seed=0)
    _, end = calls(worker, np.ones((1, 3), "float32"))
    np.testing.assert_array_equal(end.outputs[0].array, [[6.0, 6.0]])
    assert worker.modules() == ("remote_models",)


@pytest.mark.parametrize(
    ("spec", "kind", "says"),
    [
        ("tracer.zoo:tiny_sequentiel", SpecError, "tiny_sequential"),
        ("EfficientNetB9", SpecError, "EfficientNetB"),
        ("nowhere_at_all:model", SpecError, "nowhere_at_all"),
        ("tracer.zoo:names", ModelError, "tuple"),
    ],
)
def test_errors_come_back_as_what_they_are(spec: str, kind: type[TracerError], says: str, worker: RemoteHost) -> None:
    with pytest.raises(kind, match=says) as raised:
        worker.build(spec, custom_objects=(), seed=0)
    assert type(raised.value) is kind
    assert "Traceback" not in str(raised.value)


def test_a_worker_lives_on_after_an_error(worker: RemoteHost) -> None:
    worker.build("tracer.zoo:tiny_sequential", custom_objects=(), seed=0)
    with pytest.raises(InputError, match=r"\(3, 8\)|shape"):
        worker.fit_inputs(np.ones((3, 9), "float32"))
    worker.begin(np.ones((2, 9), "float32"), training=False)
    with pytest.raises(ModelError, match="the model failed"):
        calls(worker, np.ones((2, 9), "float32"))
    assert len(calls(worker, np.ones((2, 8), "float32"))[0]) == 2


def test_what_is_not_asked_for_in_order_is_an_error_not_a_hang(worker: RemoteHost) -> None:
    worker.build("tracer.zoo:tiny_sequential", custom_objects=(), seed=0)
    with pytest.raises(ModelError, match="not running"):
        worker.replay((), {})
    assert worker.modules() == ()


def test_what_is_nested_deep_travels(worker: RemoteHost) -> None:
    worker.build("remote_models:deep", custom_objects=(), seed=0)
    found, end = calls(worker, np.ones((2, 3), "float32"))
    assert len(found) == 81 and found[0].path.count("/") == 80
    np.testing.assert_array_equal(end.outputs[0].array, np.full((2, 3), 3.0))


def test_a_model_that_is_built_by_running_is_built_there_and_its_layers_are_told(worker: RemoteHost) -> None:
    worker.build("remote_models:late", custom_objects=(), seed=0)
    assert worker.outline.children == ()
    assert worker.prepare(np.ones((2, 3), "float32"), training=False)
    assert [child.name for child in worker.outline.children] == ["dense"]
    assert not worker.prepare(np.ones((2, 3), "float32"), training=False)


def test_a_worker_makes_a_model_of_its_configuration_and_writes_it_compiled(worker: RemoteHost, tmp_path: Path) -> None:
    here = live.from_spec(parse_spec("tracer.zoo:tiny_functional"))
    worker.rebuild(here.configuration(), custom_objects=())
    assert worker.spec == "the migrated model" and worker.outline == here.outline
    drawn = worker.identities()
    worker.seed(5)
    here.seed(5)
    assert worker.identities() == here.identities() != drawn
    worker.compile({"optimizer": "sgd", "loss": "mse"})
    worker.save(str(tmp_path), "keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.compiled and loaded.loss.__name__ == "mean_squared_error"


def test_a_configuration_that_keras_does_not_understand_is_told(worker: RemoteHost) -> None:
    with pytest.raises(ModelError, match="can't build the translated model"):
        worker.rebuild({"class_name": "Nothing", "config": {}, "module": "keras"}, custom_objects=())
