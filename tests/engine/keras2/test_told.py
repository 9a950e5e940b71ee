"""What Keras 2 doesn't write into configurations is told to its layers; Keras 3's stand in for them here."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.engine.keras2 import graphs, vocabularies
from tracer.engine.keras2.dialect import resolve_call
from tracer.engine.keras2.modules import module
from tracer.engine.keras2.shapes import tell_shapes
from tracer.engine.keras2.vocabularies import tell_vocabularies


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Modules are looked up once in a process."""
    module.cache_clear()
    yield
    module.cache_clear()


@pytest.mark.usefixtures("forgotten")
def test_a_module_is_found_below_src_and_else_where_old_releases_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = types.ModuleType("keras.src.only_new"), types.ModuleType("keras.only_old")
    monkeypatch.setitem(sys.modules, "keras.src.only_new", new)
    monkeypatch.setitem(sys.modules, "keras.only_old", old)
    assert (module("only_new"), module("only_old")) == (new, old)
    with pytest.raises(ModuleNotFoundError, match=r"keras\.nowhere"):
        module("nowhere")


def einsum(*shapes: tuple[int, ...], known: Any = (None, 6)) -> Any:
    layer = layers.EinsumDense("abc,cd->abd", known)
    nodes = [types.SimpleNamespace(output_shapes=shape) for shape in shapes]
    object.__setattr__(layer, "_inbound_nodes", nodes)
    return layer


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (einsum((None, 5, 6)), (5, 6)),
        (einsum((None, 5, 6), (None, 5, 6)), (5, 6)),
        (einsum((None, 5, 6), (None, 7, 6)), (None, 6)),  # its calls don't agree
        (einsum((None, 5, 6), known=(4, 6)), (4, 6)),  # it says so itself
        (einsum((None, 5, 6), known=6), (6,)),
    ],
)
def test_sizes_that_all_calls_agree_on_are_written_into_the_configuration(layer: Any, told: Any) -> None:
    tell_shapes(types.SimpleNamespace(_flatten_layers=lambda include_self: [layers.ReLU(), layer]))
    kept = layer.get_config()["output_shape"]
    assert (tuple(kept) if isinstance(kept, (list, tuple)) else kept) == told


class Lookup:
    """A layer of Keras 2 that looks something up."""

    def __init__(self, words: list[str] | None, learned: list[str], mode: str = "int") -> None:
        self.input_vocabulary, self.output_mode, self._learned = words, mode, learned
        self.input_idf_weights: Any = None
        self.idf_weights = types.SimpleNamespace(numpy=lambda: np.array([9.0, 1.0, 2.0, 7.0]))

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        return ["[UNK]", *self._learned] if include_special_tokens else self._learned

    def _token_start_index(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("layer", "words", "frequencies"),
    [
        (Lookup(None, ["a", "b"]), ["a", "b"], None),
        (Lookup([], ["a"]), ["a"], None),  # as it comes from a SavedModel
        (Lookup(["x"], ["a"]), ["x"], None),  # given, not learned
        (Lookup(None, []), None, None),
        (Lookup(None, ["a", "b"], "tf_idf"), ["a", "b"], [1.0, 2.0]),
    ],
)
def test_a_table_that_was_learned_is_written_into_the_configuration(
    layer: Lookup, words: Any, frequencies: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabularies, "module", lambda _: types.SimpleNamespace(IndexLookup=Lookup))
    tell_vocabularies(types.SimpleNamespace(_flatten_layers=lambda include_self: [layers.ReLU(), layer]))
    assert layer.input_vocabulary == words
    assert (None if layer.input_idf_weights is None else list(layer.input_idf_weights)) == frequencies


# --- graphs


def node(layer: Any, *args: Any, inputs: tuple[Any, ...] = (), outputs: Any = (), **kwargs: Any) -> Any:
    """A node as Keras 2 has it."""
    return types.SimpleNamespace(
        layer=layer, keras_inputs=inputs, outputs=outputs, is_input=not inputs, call_args=args, call_kwargs=kwargs
    )


def test_a_node_is_seen_as_one_of_keras_3_and_always_as_the_same_one() -> None:
    x, y = keras.Input((3,)), keras.Input((3,))
    held = node(layers.Add(), [x, y], inputs=(x, y), outputs=[x], flag=True)
    view = graphs.view_of(held)
    assert graphs.view_of(held) is view
    assert (view.operation, list(view.input_tensors), list(view.outputs)) == (held.layer, [x, y], [x])
    assert not view.is_input and graphs.view_of(node(layers.InputLayer((3,)))).is_input
    args, kwargs = view.arguments.fill_in({id(x): 1, id(y): 2})
    assert ([list(each) for each in args], kwargs) == ([[1, 2]], {"flag": True})


def test_the_states_of_a_recurrent_layer_have_the_name_that_keras_3_gives_them() -> None:
    x, h, c = (keras.Input((3,)) for _ in range(3))
    args, kwargs = graphs.view_of(node(layers.LSTM(3), [x, h, c], inputs=(x, h, c))).arguments.fill_in({})
    assert args == (x,) and kwargs == {"initial_state": [h, c]}
    args, kwargs = graphs.view_of(node(layers.LSTM(3), [x], inputs=(x,))).arguments.fill_in({})
    assert [list(each) for each in args] == [[x]] and kwargs == {}


def test_an_operation_has_its_arguments_by_position_and_its_constants_as_numbers() -> None:
    class TFOpLambda:
        function = staticmethod(lambda a, b, c=0: None)

    x = keras.Input((3,))
    view = graphs.view_of(node(TFOpLambda(), x, b=[1.5, 2.0], inputs=(x,)))
    args, kwargs = view.arguments.args, view.arguments.kwargs
    assert args[0] is x and kwargs == {}
    np.testing.assert_array_equal(args[1], np.array([1.5, 2.0], "float32"))
    hidden = graphs.view_of(node(TFOpLambda(), x, inputs=(x,), d=1))  # a name that it doesn't have
    assert (hidden.arguments.args, hidden.arguments.kwargs) == ((x,), {"d": 1})


def test_a_graph_that_is_not_built_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Functional:
        _is_graph_network, _nested_outputs, inputs, outputs, layers = True, "y", ("x",), ("y",), ("d",)
        _nested_inputs, _nodes_by_depth = "x", {0: [node("d", inputs=("x",), outputs=["y"])]}

    monkeypatch.setattr(graphs, "functional_class", lambda: Functional)
    made: Any = Functional()
    seen: Any = graphs.graph_of(made)
    assert (seen.inputs, seen.outputs, seen._inputs_struct, seen._operations) == (["x"], ["y"], "x", ["d"])
    assert [each.operation for each in seen._nodes_by_depth[0]] == ["d"]
    for name, missing in (("_is_graph_network", False), ("_nested_outputs", None)):
        other: Any = Functional()
        setattr(other, name, missing)
        assert graphs.graph_of(other) is None
    nothing: Any = object()
    assert graphs.graph_of(nothing) is None


def test_other_calls_are_taken_as_they_are() -> None:
    assert resolve_call(layers.Dense(1), ("x",), {"training": True}) == (("x",), {"training": True})
