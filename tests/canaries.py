"""Model files that do on loading what no model file may: each would write a file, and nothing else.

`python tests/canaries.py FOLDER` writes them all.  They are for the screen to refuse; see docs/security.md.
"""

from __future__ import annotations

import base64
import io
import json
import marshal
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np

Json = Any


def model(*layers: Json) -> Json:
    """The configuration of a functional model whose layers follow each other."""
    first = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_shape": [None, 4], "dtype": "float32", "name": "x"},
        "registered_name": None,
        "name": "x",
        "inbound_nodes": [],
    }
    config = {
        "name": "canary",
        "trainable": True,
        "layers": [first, *layers],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["x", 0, 0]],
    }
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
    }


def node(what: Json, name: str, *args: Json, **kwargs: Json) -> Json:
    """A layer that is called in the graph with these arguments."""
    return {**what, "name": name, "inbound_nodes": [{"args": list(args), "kwargs": kwargs}]}


def function(module: str, name: str, registered: str = "function") -> Json:
    return {"module": module, "class_name": "function", "config": name, "registered_name": registered}


def layer(class_name: str, module: str = "keras.layers", **config: Json) -> Json:
    return {
        "module": module,
        "class_name": class_name,
        "config": {"name": class_name.lower(), "trainable": True, "dtype": "float32", **config},
        "registered_name": None,
    }


def code(marker: Path) -> str:
    """A function as Keras marshals it, which writes the marker when it is called."""
    return base64.encodebytes(marshal.dumps(compile(f"open({str(marker)!r}, 'w')", "<lambda>", "eval"))).decode()


def marshalled(marker: Path) -> Json:
    inner = {"code": code(marker), "defaults": None, "closure": None}
    return layer("Lambda", function={"class_name": "__lambda__", "config": inner}, arguments={})


TENSOR = {
    "class_name": "__keras_tensor__",
    "config": {"shape": [None, 4], "dtype": "float32", "keras_history": ["x", 0, 0]},
}


def _system(marker: Path) -> Json:
    return model(node(function("os", "system"), "f", f"touch {marker}"))


def _exec(marker: Path) -> Json:
    return model(node(function("builtins", "exec"), "f", f"open({str(marker)!r}, 'w')"))


def _alias(marker: Path) -> Json:
    return model(node(function("builtins", "no_such", "exec"), "f", f"open({str(marker)!r}, 'w')"))


def _function_as_class(marker: Path) -> Json:
    return model(node({"module": "os", "class_name": "system", "config": {}}, "f", f"touch {marker}"))


def _get_file(marker: Path) -> Json:
    here = Path(__file__).resolve().as_uri()
    get = function("keras.utils", "get_file")
    return model(node(get, "f", fname=marker.name, origin=here, cache_dir=str(marker.parent), cache_subdir=""))


def _private_get_file(marker: Path) -> Json:
    here = Path(__file__).resolve().as_uri()
    get = function("keras.src.utils.file_utils", "get_file")
    return model(node(get, "f", fname=marker.name, origin=here, cache_dir=str(marker.parent), cache_subdir=""))


def _unsafe_first(marker: Path) -> Json:
    unsafe = function("keras.config", "enable_unsafe_deserialization")
    return model(node(unsafe, "f"), node(marshalled(marker), "lambda", TENSOR))


def _load_in_lambda(marker: Path) -> Json:
    load = function("keras.models", "load_model")
    return model(node(layer("Lambda", function=load, arguments={"safe_mode": False}), "f", inputs=str(marker)))


def _lambda(marker: Path) -> Json:
    return model(node(marshalled(marker), "lambda", TENSOR))


def _keras_2_lambda(marker: Path) -> Json:
    inner = {"function": [code(marker), None, None], "function_type": "lambda", "module": "__main__", "name": "f"}
    return {"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": inner}]}}


def _deserialize(marker: Path) -> Json:
    return {"class_name": "deserialize", "config": {"config": {"class_name": "os", "config": str(marker)}}}


def _vocabulary(marker: Path) -> Json:
    return model(node(layer("StringLookup", vocabulary=str(Path(__file__).resolve())), "lookup", TENSOR))


def _address(marker: Path) -> Json:
    return model(node(layer("TextVectorization", vocabulary="http://example.com/words"), "words", TENSOR))


def _saved_model(marker: Path) -> Json:
    return model(node(layer("TFSMLayer", filepath=str(marker.parent)), "served", TENSOR))


def _torch(marker: Path) -> Json:
    return model(node(layer("TorchModuleWrapper", module=base64.b64encode(b"gASVIA").decode()), "torch", TENSOR))


def _name(marker: Path) -> Json:
    return model(node({**layer("Dense", units=2), "config": {"units": 2, "name": ".."}}, "..", TENSOR))


CONFIGS: Mapping[str, Callable[[Path], Json]] = MappingProxyType(
    {
        made.__name__.strip("_"): made
        for made in (
            _system,
            _exec,
            _alias,
            _function_as_class,
            _get_file,
            _private_get_file,
            _unsafe_first,
            _load_in_lambda,
            _lambda,
            _keras_2_lambda,
            _deserialize,
            _vocabulary,
            _address,
            _saved_model,
            _torch,
            _name,
        )
    }
)


def harmless() -> Json:
    return model(node(layer("Dense", units=2), "dense", TENSOR))


def _weights(write: Callable[[h5py.File], None]) -> bytes:
    whole = io.BytesIO()
    with h5py.File(whole, "w") as file:
        write(file)
    return whole.getvalue()


def _external_link(file: h5py.File) -> None:
    file["layers"] = h5py.ExternalLink("/etc/hosts", "/")


def _soft_link(file: h5py.File) -> None:
    file["layers"] = h5py.SoftLink("/layers")


def _external_storage(file: h5py.File) -> None:
    file.create_dataset("kernel", (8,), "u1", external=[("/etc/hosts", 0, 8)])


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((8,), "u1")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "kernel", (8,))
    file.create_virtual_dataset("kernel", layout)


def _huge(file: h5py.File) -> None:
    file.create_dataset("kernel", (1 << 31,), "f4", chunks=(1 << 20,))


WEIGHTS: Mapping[str, Callable[[h5py.File], None]] = MappingProxyType(
    {f.__name__.strip("_"): f for f in (_external_link, _soft_link, _external_storage, _virtual, _huge)}
)


def weights(name: str) -> bytes:
    return _weights(WEIGHTS[name])


def write_archive(path: Path, config: Json, stored: bytes = b"", **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.0.5"}))
        archive.writestr("model.weights.h5", stored or _weights(lambda file: None))
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def write_legacy(path: Path, config: Json) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = np.bytes_(json.dumps(config))
        file.attrs["keras_version"] = "3.0.5"
        file.create_group("model_weights")
    return path


def write_all(folder: Path, marker: Path) -> list[Path]:
    """Every canary, in every kind of file that can hold it."""
    found = []
    for name, made in CONFIGS.items():
        found.append(write_archive(folder / f"{name}.keras", made(marker)))
        found.append(write_legacy(folder / f"{name}.h5", made(marker)))
        found.append(folder / f"{name}.json")
        found[-1].write_text(json.dumps(made(marker)), encoding="utf-8")
    for name in WEIGHTS:
        found.append(write_archive(folder / f"weights_{name}.keras", harmless(), weights(name)))
    found.append(write_archive(folder / "member_outside.keras", harmless(), **{"../outside.txt": "x"}))
    return found


if __name__ == "__main__":
    target = Path(sys.argv[1])
    print("\n".join(map(str, write_all(target, target / "executed"))))
