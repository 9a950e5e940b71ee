"""What all tests share: quiet backends, and no trace of one test in the next."""

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Before anything imports Keras: TensorFlow reads them once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

settings.register_profile("tracer", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tracer")


@pytest.fixture(autouse=True)
def keras_as_it_was() -> Iterator[None]:
    """Keras numbers names and registers classes process-wide: no test may see what the one before it left."""
    if "keras" not in sys.modules:
        yield
        return
    import keras

    keras.backend.clear_session()
    known = dict(keras.saving.get_custom_objects())
    yield
    keras.saving.get_custom_objects().clear()
    keras.saving.get_custom_objects().update(known)
