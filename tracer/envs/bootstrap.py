"""Run as a script by the Python of another environment: it gets this package, and nothing else of where that lies.

`python -P bootstrap.py MODULE ARGUMENT…` runs a module of this package as `python -m MODULE ARGUMENT…` would.  The
folder that holds the package isn't put on the path: once installed it is `site-packages`, with another Keras in it.

Standard library only, and nothing of this package, which can't be imported before this has run.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


class OnlyThisPackage(MetaPathFinder):
    """Finds this package in its folder; its modules are then found there, and everything else as ever."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """See `importlib.abc.MetaPathFinder`."""
        if fullname != _PACKAGE.name:
            return None
        start = _PACKAGE / "__init__.py"
        return importlib.util.spec_from_file_location(fullname, start, submodule_search_locations=[str(_PACKAGE)])


if __name__ == "__main__":
    sys.meta_path.insert(0, OnlyThisPackage())
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
