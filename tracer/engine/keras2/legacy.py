"""`tf-keras` as the Keras of this process: it is Keras 2 for newer releases of TensorFlow, under another name.

Its modules are loaded under the name `keras`, which is asked for throughout, and whoever asks for `tf_keras`, as
TensorFlow does and as all of its own code does, gets these very modules: `keras.layers.Dense` is one class, of the
module that it has in Keras 2.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_OTHER = "tf_keras"


def adopt() -> None:
    """Have `import keras` give tf-keras, where that is installed and no Keras is; else nothing happens."""
    if importlib.util.find_spec("keras") is None and importlib.util.find_spec(_OTHER) is not None:
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds `keras` where tf-keras lies, and its other name in it; the modules of `keras` are found as ever."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        if fullname == "keras":
            there = PathFinder.find_spec(_OTHER, path)
            if there is None:
                return None
            places = there.submodule_search_locations
            return importlib.util.spec_from_file_location(fullname, there.origin, submodule_search_locations=places)
        is_other = fullname.partition(".")[0] == _OTHER
        return ModuleSpec(fullname, _OfTheSameName(), is_package=True) if is_other else None


class _OfTheSameName(Loader):
    """Loads `tf_keras.layers` by importing `keras.layers`: they are one module."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """See `importlib.abc.Loader`.

        What is imported here may ask for `tf_keras.layers` itself, and gets as much of it as is there by then.
        """
        own = spec.name.removeprefix("tf_")
        try:
            module = importlib.import_module(own)
        except ModuleNotFoundError as missing:
            if missing.name != own:
                raise
            raise ModuleNotFoundError(f"No module named {spec.name!r}", name=spec.name) from missing
        self._found_as = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """See `importlib.abc.Loader`; it was executed before, and is what it was found as."""
        module.__spec__ = self._found_as
