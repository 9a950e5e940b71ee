"""`VerifiedCheckpoint` in real training. Each verification starts a process of its own, so few are made by default."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer import callbacks
from tracer.callbacks import VerifiedCheckpoint
from tracer.errors import SpecError
from tracer.workflows.verifying.files import Outcome, Verdict

_X = np.random.RandomState(0).normal(5.0, 3.0, (64, 4)).astype("float32")
_Y = _X.sum(axis=1, keepdims=True)
_ROOT = Path(__file__).resolve().parents[1]


def compiled() -> Any:
    """A nested model that `.h5` loses the normalization of (a live defect), with random layers and an optimizer."""
    keras.utils.set_random_seed(0)
    norm = layers.Normalization(name="norm")
    norm.adapt(_X)
    inside = keras.Input((4,))
    inner = keras.Model(inside, layers.Dense(3, activation="tanh", name="dense")(norm(inside)), name="inner")
    outside = keras.Input((4,))
    y = layers.GaussianNoise(0.1)(layers.Dropout(0.3)(layers.BatchNormalization()(inner(outside))))
    model = keras.Model(outside, layers.Dense(1, name="out")(y))
    model.compile("adam", "mse", metrics=["mae"])
    return model


def trained(callbacks: Sequence[Any], epochs: int = 2) -> tuple[Any, Any]:
    model = compiled()
    history = model.fit(_X, _Y, epochs=epochs, batch_size=16, verbose=0, callbacks=list(callbacks))
    return model, history.history


def state(model: Any) -> list[bytes]:
    """Weights, optimizer, metrics and seed generators, and what NumPy draws next."""
    seeds = [
        generator.state for layer in model._flatten_layers() for generator in getattr(layer, "_seed_generators", [])
    ]
    held = [*model.variables, *model.optimizer.variables, *model.metrics_variables, *seeds]
    return [*(np.asarray(variable).tobytes() for variable in held), np.random.get_state()[1].tobytes()]


# --- arguments: found out before the training, not after its first epoch


def test_it_is_a_model_checkpoint_with_the_same_arguments(tmp_path: Path) -> None:
    made = VerifiedCheckpoint(tmp_path / "m.weights.h5", "loss", 0, True, True, "min", inputs=_X[:2])
    assert isinstance(made, keras.callbacks.ModelCheckpoint)
    assert (made.monitor, made.save_best_only, made.save_weights_only) == ("loss", True, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_failure": "ignore"}, "on_failure='ignore': choose one of raise, warn, keep-last-good"),
        ({"every": 0}, "every=0"),
        ({"max_seconds": 0}, "max_seconds=0"),
        ({"max_seconds": float("nan")}, "max_seconds=nan"),
    ],
)
def test_what_is_wrong_is_said_at_once(tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        VerifiedCheckpoint(tmp_path / "m.keras", **options)


def test_importing_tracer_imports_no_keras_and_the_callback_is_there() -> None:
    probe = "import sys, tracer; assert 'keras' not in sys.modules; print('callbacks' in dir(tracer))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


# --- what it says


def test_a_file_that_loses_something_ends_the_training_at_its_first_epoch(tmp_path: Path) -> None:
    seen: list[int] = []
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    checkpoint = VerifiedCheckpoint(tmp_path / "m.h5", inputs=_X[:4])
    with pytest.raises(tracer.DivergenceError, match=r"m\.h5 doesn't hold .* inner/norm \(unsaved-state\)") as raised:
        trained([checkpoint, count], epochs=3)
    assert seen == [0]
    assert [fault.layer for fault in raised.value.report.faults] == ["inner/norm"]
    told = json.loads((tmp_path / "m.h5.verdict.json").read_text())
    assert told["outcome"] == "failed" and told["report"]["faults"][0]["cause"] == "unsaved-state"
    assert (tmp_path / "m.h5").exists()


@pytest.fixture(scope="module")
def plain() -> tuple[list[bytes], Any]:
    """The same training without the callback."""
    model, history = trained([])
    return state(model), history


@pytest.mark.slow
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("name", ["m.keras", "m-{epoch}.weights.h5"])
def test_training_is_the_same_bit_for_bit(tmp_path: Path, plain: Any, name: str, background: bool) -> None:
    checkpoint = VerifiedCheckpoint(
        tmp_path / name, inputs=_X[:4], save_weights_only="weights" in name, background=background
    )
    model, history = trained([checkpoint])
    assert state(model) == plain[0]
    verified = history.pop("verified")
    assert history == plain[1]
    outcomes = {path.name: json.loads(path.read_text())["outcome"] for path in tmp_path.glob("*.verdict.json")}
    names = ["m.keras"] if name == "m.keras" else ["m-1.weights.h5", "m-2.weights.h5"]
    assert outcomes == dict.fromkeys((f"{each}.verdict.json" for each in names), "verified")
    assert {str(checkpoint.verdicts[str(tmp_path / each)].outcome) for each in names} == {"verified"}
    assert background or verified == [1.0, 1.0]
    assert not list(tmp_path.glob("*verifying*"))


@pytest.mark.slow
@pytest.mark.parametrize("background", [False, True])
def test_the_last_good_file_is_never_replaced_by_one_that_failed(tmp_path: Path, background: bool) -> None:
    good = tmp_path / "m.h5"
    good.write_bytes(b"the last good one")
    checkpoint = VerifiedCheckpoint(good, inputs=_X[:4], on_failure="keep-last-good", background=background)
    with pytest.warns(UserWarning, match="inner/norm"):
        trained([checkpoint], epochs=1)
    assert good.read_bytes() == b"the last good one"
    failed = tmp_path / "m.failed.h5"
    assert keras.models.load_model(failed, compile=False).count_params() == compiled().count_params()
    assert json.loads((tmp_path / "m.failed.h5.verdict.json").read_text())["outcome"] == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("background", [False, True])
def test_a_file_that_lost_its_optimizer_is_told(tmp_path: Path, background: bool) -> None:
    """A live defect of Keras: once a model was saved as `.h5`, no `.keras` file names its optimizer any more."""
    model = compiled()
    model.fit(_X, _Y, verbose=0)
    model.save(tmp_path / "other.h5")
    checkpoint = VerifiedCheckpoint(tmp_path / "m.keras", inputs=_X[:4], background=background, on_failure="warn")
    with pytest.warns(
        UserWarning, match=r"\(optimizer\) \(optimizer-state\)(.|\n)*compile it again after saving it as .h5"
    ):
        model.fit(_X, _Y, verbose=0, callbacks=[checkpoint])
    (verdict,) = checkpoint.verdicts.values()
    assert verdict.outcome is Outcome.FAILED


@pytest.mark.slow
def test_a_failure_in_the_background_ends_the_training_at_the_end_at_the_latest(tmp_path: Path) -> None:
    with pytest.raises(tracer.DivergenceError, match="inner/norm"):
        trained([VerifiedCheckpoint(tmp_path / "m.h5", inputs=_X[:4], background=True)], epochs=1)
    assert json.loads((tmp_path / "m.h5.verdict.json").read_text())["outcome"] == "failed"


@pytest.mark.parametrize("on_failure", ["warn", "keep-last-good"])
def test_a_file_that_is_being_verified_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_failure: Any
) -> None:
    """Four saves under one name while the first file is still being looked at: it, and the last, get their verdicts."""
    enough, intact = threading.Event(), []

    def slowly(_recording: Any, file: Path, _question: Any) -> Verdict:
        before = file.read_bytes()
        assert enough.wait(60)
        intact.append(file.read_bytes() == before)
        return Verdict(outcome=Outcome.FAILED if len(intact) == 1 else Outcome.VERIFIED, reason="the first is wrong")

    monkeypatch.setattr(callbacks, "record", lambda *_: None)
    monkeypatch.setattr(callbacks, "hold_recorded", slowly)
    target = tmp_path / "m.keras"
    checkpoint, model = VerifiedCheckpoint(target, background=True, on_failure=on_failure), compiled()
    checkpoint.set_model(model)
    for epoch in range(4):
        model.get_layer("out").bias.assign([float(epoch)])
        checkpoint.on_epoch_end(epoch, {"val_loss": 1.0})
    enough.set()
    with pytest.warns(UserWarning, match="doesn't hold the model") as told:
        checkpoint.on_train_end()
    assert intact == [True, True]
    assert float(keras.models.load_model(target).get_layer("out").bias[0]) == 3.0
    assert checkpoint.verdicts[str(target)].outcome is Outcome.VERIFIED
    failed = tmp_path / "m.failed.keras"
    if on_failure == "keep-last-good":
        assert float(keras.models.load_model(failed).get_layer("out").bias[0]) == 0.0
    else:
        assert "m.keras, as it was before it was written again, doesn't hold" in str(told[0].message)
        assert not failed.exists()
    assert not list(tmp_path.glob("*verifying*"))


@pytest.mark.slow
def test_in_the_background_the_last_file_is_verified_and_what_waited_too_long_is_kept(tmp_path: Path) -> None:
    checkpoint = VerifiedCheckpoint(
        tmp_path / "{epoch}.keras", inputs=_X[:4], background=True, on_failure="keep-last-good"
    )
    trained([checkpoint], epochs=4)
    outcomes = {path.name: json.loads(path.read_text())["outcome"] for path in tmp_path.glob("*.verdict.json")}
    assert outcomes["1.keras.verdict.json"] == outcomes["4.keras.verdict.json"] == "verified"
    files = sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".keras")
    assert files == ["1.keras", "2.keras", "3.keras", "4.keras"]


# --- what must not cost a checkpoint, or the training


@pytest.mark.parametrize("on_failure", ["raise", "keep-last-good"])
def test_a_verification_that_takes_too_long_is_a_warning(tmp_path: Path, on_failure: Any) -> None:
    checkpoint = VerifiedCheckpoint(tmp_path / "m.keras", inputs=_X[:4], max_seconds=0.05, on_failure=on_failure)
    with pytest.warns(UserWarning, match=r"could not be verified: it took longer than 0\.05 s"):
        _, history = trained([checkpoint], epochs=1)
    assert np.isnan(history["verified"][0])
    assert keras.models.load_model(tmp_path / "m.keras").count_params()  # nothing was there, so it has its name


def _killed(process: int) -> None:
    os.killpg(process, signal.SIGKILL)  # as the system does when memory is short


def _hung(process: int) -> None:
    os.killpg(process, signal.SIGSTOP)


def _starved(process: int) -> None:
    """No more memory than it has, so that whatever it allocates next fails in it."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[0])
    size = pages * resource.getpagesize()
    resource.prlimit(process, resource.RLIMIT_AS, (size, size))


@pytest.mark.slow
@pytest.mark.parametrize(("background", "on_failure"), [(False, "raise"), (True, "keep-last-good")])
@pytest.mark.parametrize("plight", [_killed, _hung, _starved])
def test_a_worker_in_trouble_costs_neither_the_training_nor_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plight: Any, background: bool, on_failure: Any
) -> None:
    from tracer.envs import remote

    load = remote.RemoteHost.load

    def troubled(self: Any, *arguments: Any, **options: Any) -> None:
        plight(self.process)
        load(self, *arguments, **options)

    monkeypatch.setattr(remote.RemoteHost, "load", troubled)
    checkpoint = VerifiedCheckpoint(
        tmp_path / "m.keras", inputs=_X[:4], background=background, on_failure=on_failure, max_seconds=15
    )
    with pytest.warns(UserWarning, match="could not be verified"):
        model, history = trained([checkpoint], epochs=1)
    assert len(history["loss"]) == 1
    kept = keras.models.load_model(tmp_path / "m.keras")
    for there, here in zip(kept.weights, model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(there), np.asarray(here))
    assert json.loads((tmp_path / "m.keras.verdict.json").read_text())["outcome"] == "unverified"
    assert not list(tmp_path.glob("*verifying*"))


@pytest.mark.slow
@pytest.mark.parametrize("background", [False, True])
def test_a_training_that_has_no_memory_left_to_verify_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, background: bool
) -> None:
    def short(*_: Any) -> None:
        raise MemoryError("unable to allocate 3 GiB")

    monkeypatch.setattr(callbacks, "record" if background else "hold_live", short)
    checkpoint = VerifiedCheckpoint(tmp_path / "m.keras", inputs=_X[:4], background=background)
    with pytest.warns(UserWarning, match="could not be verified: MemoryError: unable to allocate 3 GiB"):
        trained([checkpoint], epochs=1)
    assert keras.models.load_model(tmp_path / "m.keras").count_params()


@pytest.mark.parametrize("on_failure", ["raise", "keep-last-good"])
def test_a_full_disk_costs_the_verdict_and_not_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_failure: Any
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(callbacks.files, "copy" if on_failure == "raise" else "move", full)
    checkpoint = VerifiedCheckpoint(tmp_path / "m.keras", inputs=_X[:4], background=True, on_failure=on_failure)
    with pytest.warns(UserWarning, match=r"No space left on device"):
        _, history = trained([checkpoint], epochs=1)
    assert np.isnan(history["verified"][0])
    kept = tmp_path / ("m.keras" if on_failure == "raise" else "m.unverified.keras")
    assert keras.models.load_model(kept).count_params()


def test_inputs_that_do_not_fit_are_a_warning(tmp_path: Path) -> None:
    checkpoint = VerifiedCheckpoint(tmp_path / "m.keras", inputs=np.ones((2, 7), "float32"))
    with pytest.warns(UserWarning, match="could not be verified"):
        trained([checkpoint], epochs=1)
    assert (tmp_path / "m.keras").exists()


@pytest.mark.slow
def test_every_third_file_is_verified_and_the_others_are_told(tmp_path: Path) -> None:
    checkpoint = VerifiedCheckpoint(tmp_path / "{epoch}.keras", inputs=_X[:4], every=3, max_seconds=0.05)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        trained([checkpoint], epochs=3)
    assert sum("could not be verified" in str(warning.message) for warning in told) == 1
    reasons = [verdict.reason for verdict in checkpoint.verdicts.values()]
    assert len(reasons) == 3 and reasons[1:] == ["not its turn (every=)"] * 2


# --- verified_save


@pytest.mark.slow
def test_a_file_that_loses_something_does_not_get_its_name(tmp_path: Path) -> None:
    target = tmp_path / "m.h5"
    target.write_bytes(b"as it was")
    with pytest.raises(tracer.DivergenceError, match="inner/norm"):
        tracer.verified_save(compiled(), target, _X[:4])
    assert target.read_bytes() == b"as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.failed.h5", "m.failed.h5.verdict.json", "m.h5"]


@pytest.mark.slow
def test_a_file_that_holds_the_model_gets_its_name(tmp_path: Path) -> None:
    assert tracer.verified_save(compiled(), tmp_path / "m.keras", _X[:4]).matches
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.keras", "m.keras.verdict.json"]


def test_a_save_that_cannot_be_verified_says_where_the_file_is(tmp_path: Path) -> None:
    with pytest.raises(tracer.TracerError, match=r"longer than 0\.05 s.*kept, unverified: .*m\.unverified\.keras"):
        tracer.verified_save(compiled(), tmp_path / "m.keras", _X[:4], max_seconds=0.05)
    assert keras.models.load_model(tmp_path / "m.unverified.keras").count_params()
