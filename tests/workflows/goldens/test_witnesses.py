"""Witnesses: they agree or nothing is recorded, and each layer that differs by itself is named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest

from tracer.engine import host
from tracer.engine.model import precision
from tracer.errors import FixtureError
from tracer.workflows.goldens.witnesses import Witness, hear

_INPUTS = np.random.RandomState(1).normal(size=(2, 8, 8, 3))


def model(error: float = 0.0) -> Any:
    """Float64; `error`: relative, of the kernel in the middle."""
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(4, 3, activation="relu", name="first")(x)
    y = keras.layers.Conv2D(4, 3, activation="relu", name="middle")(y)
    y = keras.layers.GlobalAveragePooling2D(name="pool")(y)
    made = keras.Model(x, keras.layers.Dense(3, name="head")(y))
    kernel = made.get_layer("middle").kernel
    kernel.assign(keras.ops.convert_to_numpy(kernel) * (1.0 + error))
    return made


@contextlib.contextmanager
def pair(error: float, backend: str) -> Iterator[tuple[Any, Any]]:
    """A reference, and a witness that says it runs on a backend."""
    with precision.double():
        reference, witness = host.from_model(model()), host.from_model(model(error))
        witness.environment = {**witness.environment, "backend": backend, backend: "0"}
        yield reference, witness
        reference.close()
        witness.close()


def heard(error: float, backend: str) -> Witness:
    with pair(error, backend) as (reference, witness):
        truth, double = (one.fingerprints(_INPUTS, digest_limit=0) for one in (reference, witness))
        return hear("m", reference, truth, witness, truth, double, _INPUTS, None)


def test_a_witness_that_agrees_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracer.workflows.goldens.witnesses.local_errors", None)
    found = heard(0.0, "tensorflow")
    assert found.local == {} and found.agreement.worst == 0.0
    assert found.told()["local beyond 1e-10"] == {"layers": 0, "worst": "", "error": 0.0}


def test_the_layer_that_differs_by_itself_is_told_from_those_that_inherit() -> None:
    found = heard(3e-8, "jax")
    assert list(found.agreement.excess) == ["middle", "pool", "head"]
    assert found.local == {"middle": pytest.approx(3e-8, rel=1e-3)}
    assert found.told()["local beyond 1e-10"]["worst"] == "middle"


@pytest.mark.parametrize(("error", "backend"), [(3e-8, "tensorflow"), (3e-6, "jax")])
def test_a_witness_that_disagrees_is_refused_with_the_layer_at_fault(error: float, backend: str) -> None:
    with pytest.raises(FixtureError, match=rf"doesn't agree.*Not recorded.*inputs middle {error:.1e} differs: "):
        heard(error, backend)
