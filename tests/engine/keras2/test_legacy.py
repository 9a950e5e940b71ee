"""`tf_keras` under the name `keras`: one module each, whichever name it is asked for by."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import tracer
from tracer.engine.keras2 import legacy

_ADOPT = """
import sys
sys.path.insert(0, {package!r})
from tracer.engine.keras2 import legacy
legacy.adopt()
"""
# As in the real one: code of its own asks for the long name, and a module says where it was found.
_FILES = {
    "__init__.py": "from tf_keras.src.layers import Dense\n__version__ = '2.19.0'\n",
    "src/__init__.py": "",
    "src/layers/__init__.py": "class Dense: pass\nfrom tf_keras.src.layers import cell\n",
    "src/layers/cell.py": "from tf_keras.src.layers import Dense\n",  # of a module that isn't done yet
    "layers/__init__.py": "from tf_keras.src.layers import Dense\n",
}


def _said(folder: Path, code: str, name: str = "tf_keras") -> list[str]:
    for path, text in _FILES.items():
        file = folder / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    start = _ADOPT.format(package=str(Path(tracer.__file__).parents[1]))
    # -S: no `site-packages`, and so no other Keras.
    command = [sys.executable, "-S", "-c", start + code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split()


def test_it_is_keras_and_its_classes_are_those_of_keras(tmp_path: Path) -> None:
    code = "import keras, keras.layers; print(keras.__version__, keras.layers.Dense.__module__, keras.__name__)"
    assert _said(tmp_path, code) == ["2.19.0", "keras.src.layers", "keras"]


def test_both_names_are_one_module_in_either_order(tmp_path: Path) -> None:
    for first, second in (("keras", "tf_keras"), ("tf_keras", "keras")):
        code = (
            f"import {first}.src.layers as a, {second}.src.layers as b, {second}.layers, sys\n"
            f"print(a is b, {second}.layers.Dense is a.Dense, sys.modules['keras'] is sys.modules['tf_keras'])"
        )
        assert _said(tmp_path, code) == ["True", "True", "True"]


def test_a_module_that_it_lacks_is_missing_as_ever(tmp_path: Path) -> None:
    code = "try: import keras.src.nothing\nexcept ModuleNotFoundError as error: print(error.name)"
    assert _said(tmp_path, code) == ["keras.src.nothing"]
    code = "try: from tf_keras.src.layers import nothing\nexcept ImportError as error: print(type(error).__name__)"
    assert _said(tmp_path, code) == ["ImportError"]


def test_where_there_is_a_keras_it_stays(tmp_path: Path) -> None:
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text("__version__ = '3.15.1'\n")
    assert _said(tmp_path, "import keras; print(keras.__version__)") == ["3.15.1"]
    before = list(sys.meta_path)
    legacy.adopt()  # in this process, whose Keras is installed
    assert sys.meta_path == before
    assert _said(tmp_path, "print(any('legacy' in type(each).__module__ for each in sys.meta_path))") == ["False"]
