"""What was found equal is known by its tensor, as long as the tensor lives and is what it was."""

import gc
import weakref

import numpy as np

from tracer.core.numbers.equal_tensors import EqualTensors, stays
from tracer.core.source import Value


class Tensor:
    """A live tensor of some backend; `_version` is torch's count of changes in place."""

    _version = 0


def _value(native: object = None) -> Value:
    return Value(array=np.zeros(3), native=native)


def test_a_pair_is_known_once_it_was_added_and_only_that_pair() -> None:
    twins, a, b, c = EqualTensors(), _value(Tensor()), _value(Tensor()), _value(Tensor())
    assert not twins.known(a, b)
    twins.add(a, b)
    assert twins.known(a, b)
    assert not twins.known(b, a) and not twins.known(a, c)
    assert twins.known(Value(array=np.zeros(3), native=a.native, name="mask"), b)  # as another layer's input


def test_what_changed_in_place_is_no_twin_any_more() -> None:
    twins, native, b = EqualTensors(), Tensor(), _value(Tensor())
    a = _value(native)
    twins.add(a, b)
    native._version += 1
    assert not twins.known(a, b)


def test_arrays_that_a_model_may_write_to_are_never_twins() -> None:
    twins, b = EqualTensors(), _value(Tensor())
    a = _value(np.zeros(3))
    twins.add(a, b)
    assert not twins.known(a, b)


def test_arrays_received_over_a_wire_are_known_by_themselves() -> None:
    twins, a, b = EqualTensors(), _value(), _value()
    twins.add(a, b)
    assert twins.known(a, b)
    assert not twins.known(_value(), b)


def test_a_pair_is_forgotten_with_its_tensors_so_that_nothing_is_kept_alive() -> None:
    twins, b = EqualTensors(), _value(Tensor())
    a = _value(Tensor())
    gone = weakref.ref(a.native)
    twins.add(a, b)
    del a
    gc.collect()
    assert gone() is None
    assert not twins._pairs


def test_only_what_nothing_writes_to_stays_as_it_is() -> None:
    assert stays(_value())  # received
    assert stays(_value(object()))  # a tensor of TensorFlow or JAX
    assert not stays(_value(Tensor()))  # torch's may change in place
    assert not stays(_value(np.zeros(3)))
