"""Python imports a module of this name when it starts: this one notes which Keras a user's command imports.

It lies first on the path of `matrix --run COMMAND`.  The shell finds a program such as `pytest`, which the environment
lacks, in another one, with another Keras: what it says isn't about the release that was asked for.

Standard library only, and nothing of this package.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - where Python found it, links stay


class NotesKeras(MetaPathFinder):
    """Finds nothing; writes down where the first `keras` that is asked for will be found."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """See `importlib.abc.MetaPathFinder`."""
        if fullname == "keras":
            sys.meta_path.remove(self)
            found = PathFinder.find_spec(fullname)
            if found is not None:
                with contextlib.suppress(OSError), open(os.environ["TRACER_COMMAND_NOTES"], "a") as notes:  # noqa: PTH123
                    notes.write(f"{found.origin}\n")
        return None


def run_the_hidden_one() -> None:
    """A module of this name that lies further down the path would have been imported, if this one weren't there."""
    paths = [path for path in sys.path if os.path.abspath(path) != _HERE]  # noqa: PTH100
    spec = PathFinder.find_spec("sitecustomize", paths)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


if __name__ == "sitecustomize":
    if os.environ.get("TRACER_COMMAND_NOTES"):
        sys.meta_path.insert(0, NotesKeras())
    run_the_hidden_one()
