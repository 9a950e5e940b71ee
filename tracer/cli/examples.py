"""What `tracer COMMAND --help` shows as examples."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

EXAMPLES: Final = MappingProxyType(
    {
        "roundtrip": """\
tracer roundtrip my_model.keras
tracer roundtrip EfficientNetB0@3.4.1 --format keras --html b0.html""",
        "diff": """\
tracer diff trained.keras deployed.h5 --inputs batch.npz
tracer diff m.keras@3.4.1 m.keras@3.15.1+jax""",
        "fix": """\
tracer fix m.keras --as-trained -o fixed.keras
tracer fix m.h5 --like m.keras -o fixed.h5""",
        "record": """\
tracer record EfficientNetB0 --fixtures goldens
tracer record my_package.models:build --no-witness""",
        "check": """\
tracer check
tracer check EfficientNetB0@3.4.1+jax --html check.html --junit check.xml""",
        "matrix": """\
tracer matrix m.keras --keras 3.4.1,3.6.0,latest --format keras,h5
tracer matrix m.keras --keras minors --backend tensorflow,jax --html matrix.html""",
        "bisect": "tracer bisect m.keras --good 3.6.0 --bad 3.5.0 --format keras",
        "show": """\
tracer show report.json
tracer show report.json efficientnetb0/normalization""",
    }
)
