"""From a `ModelSpec` to a Keras model: an application with seeded weights, a file, or what a callable returns."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import math
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import keras

from tracer.core.spec import MODEL_SUFFIXES, ModelSpec, missing_attribute, missing_file, unknown_application
from tracer.core.trust.screening import Allowed
from tracer.engine import compat
from tracer.engine.loading import growth, reasons
from tracer.engine.model.seeded import seed_weights
from tracer.errors import ModelError, SpecError
from tracer.files import configs, screening, trial
from tracer.system.leftovers import temporary_folder

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_ZIP_MAGIC = b"PK\x03\x04"


def build(
    spec: ModelSpec,
    *,
    custom_objects: Sequence[str] = (),
    seed: int = 0,
    weights: str | None = None,
    image_size: int | None = None,
    trust: bool = False,
) -> keras.Model:
    """The Keras model that `spec` names, in the Keras and on the backend of this process.

    Args:
        spec: what to build; its `release` and `backend` are for whoever starts the process.
        custom_objects: importable modules (`package.module`) with the custom classes and functions of a file. Each is
            imported, and its layers, models and functions are offered to Keras by name.
        seed: for the seeded weights of an application or of a `.json` configuration.
        weights: of an application: None for seeded ones, else what Keras takes (`imagenet`, a path); for what a
            callable returns: a `.h5` file of weights that is loaded into it.
        image_size: height and width of an application's input, in pixels; None for its native resolution.
        trust: load a file with all that it contains, Python code too; without it, a file is screened first.

    Returns:
        A Keras model, not compiled.

    Raises:
        SpecError: if no such application, file, module or callable exists, or an option doesn't go with its kind.
        TrustError: if a file isn't harmless, and isn't trusted; see `tracer.files.screening`.
        ModelError: if it exists and can't be loaded or built.
    """
    if (spec.kind == "file" and weights is not None) or (spec.kind != "application" and image_size is not None):
        raise SpecError(
            f"model {spec.target}: weights can only be chosen for an application of Keras or a callable, and an image "
            f"size for an application; received weights={weights!r}, image_size={image_size!r} for a {spec.kind}."
        )
    own = custom_objects_in(custom_objects)
    with compat.dialect().custom_objects_scope(own), compat.dialect().fresh_names():
        if spec.kind == "application":
            return _application(spec.target, seed, weights, image_size)
        if spec.kind == "callable":
            return _called(spec.target) if weights is None else _with_weights(_called(spec.target), Path(weights))
        path = Path(spec.target)
        _check_content(path)
        if not trust:
            screening.check(path, Allowed(tuple(custom_objects), compat.dialect().registered_names() | own.keys()))
        return _load(path, seed, trust)


def application_names() -> tuple[str, ...]:
    """Every model factory of `keras.applications` in the installed release, sorted."""
    members = vars(keras.applications).items()
    return tuple(sorted(name for name, value in members if name[0].isupper() and inspect.isfunction(value)))


def _application(name: str, seed: int, weights: str | None, image_size: int | None) -> keras.Model:
    names = application_names()
    if name not in names:
        raise SpecError(unknown_application(name, names, keras.__version__))
    shape = {} if image_size is None else {"input_shape": _image_shape(image_size)}
    try:
        model = getattr(keras.applications, name)(weights=weights, **shape)
    # A factory raises whatever its layers, a download or a missing file raise: all of it is one trouble here.
    except (Exception, SystemExit) as error:
        what = f"{name}(weights={weights!r}{f', input_shape={shape}' if shape else ''})"
        raise ModelError(
            f"keras.applications.{what} failed in Keras {keras.__version__}: {compat.reason(error)}. "
            "Try another image size, or no weights for seeded ones."
        ) from error
    return model if weights is not None else seed_weights(model, seed)


def _image_shape(size: int) -> tuple[int, int, int]:
    return (size, size, 3) if compat.dialect().image_data_format() == "channels_last" else (3, size, size)


@contextlib.contextmanager
def _working_directory_importable() -> Iterator[None]:
    """The current folder on `sys.path`, as `python -m` has it and a console script hasn't."""
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if added:
            sys.path.remove(here)


def _module(name: str, what: str) -> ModuleType:
    """The imported module `name`; `what` says in an error what asked for it."""
    try:
        with _working_directory_importable():
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise SpecError(
                f"{what}: there is no module {error.name!r}. Run from the folder that it is imported from, or "
                "install it."
            ) from error
        raise ModelError(f"{what}: importing {name} failed, it needs {error.name!r}, which isn't installed.") from error
    # The user's module may raise anything while it is imported, and may end the process (`sys.exit`).
    except (Exception, SystemExit) as error:
        raise ModelError(f"{what}: importing {name} failed: {compat.reason(error)}") from error


def custom_objects_in(modules: Sequence[str]) -> dict[str, object]:
    """What the modules define that a saved model may name; whatever they register is registered by importing them."""
    found: dict[str, object] = {}
    for name in modules:
        for attribute, value in vars(_module(name, f"--custom-objects {name}")).items():
            is_own = getattr(value, "__module__", "").split(".")[0] == name.split(".")[0]
            if is_own and not attribute.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
                found[attribute] = value
    return found


def _called(target: str) -> keras.Model:
    """What `package.module:callable` returns, called without arguments."""
    factory = _find(target)
    if isinstance(factory, keras.Model):
        return factory
    if not callable(factory):
        raise ModelError(f"model {target}: a callable that returns a Keras model is needed; this is {_kind(factory)}.")
    try:
        model = factory()
    # The user's callable may raise anything, and may end the process.
    except (Exception, SystemExit) as error:
        raise ModelError(f"model {target}: calling it without arguments failed: {compat.reason(error)}") from error
    if not isinstance(model, keras.Model):
        raise ModelError(f"model {target}: it has to return a Keras model; it returned {_kind(model)}.")
    return model


def _with_weights(model: keras.Model, path: Path) -> keras.Model:
    """A model with the weights of a `.h5` file, which has to fit it layer by layer."""
    if not path.is_file():
        raise SpecError(missing_file(str(path)))
    if path.suffix.lower() not in (".h5", ".hdf5"):
        raise ModelError(f"{str(path)!r}: weights are loaded from a .h5 file; received {path.suffix!r}.")
    trial.check(path)
    try:
        model.load_weights(str(path))
    # As of a whole file: Keras raises many things for weights that don't fit.
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"the weights in {str(path)!r} don't go into the model {model.name!r}: {compat.reason(error)}"
        ) from error
    return model


def _find(target: str) -> object:
    """What `package.module:name.of.it` names."""
    module_name, _, attributes = target.partition(":")
    found: object = _module(module_name, f"model {target}")
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            raise SpecError(missing_attribute(target, module_name, attribute, vars(found)))
        found = getattr(found, attribute)
    return found


def _load(path: Path, seed: int, trust: bool) -> keras.Model:
    """The model in a file or folder."""
    try:
        bound = math.inf if trust else growth.room_for(path)
        with compat.dialect().unsafe_loading(trust), growth.bounded(bound):
            if path.suffix.lower() == ".json":
                return seed_weights(keras.models.model_from_json(path.read_text(encoding="utf-8")), seed)
            return _load_folder(path, trust) if path.is_dir() else _load_file(path, trust)
    # Keras raises TypeError, ValueError, KeyError, OSError and more for one and the same kind of broken file.
    except (Exception, SystemExit) as error:
        raise ModelError(f"model file {str(path)!r} can't be loaded: {_diagnosis(error, path)}") from error


def _load_file(path: Path, trust: bool) -> keras.Model:
    return compat.dialect().load_model(str(path), trust=trust)


def _load_folder(path: Path, trust: bool) -> keras.Model:
    """An unpacked `.keras` file. Packed first, since Keras' older releases only load the packed one."""
    if (path / _SAVED_MODEL).exists():
        return _load_file(path, trust)
    with temporary_folder() as folder:
        packed = folder / "model.keras"
        with zipfile.ZipFile(packed, "w") as archive:
            for file in sorted(path.rglob("*")):
                if not (file.is_file() or file.is_dir()):  # a device would be packed until the disk is full
                    raise ModelError(f"folder {str(path)!r} is no Keras model: {file.name!r} in it is no file.")
                archive.write(file, file.relative_to(path))
        return _load_file(packed, trust)


_SAVED_MODEL = "saved_model.pb"


def _check_content(path: Path) -> None:
    """Refuses what isn't a model, by its first bytes, before Keras gives it a name that misleads."""
    if not path.exists():
        raise SpecError(missing_file(str(path)))
    if path.is_dir():
        _check_folder(path)
        return
    if not path.is_file():
        raise ModelError(f"{str(path)!r} is no file, but a device, a pipe or a socket.")
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        start = file.read(8)
    if path.name.lower().endswith(".weights.h5"):
        raise ModelError(f"{str(path)!r} holds weights alone, without a model. {_WEIGHTS_ONLY}")
    if suffix not in MODEL_SUFFIXES:
        raise ModelError(f"{str(path)!r} is no model file that Keras can load; it loads {', '.join(MODEL_SUFFIXES)}.")
    if suffix == ".keras":
        _check_archive(path, start)
    if suffix in (".h5", ".hdf5"):
        _check_hdf5(path, start)
    if suffix == ".json":
        _check_json(path)


_WEIGHTS_ONLY = (
    "Give the model file (`model.save(...)`), or a callable that builds the model and loads these weights "
    "(`package.module:callable`)."
)


def _check_folder(path: Path) -> None:
    if (path / _SAVED_MODEL).exists():
        if compat.dialect().loads_saved_models():
            return
        raise ModelError(
            f"{str(path)!r} is a TensorFlow SavedModel. Keras 3 doesn't load it as layers, and what it does when it is "
            "loaded can't be screened: it isn't loaded, also with --trust. Save the model as .keras, or let "
            "`tracer migrate` carry it over if Keras 2 wrote it."
        )
    if not (path / "config.json").exists():
        raise ModelError(f"folder {str(path)!r} is no Keras model: it has no config.json.")
    trial.check(path)


def _check_archive(path: Path, start: bytes) -> None:
    if start == _HDF5_MAGIC:
        raise ModelError(f"{str(path)!r} is an HDF5 file with the suffix of another format; rename it to .h5.")
    if not start.startswith(_ZIP_MAGIC):
        raise ModelError(f"{str(path)!r} is no .keras file: it isn't a zip archive. {_received(path, start)}")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise ModelError(
            f"{str(path)!r} is a damaged .keras file, probably cut off: {error}. {_received(path)}"
        ) from error
    if "config.json" not in names:
        raise ModelError(
            f"{str(path)!r} is no Keras model: the archive has no config.json, only {', '.join(names[:5])}."
        )
    trial.check(path)


def _check_hdf5(path: Path, start: bytes) -> None:
    if start.startswith(_ZIP_MAGIC):
        raise ModelError(f"{str(path)!r} is a .keras file with the suffix of another format; rename it to .keras.")
    if start != _HDF5_MAGIC:
        raise ModelError(f"{str(path)!r} is no HDF5 file. {_received(path, start)}")
    import h5py  # Keras brings it; only here is it needed.

    trial.check(path)
    try:
        with h5py.File(str(path), "r") as file:
            has_model = "model_config" in file.attrs
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        why = f"probably cut off: {compat.reason(error)}. {_received(path)}"
        raise ModelError(f"{str(path)!r} is a damaged HDF5 file, {why}") from error
    if not has_model:
        raise ModelError(f"{str(path)!r} holds weights alone, without a model. {_WEIGHTS_ONLY}")


def _check_json(path: Path) -> None:
    config = configs.read(path)
    if not isinstance(config, dict) or "class_name" not in config:
        raise ModelError(
            f"{str(path)!r} has no `class_name`: no model's configuration. Write it with `model.to_json()`."
        )


def _received(path: Path, start: bytes | None = None) -> str:
    size = f"{path.stat().st_size} bytes"
    return f"Received {size}." if start is None else f"Received {size} that begin with {start!r}."


def _diagnosis(error: BaseException, path: Path) -> str:
    """What Keras' error means for whoever has the file."""
    chain = reasons.chain_of(error)
    if own := [str(e) for e in chain if isinstance(e, ModelError)]:
        return own[0]
    if any("safe_mode" in str(e) for e in chain):
        return "Keras doesn't load all that it contains (safe_mode). If you trust whoever made it, add --trust."
    return reasons.diagnose(error, path)


def _kind(value: object) -> str:
    return f"a {type(value).__module__}.{type(value).__qualname__}"
