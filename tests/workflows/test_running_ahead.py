"""Both sides compute on while their last outputs are compared, and are back where they are asked about a layer."""

import keras
import numpy as np

import tracer
from tracer.records import Verdict

_DEPTH = 6


@keras.saving.register_keras_serializable("ahead")
class Speck(keras.layers.Layer):
    """Adds to one value in the middle of many, where no glance falls."""

    def __init__(self, amount: float = 0.0, drift: float = 0.0, **options) -> None:
        super().__init__(**options)
        self.amount, self.drift, self.calls = amount, drift, 0

    def call(self, x):
        self.calls += 1
        where = np.zeros((1, 10_000), "float32")
        where[0, 5_001] = self.amount + self.calls * self.drift
        return x + where


def _model(**specks: dict) -> keras.Model:
    inputs = keras.Input((10_000,))
    x = inputs
    for i in range(_DEPTH):
        x = Speck(name=f"speck_{i}", **specks.get(f"speck_{i}", {}))(x)
    return keras.Model(inputs, x)


def _inputs() -> np.ndarray:
    return np.ones((2, 10_000), "float32")


def test_a_single_value_is_found_and_its_layer_blamed_and_proved() -> None:
    report = tracer.diff(_model(), _model(speck_2={"amount": 5.0}), _inputs())
    assert [(fault.layer, fault.cause) for fault in report.faults] == [("speck_2", "config")]
    assert report.first_divergence == "speck_2"
    assert report.faults[0].proof.holds
    assert report.compared == _DEPTH  # none twice, though both were run again up to there


def test_more_faults_than_it_goes_back_for_are_all_found() -> None:
    wrong = {f"speck_{i}": {"amount": 5.0 + i} for i in range(1, _DEPTH)}
    report = tracer.diff(_model(), _model(**wrong), _inputs())
    assert [fault.layer for fault in report.faults] == list(wrong)
    assert report.compared == _DEPTH


def test_a_layer_that_differs_from_itself_in_a_single_value_is_not_blamed() -> None:
    report = tracer.diff(_model(speck_1={"drift": 3.0}), _model(), _inputs())
    assert not report.faults
    verdicts = {layer.layer: layer.verdict for layer in report.layers}
    assert verdicts["speck_1"] is Verdict.NONDETERMINISTIC


@keras.saving.register_keras_serializable("ahead")
class Refusing(keras.layers.Layer):
    """Raises where it has numbers, if it is told to."""

    def __init__(self, refuses: bool = False, **options) -> None:
        super().__init__(**options)
        self.refuses = refuses

    def call(self, x):
        if self.refuses and hasattr(x, "numpy"):
            raise ValueError("not these")
        return x * 1.0


def _behind_a_refusal(refuses: bool, amount: float) -> keras.Model:
    x = y = keras.Input((10_000,))
    y = Refusing(refuses, name="refusing")(y)
    for i in range(_DEPTH):
        y = Speck(name=f"speck_{i}", amount=amount if i == _DEPTH - 1 else 0.0)(y)
    return keras.Model(x, y)


def test_a_fault_behind_a_layer_that_raises_is_found_too() -> None:
    report = tracer.diff(_behind_a_refusal(False, 0.0), _behind_a_refusal(True, 5.0), _inputs())
    assert [fault.layer for fault in report.faults] == ["refusing", f"speck_{_DEPTH - 1}"]
