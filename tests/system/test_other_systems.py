"""What needs no other process runs where POSIX' own modules don't exist."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SCRIPT = """
import sys
sys.modules.update(dict.fromkeys(("fcntl", "resource", "termios", "pwd", "grp")))  # as where they don't exist
import keras, numpy as np, tracer
inputs = keras.Input((3,))
model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
print(tracer.diff(model, model, np.ones((2, 3), "float32")).status)
from tracer.system.leftovers import temporary_folder
with temporary_folder() as folder:
    print(folder.is_dir())
print(folder.is_dir())
model.save(sys.argv[1])
print(tracer.diff(sys.argv[1], model, np.ones((2, 3), "float32")).status)
"""


@pytest.mark.slow
def test_a_diff_in_one_process_needs_no_posix(tmp_path: object) -> None:
    command = [sys.executable, "-c", _SCRIPT, f"{tmp_path}/m.keras"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.split() == ["pass", "True", "False", "pass"], done.stderr
