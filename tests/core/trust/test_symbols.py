"""Functions that a graph of Keras 2 may call: those that compute with tensors, and none that reads, writes or runs."""

from __future__ import annotations

import pytest

from tracer.core.migration.op_table import OP_RULES
from tracer.core.trust.symbols import is_function_of_tensorflow, is_harmless


def test_every_function_that_can_be_carried_over_may_be_called() -> None:
    functions = {function for rule in OP_RULES for function in rule.functions}
    assert len(functions) > 100
    assert [function for function in sorted(functions) if not is_function_of_tensorflow(function)] == []


@pytest.mark.parametrize(
    "symbol",
    [
        "nn.relu",
        "nn.experimental.stateless_dropout",
        "math.special.dawsn",
        "__operators__.getitem",
        "compat.v1.gather",
        "compat.v1.nn.conv2d",
        "keras.backend.mean",
        "keras.activations.relu",
        "keras.losses.mean_squared_error",
        "strings.lower",
        "image.resize",
        "io.decode_raw",
        "sparse.to_dense",
        "shape",
    ],
)
def test_a_function_on_tensors_may_be_called(symbol: str) -> None:
    assert is_function_of_tensorflow(symbol)


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "print",
        "compat.v1.print",
        "py_function",
        "compat.v1.py_func",
        "numpy_function",
        "load_library",
        "load_op_library",
        "import_graph_def",
        "io.write_file",
        "io.read_file",
        "io.decode_proto",
        "io.decode_rawer",
        "compat.v1.write_file",
        "io.gfile.remove",
        "raw_ops.WriteFile",
        "raw_ops.write_file",
        "saved_model.load",
        "train.load_checkpoint",
        "summary.create_file_writer",
        "debugging.experimental.enable_dump_debug_info",
        "nn.fixed_unigram_candidate_sampler",
        "compat.v1.random.fixed_unigram_candidate_sampler",
        "random.set_seed",
        "nn.RNNCellDeviceWrapper",
        "mathevil.abs",
        "keras.models.load_model",
        "keras.activations.deserialize",
        "keras.utils.get_file",
        "keras.layers.deserialize",
        "keras.backendevil.mean",
        "math.__init__",
        "abs\n",
    ],
)
def test_whatever_else_has_a_public_name_may_not(symbol: str) -> None:
    assert not is_function_of_tensorflow(symbol)


@pytest.mark.parametrize(
    ("layer", "called", "harmless"),
    [
        ("SlicingOpLambda", ("__operators__.getitem",), True),
        ("SlicingOpLambda", ("io.write_file",), False),
        ("ClassMethod", ("RaggedTensor", "from_row_splits"), True),
        ("ClassMethod", ("RaggedTensor", "__subclasses__"), False),
        ("ClassMethod", ("io.TFRecordWriter", "write"), False),
        ("InstanceMethod", ("to_tensor",), True),
        ("InstanceMethod", ("__class__",), False),
        ("InstanceProperty", ("row_splits",), True),
        ("InstanceProperty", ("_private",), False),
    ],
)
def test_methods_and_properties_of_tensors(layer: str, called: tuple[str, ...], harmless: bool) -> None:
    assert is_harmless(layer, *called) == harmless
