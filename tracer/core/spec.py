"""What to build, as text: `MODEL[@RELEASE][+BACKEND]` read into a frozen `ModelSpec`.

EfficientNetB0                    a `keras.applications` name, seeded weights
runs/best.keras                   a file, or a folder that Keras can load
package.module:callable           a callable without arguments that returns a model
EfficientNetB0@3.4.1              … in that Keras release
m.h5@3.15.1+jax, m.h5@+jax        … in that release and on that backend; on that backend
m.h5@latest, m.h5@nightly         … in the newest release; in the nightly
m.h5@tf-keras, m.h5@2.19.0        … in Keras 2 as `tf-keras` has it, for newer TensorFlow and Python
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tracer.errors import SpecError

Kind = Literal["application", "file", "callable"]

_IN_MODELS = ("config.json", "saved_model.pb")  # of folders: an unpacked .keras file, and a SavedModel
MODEL_SUFFIXES = (".keras", ".h5", ".hdf5", ".json")
BACKENDS = ("tensorflow", "jax", "torch", "numpy", "openvino")

_EXAMPLES = "Examples: EfficientNetB0, runs/best.keras, package.module:callable, EfficientNetB0@3.4.1, m.h5@3.15.1+jax."
_RELEASE = r"\d+(?:\.\d+)*(?:(?:a|b|rc|\.dev|\.post)\d+)*|latest|nightly|tf-keras"
_ENVIRONMENT = re.compile(rf"(?P<release>{_RELEASE})?(?:\+(?P<backend>[a-z]+))?")
_ALIASES = (("tf", "tensorflow"), ("pytorch", "torch"))
_NAME = r"[^\W\d]\w*"
_CALLABLE = re.compile(rf"{_NAME}(?:\.{_NAME})*:{_NAME}(?:\.{_NAME})*")
_PYTHON_FILE = re.compile(r"(?P<file>.+)\.py:(?P<attribute>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """What to build, and where. `str()` of it is its canonical text, which `parse_spec` reads back to an equal spec.

    Attributes:
        text: as it was given; no part of the comparison of two specs.
        kind: `application`, `file` or `callable`.
        target: the name in `keras.applications`, the path, or `package.module:callable`.
        release: a Keras release (`3.4.1`), `latest`, `nightly`, `tf-keras`, or None for the Keras at hand.
        backend: one of `BACKENDS`, or None for the backend at hand.
    """

    text: str = field(compare=False)
    kind: Kind
    target: str
    release: str | None = None
    backend: str | None = None

    def __str__(self) -> str:
        backend = f"+{self.backend}" if self.backend else ""
        tail = f"{self.release or ''}{backend}"
        return f"{self.target}@{tail}" if tail else self.target


def parse_spec(text: str) -> ModelSpec:
    """Reads `MODEL[@RELEASE][+BACKEND]`. Only looks whether a file is there; loads and imports nothing.

    A `@` in a file's own name is kept: the name of something that exists is taken as it stands, and what stands
    behind a `@` is only a release when it can't be the rest of a file's name.

    Args:
        text: the specification, see the top of this module.

    Returns:
        The spec; whether its application, file or callable exists is found out when it is built.

    Raises:
        SpecError: if `text` is none of the three kinds, or its release or backend can't be understood.
    """
    if not isinstance(text, str) or not text.strip():
        raise SpecError(f"a model specification is a non-empty text; received {text!r}. {_EXAMPLES}")
    if _exists(text):
        return ModelSpec(text=text, kind="file", target=text)
    target, release, backend = _split(text)
    return ModelSpec(text=text, kind=_kind(target, text), target=target, release=release, backend=backend)


def nearest(name: str, names: Iterable[str]) -> str:
    """` Did you mean …?` with the names that are near; "" where none is."""
    lowered = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name.lower().replace("_", ""), lowered, n=3)
    close = close or difflib.get_close_matches(name.lower(), lowered, n=3)
    return f" Did you mean {' or '.join(lowered[each] for each in close)}?" if close else ""


def missing_file(target: str) -> str:
    """What is said of a model file that isn't there."""
    return f"model file {str(Path(target))!r} does not exist (looked in {Path.cwd()})."


def missing_attribute(target: str, module: str, attribute: str, names: Iterable[str]) -> str:
    """What is said of a callable that its module doesn't have."""
    return f"model {target}: {module} has no {attribute!r}.{nearest(attribute, (n for n in names if n[:1] != '_'))}"


def unknown_application(name: str, names: Iterable[str], release: str) -> str:
    """What is said of a name that is in no `keras.applications` of a release."""
    return (
        f"{name!r} is not in keras.applications of Keras {release}.{nearest(name, names)} "
        f"A file is named with its suffix ({', '.join(MODEL_SUFFIXES)}), a callable as package.module:callable."
    )


def _exists(target: str) -> bool:
    """Whether `target` names a file, or a folder meant as a model.

    A folder that merely has the name of an application (such as a folder of fixtures) doesn't hide the application.
    """
    if not target:  # an empty path would be the current folder
        return False
    try:
        path = Path(target)
        if path.is_dir():
            return not target.isidentifier() or any((path / name).exists() for name in _IN_MODELS)
        return path.exists()
    except OSError:  # such as a name that is too long for any file
        return False


def _looks_like_file(target: str) -> bool:
    has_separator = "/" in target or os.sep in target
    return has_separator or target.lower().endswith(MODEL_SUFFIXES) or _exists(target)


def _split(text: str) -> tuple[str, str | None, str | None]:
    """`target@release+backend` in its parts."""
    target, at, tail = text.rpartition("@")
    # "runs@home/m.keras", "m@v2.keras": this `@` is inside a path.
    if not at or "/" in tail or os.sep in tail or tail.lower().endswith(MODEL_SUFFIXES):
        return text, None, None
    match = _ENVIRONMENT.fullmatch(tail)
    if not tail or match is None:
        raise SpecError(
            f"model specification {text!r}: what stands behind the `@` has to be a Keras release, `latest`, `nightly` "
            f"or `tf-keras`, with `+BACKEND` behind it if wanted; received {tail!r}. {_EXAMPLES}"
        )
    return target, match["release"], _backend(match["backend"], text)


def _backend(name: str | None, text: str) -> str | None:
    if name is None:
        return None
    name = dict(_ALIASES).get(name, name)
    if name not in BACKENDS:
        known = f"choose one of {', '.join(BACKENDS)}.{nearest(name, BACKENDS)}"
        raise SpecError(f"model specification {text!r}: unknown backend {name!r}; {known}")
    return name


def _kind(target: str, text: str) -> Kind:
    """Which of the three kinds `target` is."""
    python_file = _PYTHON_FILE.fullmatch(target)
    if python_file is not None and not _exists(target):
        module = python_file["file"].lstrip("./").replace("/", ".")
        raise SpecError(
            f"model specification {text!r}: a callable is named by its module, not its file; "
            f"write {module}:{python_file['attribute']} and run from the folder that it is imported from."
        )
    if _looks_like_file(target):
        return "file"
    if _CALLABLE.fullmatch(target):
        return "callable"
    if target.isidentifier():
        return "application"
    raise SpecError(
        f"model specification {text!r}: {target!r} is neither a `keras.applications` name, nor a model file "
        f"({', '.join(MODEL_SUFFIXES)}, or a path that exists), nor `package.module:callable`. {_EXAMPLES}"
    )
