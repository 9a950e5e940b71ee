"""fix: where the wanted model fails on what it is fed, the inputs are the first suspect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.errors import ModelError


def lookup() -> Any:
    x = keras.Input((3,), dtype="int32", name="ids")
    return keras.Model(x, layers.Embedding(5, 2, name="table")(x))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="other backends look up ids beyond a table")
def test_ids_beyond_the_table_are_suspected_and_not_the_file(tmp_path: Path) -> None:
    file = tmp_path / "m.keras"
    lookup().save(file)
    with pytest.raises(ModelError, match=r"The reference itself fails on these inputs.*given: ids \(2, 3\) int32"):
        tracer.fix(str(file), str(tmp_path / "fixed.keras"), like=lookup(), inputs=np.full((2, 3), 9))
    assert not (tmp_path / "fixed.keras").exists()
