"""The one public door: what `tracer` exports, and nothing else."""

import tracer

_PUBLIC = {
    "DivergenceError",
    "Fault",
    "LayerReport",
    "Report",
    "TracerError",
    "__version__",
    "check",
    "diff",
    "fix",
    "probe",
    "roundtrip",
}


def test_public_names_are_pinned() -> None:
    assert set(tracer.__all__) == _PUBLIC
    assert len(tracer.__all__) == len(_PUBLIC)


def test_public_names_exist_and_are_described() -> None:
    for name in tracer.__all__:
        exported = getattr(tracer, name)
        assert isinstance(exported, str) or (callable(exported) and exported.__doc__), name
