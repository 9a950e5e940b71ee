"""Both generations of Keras answer the same questions; that of Keras 2, which isn't installed here, by its source."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import keras
import pytest

from tracer.engine import compat, keras3
from tracer.engine.dialect import Dialect

_ROOM = Path(keras3.__file__).parent
_QUESTIONS = {name: value for name, value in vars(Dialect).items() if inspect.isfunction(value) and name[0] != "_"}


def parameters(function: ast.FunctionDef) -> list[str]:
    """Names of the parameters, without `self`; what isn't used may be called `_`."""
    names = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
    return [name for name in names if name != "self"]


def answers(file: Path) -> dict[str, list[str]]:
    """The public functions of a module with their parameters; None for a name that it has from elsewhere."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name: parameters(node) for node in tree.body if isinstance(node, ast.FunctionDef)}


def exported(file: Path) -> set[str]:
    """What a module hands on by `__all__`, or binds to another name."""
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            found.update(ast.literal_eval(node.value) if names == ["__all__"] else names)
    return found


@pytest.mark.parametrize("file", [_ROOM / "keras3.py", _ROOM / "keras2" / "dialect.py"], ids=["keras3", "keras2"])
@pytest.mark.parametrize("question", _QUESTIONS)
def test_every_question_has_an_answer_with_its_parameters(question: str, file: Path) -> None:
    asked = [name for name in inspect.signature(_QUESTIONS[question]).parameters if name != "self"]
    found = answers(file)
    if question not in found:
        assert question in exported(file)
        return
    assert len(found[question]) == len(asked), (question, found[question], asked)
    assert [(a, b) for a, b in zip(found[question], asked, strict=True) if a not in (b, "_", "x")] == []


def test_the_installed_generation_is_chosen() -> None:
    assert compat.dialect() is keras3


def test_an_operation_of_a_graph_is_told_from_a_layer() -> None:
    x = keras.Input((3,), name="x")
    model = keras.Model(x, keras.layers.Dense(2, name="d")(x + 1.0))
    found = {operation.name: keras3.is_operation(operation) for operation in model.operations}
    assert found == {"x": False, "add": True, "d": False}


def test_keras_3_makes_no_layers_of_a_saved_model() -> None:
    assert not keras3.loads_saved_models()


def test_calls_of_keras_3_are_taken_as_they_are() -> None:
    args, kwargs = keras3.resolve_call(keras.layers.Softmax(), (1, 2), {"a": 3})
    assert (args, kwargs) == ((1, 2), {"a": 3})
    assert not keras3.keeps_void_masks(keras.layers.MultiHeadAttention(1, 1), keras.layers.EinsumDense("a,b->a", 1))


def test_attention_of_keras_2_calls_its_softmax_with_the_mask_by_position() -> None:
    """Its classes have the names of Keras 3, which stand in for them here."""
    from tracer.engine.keras2 import dialect as keras2

    softmax, dense = keras.layers.Softmax(), keras.layers.Dense(1)
    assert keras2.resolve_call(softmax, ("scores", "mask"), {"a": 1}) == (("scores",), {"a": 1, "mask": "mask"})
    assert keras2.resolve_call(softmax, ("scores",), {}) == (("scores",), {})
    assert keras2.resolve_call(dense, ("x", "y"), {}) == (("x", "y"), {})
    attention, projection = keras.layers.MultiHeadAttention(1, 1), keras.layers.EinsumDense("a,b->a", 1)
    assert keras2.keeps_void_masks(attention, projection)
    assert not keras2.keeps_void_masks(dense, projection)
    assert not keras2.keeps_void_masks(attention, softmax)  # whose mask is on what it returns, in both


def test_steps_are_no_call_sites() -> None:
    """In Keras 2, also those of a model that is run on all of them at once."""
    from tracer.engine.keras2 import dialect as keras2

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    held = (keras.layers.LSTM(1), keras.layers.TimeDistributed(model), keras.layers.TimeDistributed(model.layers[0]))
    assert [keras3.calls_steps(layer) for layer in (*held, model)] == [True, False, False, False]
    assert [keras2.calls_steps(layer) for layer in (*held, model)] == [True, True, False, False]
