"""What all tests share: quiet backends, and property tests that don't fail for a slow machine."""

import os

from hypothesis import HealthCheck, settings

# Before anything imports Keras: TensorFlow reads them once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

settings.register_profile("tracer", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tracer")
