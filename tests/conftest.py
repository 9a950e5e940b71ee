"""What all tests share: quiet backends, and no trace of one test in the next."""

import gc
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Before anything imports Keras: TensorFlow reads them once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

# CI says the same of the same commit: other examples are looked for in every run by hand, and at night.
settings.register_profile(
    "tracer",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="TRACER_SAME_EXAMPLES" in os.environ,
)
settings.load_profile("tracer")


def pytest_collection_finish() -> None:
    """Leave what is there by now, the backend above all, out of every later garbage collection: it is there to stay.

    Walking through it takes 0.2 s, which is longer than most tests.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def keras_as_it_was() -> Iterator[None]:
    """Keras numbers names and registers classes process-wide: no test may see what the one before it left."""
    if "keras" not in sys.modules:
        yield
        return
    import keras

    keras.backend.clear_session(free_memory=False)  # what is free is collected when Python sees fit
    known = dict(keras.saving.get_custom_objects())
    yield
    kept = {name: thing for name, thing in keras.saving.get_custom_objects().items() if _is_installed(thing)}
    keras.saving.get_custom_objects().clear()
    keras.saving.get_custom_objects().update({**known, **kept})


def _is_installed(thing: object) -> bool:
    """Whether a package registered it, KerasHub say: a package is imported, and so registers, once in a process."""
    file = getattr(sys.modules.get(getattr(thing, "__module__", "")), "__file__", None) or ""
    return "site-packages" in file
