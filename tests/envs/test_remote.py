"""`tracer.envs.remote`: a real worker behaves as a live model does, and leaves nothing behind when it doesn't."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracer.core.environment import Wanted
from tracer.core.source import Call, End
from tracer.core.spec import parse_spec
from tracer.engine import host as live
from tracer.envs.remote import RemoteHost
from tracer.errors import InputError, ModelError, SpecError, TracerError, WorkerError

_MODULE = """
import os
import time
import keras
from keras import layers

print("imported: this is no message")


@keras.saving.register_keras_serializable("noisy")
class Noisy(layers.Layer):
    def call(self, x):
        print("called: neither is this", flush=True)
        os.write(1, b"nor this, past Python\\n")
        return x * 2.0


@keras.saving.register_keras_serializable("noisy")
class Deadly(layers.Layer):
    def call(self, x):
        if hasattr(x, "numpy"):  # not while the graph is built
            os.write(2, b"these are my last words\\n")
            os._exit(7)
        return x


@keras.saving.register_keras_serializable("noisy")
class Slow(layers.Layer):
    def call(self, x):
        if hasattr(x, "numpy"):
            time.sleep(0.3)
        return x


def slow():
    x = y = keras.Input((3,), name="x")
    for i in range(6):
        y = Slow(name=f"slow_{i}")(y)
    return keras.Model(x, y, name="m")


@keras.saving.register_keras_serializable("noisy")
class Wraps(layers.Layer):
    def __init__(self, inner, **options):
        super().__init__(**options)
        self.inner = inner

    def call(self, x):
        return self.inner(x)


def deep():
    layer = layers.Dense(3, kernel_initializer="ones", name="leaf")
    for level in range(80):
        layer = Wraps(layer, name=f"level_{level}")
    x = keras.Input((3,), name="x")
    return keras.Model(x, layer(x), name="m")


class Late(keras.Model):
    def build(self, shape):
        self.dense = layers.Dense(2, kernel_initializer="ones")

    def call(self, x):
        return self.dense(x)


def late():
    return Late(name="late")


def noisy():
    x = keras.Input((3,), name="x")
    return keras.Model(x, layers.Dense(2, kernel_initializer="ones", name="out")(Noisy(name="noisy")(x)), name="m")


def deadly():
    x = keras.Input((3,), name="x")
    return keras.Model(x, Deadly(name="deadly")(layers.ReLU(name="relu")(x)), name="m")
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a module of models, on the path of this process."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "remote_models.py").write_text(_MODULE, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def worker(modules: Path) -> Iterator[RemoteHost]:
    """One worker for all tests that don't kill it; starting one takes seconds."""
    remote = RemoteHost()
    yield remote
    remote.close()


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


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def gone(group: int) -> bool:
    """Whether no process of a group is left, after a moment."""
    end = time.monotonic() + 5.0
    while alive(group) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(group)


@pytest.mark.parametrize("name", ["tiny_text", "tiny_recurrent", "tiny_multi_io", "tiny_nested"])
def test_a_worker_says_what_a_live_source_says(name: str, worker: RemoteHost) -> None:
    here = live.from_spec(parse_spec(f"tracer.zoo:{name}"))
    worker.build(f"tracer.zoo:{name}", custom_objects=(), seed=0)
    assert worker.outline == here.outline
    assert dict(worker.environment) == dict(here.environment)
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


def test_a_worker_that_dies_says_its_last_words_and_is_gone(modules: Path) -> None:
    remote = RemoteHost()
    group = remote.process
    remote.build("remote_models:deadly", custom_objects=(), seed=0)
    with pytest.raises(WorkerError) as raised:
        calls(remote, np.ones((1, 3), "float32"))
    assert "has died (exit status 7)" in str(raised.value)
    assert "these are my last words" in str(raised.value)
    assert gone(group)
    with pytest.raises(WorkerError, match=r"has (ended|died)"):
        remote.formats()
    remote.close()
    remote.close()


def test_a_worker_killed_in_the_middle_of_a_run_is_an_error_and_close_leaves_nothing() -> None:
    remote = RemoteHost()
    group = remote.process
    remote.build("tracer.zoo:tiny_sequential", custom_objects=(), seed=0)
    remote.begin(np.ones((2, 8), "float32"), training=False)
    assert isinstance(remote.receive(), Call)
    os.kill(group, signal.SIGKILL)
    with pytest.raises(WorkerError, match="the worker process has"):
        remote.formats()  # the reply to `begin` was read: this finds a closed pipe, or no answer
    assert gone(group)
    remote.close()


def test_close_ends_a_run_and_the_process_and_may_be_repeated() -> None:
    """The worker has a child of its own: that goes too."""
    script = "import subprocess, sys; subprocess.Popen(['sleep', '60']); sys.stdin.read()"
    remote = RemoteHost([sys.executable, "-c", script, "--"])
    group = remote.process
    assert alive(group)
    remote.close()
    remote.close()
    assert gone(group)


def test_a_command_that_is_no_worker_is_an_error_with_what_it_said() -> None:
    for script, says in (("raise SystemExit('no such release')", "no such release"), ("print('hi' * 40)", "hihi")):
        remote = RemoteHost([sys.executable, "-c", script, "--"])
        with pytest.raises(WorkerError, match=says):
            remote.build("tracer.zoo:tiny_sequential", custom_objects=(), seed=0)
        assert gone(remote.process)
        remote.close()


def test_a_command_that_does_not_exist_is_an_error_with_its_name() -> None:
    with pytest.raises(WorkerError, match="no-such-python"), contextlib.closing(RemoteHost(["/no-such-python"])):
        pass


_SHOW = "import os, sys; sys.exit('backend=%s quiet=%s path=%s' % tuple(os.environ.get(k) for k in sys.argv[1:4]))"


def test_a_worker_has_this_process_backend_and_modules(modules: Path) -> None:
    import keras

    names = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "PYTHONPATH")
    remote = RemoteHost([sys.executable, "-c", _SHOW, *names])
    with pytest.raises(WorkerError) as raised:
        remote.formats()
    remote.close()
    words = str(raised.value)
    assert f"backend={keras.backend.backend()} quiet=3" in words
    assert str(modules) in words
    assert "site-packages" not in words  # a foreign environment has its own


def test_a_worker_that_runs_something_else_is_refused_before_it_builds_anything() -> None:
    wanted = Wanted(keras="3.4.1", packages={"keras-hub": "0.1.0", "nothing-of-the-kind": ""})
    with contextlib.closing(RemoteHost(wanted=wanted)) as remote, pytest.raises(WorkerError) as raised:
        remote.build("tracer.zoo:no_such_model", custom_objects=(), seed=0)
    told = str(raised.value)
    assert "doesn't run what was asked for: keras 3.4.1 was asked for, and 3." in told
    assert "nothing-of-the-kind of any version was asked for, and it isn't there" in told


def test_a_keras_that_lies_outside_of_an_environment_is_refused_whatever_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout of the very release that is asked for: what it computes isn't what that release computes."""
    import keras

    (tmp_path / "keras").symlink_to(Path(keras.__file__).parent)
    monkeypatch.chdir(tmp_path)
    wanted = Wanted(keras=keras.__version__)
    remote = RemoteHost([sys.executable], {"VIRTUAL_ENV": sys.prefix}, wanted)
    with contextlib.closing(remote), pytest.raises(WorkerError, match=rf"another one in {tmp_path}/keras/__init__.py"):
        remote.build("tracer.zoo:tiny_sequential", custom_objects=(), seed=0)
    with contextlib.closing(RemoteHost(wanted=wanted)) as beside:  # it is what this environment has
        beside.build("tracer.zoo:tiny_sequential", custom_objects=(), seed=0)


def test_a_worker_says_the_packages_that_were_asked_for() -> None:
    with contextlib.closing(RemoteHost(wanted=Wanted(packages={"safetensors": ""}))) as remote:
        remote.build("tracer.zoo:tiny_sequential", custom_objects=(), seed=0)
        assert remote.environment["safetensors"] == importlib.metadata.version("safetensors")


def test_the_variables_of_a_foreign_environment_win() -> None:
    remote = RemoteHost([sys.executable, "-c", _SHOW, "KERAS_BACKEND", "A", "B"], {"KERAS_BACKEND": "jax", "A": "b"})
    with pytest.raises(WorkerError, match="backend=jax quiet=b"):
        remote.formats()
    remote.close()


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
