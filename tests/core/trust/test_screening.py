"""The screen of a configuration: every kind of code, path and foreign name is found, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.core.trust.names import FUNCTIONS, is_class_of_keras, is_function_of_keras
from tracer.core.trust.screening import MAX_DEPTH, Allowed, Kind, screen


def entry(class_name: Any, module: Any = "keras.layers", registered: Any = None, **config: Any) -> Any:
    return {"class_name": class_name, "module": module, "registered_name": registered, "config": config}


def function(name: Any, module: Any = "builtins", registered: Any = "function") -> Any:
    return {"class_name": "function", "module": module, "registered_name": registered, "config": name}


def kinds(config: Any, allowed: Allowed = Allowed()) -> list[Kind]:  # noqa: B008
    return [finding.kind for finding in screen(config, allowed)]


@pytest.mark.parametrize(
    "config",
    [
        entry("Dense", units=2, name="block1/conv/dense"),
        entry("Functional", "keras.src.models.functional", "Functional"),
        entry("Functional", "keras.src.engine.functional", "Functional"),
        entry("Add", "keras.src.ops.numpy", "Add"),
        entry("BytePairTokenizer", "keras_hub.src.tokenizers.byte_pair_tokenizer", "keras_hub>BytePairTokenizer"),
        entry("Mine", None, "my_package>Mine"),
        {"class_name": "Conv2D", "config": {"filters": 3}},
        function("relu"),
        function("gelu", "keras.activations"),
        function("relu", "keras.src.ops.nn", "relu"),
        {"class_name": "__numpy__", "config": {"value": [1], "dtype": "int64"}},
        entry("StringLookup", vocabulary=["/", "http://example.com", "~/x"]),
        entry("StringLookup", vocabulary=None),
        {"class_name": "__typespec__", "spec_name": "TensorSpec", "module": "tensorflow.python.framework.tensor"},
        entry("Lambda", function=function("relu", "keras.ops")),
        entry("Lambda", function=function("preprocess_input", "keras.applications.mobilenet_v2", "preprocess_input")),
        entry("Lambda", function=function("l2_normalize", "tensorflow.python.ops.nn_impl", "l2_normalize")),
        entry("Lambda", function=function("concatenate", "keras.layers", "concatenate")),
        function("gelu_approximate", "keras_hub.src.utils.keras_utils", "keras_hub>gelu_approximate"),
        entry("LayerScale", "keras.src.applications.convnext", "LayerScale"),
        entry("ThresholdedReLU", "keras._legacy.layers"),
        entry("StringLookup", oov_token="/unknown", mask_token="~/"),
        entry("SentencePieceTokenizer", "keras_hub.tokenizers", proto="AAAA" * 600),
        entry("TFOpLambda", "keras.src.layers.core.tf_op_layer", function="nn.relu"),
        {"class_name": "TFOpLambda", "config": {"function": "compat.v1.gather"}},
        {"class_name": "SlicingOpLambda", "config": {"function": "__operators__.getitem"}},
        {"class_name": "ClassMethod", "config": {"cls_symbol": "RaggedTensor", "method_name": "from_row_splits"}},
        {"class_name": "InstanceMethod", "config": {"attr_name": "to_tensor"}},
        [None, 1, 2.5, True, "text", {"a": []}],
    ],
)
def test_what_models_consist_of_passes(config: Any) -> None:
    assert screen(config, Allowed()) == ()


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (entry("__lambda__", None, code="4wEAAA"), Kind.CODE),
        (entry("Lambda", function=["4wEAAA", None, None], function_type="lambda"), Kind.CODE),
        (entry("TFSMLayer"), Kind.CODE),
        (entry("TensorFlowOpLayer", None, node_def="WriteFile"), Kind.CODE),
        (entry("TFOpLambda", function="io.write_file"), Kind.CODE),
        (entry("TFOpLambda", None, function="load_op_library"), Kind.CODE),
        (entry("TFOpLambda", "mine", function="nn.relu"), Kind.CUSTOM),
        (entry("TFOpLambda", function=["nn.relu"]), Kind.CODE),
        ({"class_name": "TFOpLambda"}, Kind.CODE),
        (entry("SlicingOpLambda", function="print"), Kind.CODE),
        (entry("ClassMethod", cls_symbol="io.TFRecordWriter", method_name="write"), Kind.CODE),
        (entry("ClassMethod", cls_symbol="RaggedTensor"), Kind.CODE),
        (entry("InstanceProperty", attr_name="__class__"), Kind.CODE),
        (entry("TorchModuleWrapper"), Kind.CODE),
        (entry("Popen", "subprocess"), Kind.CODE),
        (entry("system", "os"), Kind.CODE),
        (entry("get_file", "keras.utils"), Kind.CODE),
        (entry("Dense", "keras.utils"), Kind.CODE),
        (entry("Dense", "keras.layersevil"), Kind.CODE),
        (entry("Dense", "kerasevil.layers"), Kind.CUSTOM),
        (entry("Dense", "keras.layers", "deserialize"), Kind.CODE),
        (entry(["Dense"]), Kind.CODE),
        (entry("deserialize", None), Kind.CUSTOM),
        (entry("Mine", "mine.layers"), Kind.CUSTOM),
        (entry("Mine", {"a": 1}), Kind.CUSTOM),
        (function("exec"), Kind.CODE),
        (function("squash"), Kind.CUSTOM),
        (function("relu", "builtins", "exec"), Kind.CUSTOM),
        (function("load_model", "keras.models"), Kind.CODE),
        (function("deserialize", "keras.activations"), Kind.CODE),
        (function("func_load", "keras.src.utils.python_utils"), Kind.CODE),
        (function({"a": 1}), Kind.CODE),
        ({"class_name": "__typespec__", "spec_name": "Popen", "module": "subprocess"}, Kind.CODE),
        (entry("ConvNeXtTiny", "keras.applications", weights="words.h5"), Kind.CODE),
        (function("ConvNeXtTiny", "keras.applications"), Kind.CODE),
        (function("get_file", "keras.utils"), Kind.CODE),
        (function("deserialize", "keras.layers"), Kind.CODE),
        (function("read_file", "tensorflow.python.ops.gen_io_ops"), Kind.CUSTOM),
        (function("upload_preset", "keras_hub.src.utils.preset_utils"), Kind.CODE),
        (entry("Dense", "keras.legacy.saving"), Kind.CODE),
        (entry("SentencePieceTokenizer", "keras_hub.tokenizers", proto="AAAA" * 8), Kind.PATH),
        (entry("SentencePieceTokenizer", "keras_hub.tokenizers", proto="/AA.A" * 600), Kind.PATH),
        (entry("StringLookup", vocabulary="words.txt"), Kind.PATH),
        (entry("Dense", name=".."), Kind.PATH),
        (entry("Dense", name="a/../../b"), Kind.PATH),
        (entry("Dense", anything="/etc/hosts"), Kind.PATH),
        (entry("Dense", anything="gs://bucket/file"), Kind.PATH),
        (entry("Dense", anything="C:\\Users"), Kind.PATH),
    ],
)
def test_what_no_model_consists_of_is_found(config: Any, kind: Kind) -> None:
    assert kinds(config) == [kind]
    buried = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": {}}, [[config]]]}}
    assert kinds(buried) == [kind]


def test_the_user_s_own_names_pass() -> None:
    own = Allowed(("mine.layers",), frozenset({"Scale", "squash", "pack>Other"}))
    for config in (
        entry("Scale", "somewhere.else"),
        entry("Sized", "mine.more"),
        entry("Renamed", "__main__", "pack>Other"),
        function("squash"),
        function("squash", "mine.functions"),
        function("Other", "builtins", "pack>Other"),
    ):
        assert screen(config, own) == ()


def test_what_the_settings_of_the_user_s_own_classes_mean_is_theirs_to_know() -> None:
    own = Allowed(("mine",), frozenset({"Scale", "StringLookup"}))
    texts: Any = {"path": "upper", "url": "http://example.com", "start": "/etc", "more": {"origin": "left"}}
    assert screen(entry("Scale", "mine", **texts), own) == screen(entry("_Hidden", "mine.layers", **texts), own) == ()
    # Of a class that still has to be named, that alone is told.
    assert kinds(entry("Other", "other", **texts)) == [Kind.CUSTOM]
    # A layer of Keras within it is Keras' again, also under the name of a class of the user's.
    lookup = entry("StringLookup", vocabulary="/etc/hosts")
    assert kinds(entry("Scale", "mine", inner=lookup), own) == [Kind.PATH]
    assert kinds(entry("Scale", "mine", name="a/.."), own) == [Kind.PATH]


def test_what_the_user_s_module_merely_imports_is_not_their_own() -> None:
    own = Allowed(("mine",), frozenset({"pack>known"}))
    for config in (
        function("run", "mine"),
        entry("run", "mine"),
        function("exec", "builtins", "pack>known"),
        entry("Popen", "subprocess", "pack>unknown"),
        entry("Mine", "minestrone"),
    ):
        assert len(screen(config, own)) == 1, config


def test_a_finding_says_where_and_what() -> None:
    layer = entry("Lambda", name="my lambda", function=entry("__lambda__", None, code="x"))
    (finding,) = screen({"class_name": "Model", "config": {"layers": [layer]}}, Allowed(), "config.json")
    assert str(finding) == "config.json: layer 'my lambda': Python code (marshalled, of a Lambda layer)"
    (foreign,) = screen(entry("Mine", "pack.layers", name="m"), Allowed(), "model_config")
    assert str(foreign) == "model_config: layer 'm': the class 'Mine' of module 'pack.layers', which isn't Keras' own"
    assert foreign.name == "Mine"


def test_names_can_t_reach_the_terminal_or_forge_a_line() -> None:
    for found in (
        screen(entry("Bad\x1b[2J\nPASS", "evil"), Allowed()),
        screen(entry("Dense", **{"key\x1b\n": "/etc/hosts"}), Allowed()),
        screen(entry("TFSMLayer", name="\x1b[31m\n"), Allowed()),
    ):
        assert len(found) == 1 and str(found[0]).isprintable()


def test_depth_is_bounded() -> None:
    config: Any = {}
    for _ in range(MAX_DEPTH + 1):
        config = {"config": config}
    assert kinds(config) == [Kind.SIZE]
    assert kinds(config["config"]["config"]) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["class_name", "module", "config", "registered_name", "name", "vocabulary"]), inner
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_any_json_is_screened_without_an_error(config: Any) -> None:
    """And code that is put anywhere in it is found."""
    before = len(screen(config, Allowed()))
    assert len(screen([config, entry("__lambda__", None)], Allowed())) == before + 1


@pytest.mark.parametrize(
    "module", ["keras", "keras.layers", "keras.src.layers.core.dense", "keras.api._v2.keras.layers"]
)
def test_rooms_of_keras(module: str) -> None:
    assert is_class_of_keras(module, "Dense")
    assert not is_class_of_keras(module, "dense") and not is_class_of_keras(module, "Dense.from_config")


def test_functions_of_keras() -> None:
    assert {"relu", "softmax", "mean_squared_error"} <= FUNCTIONS
    assert not is_function_of_keras("keras", "version") and not is_function_of_keras("keras.ops", "_private")
