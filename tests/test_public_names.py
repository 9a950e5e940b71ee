"""The one public door: what `tracer` exports, and nothing else."""

import pydoc

import tracer

_PUBLIC = {
    "DivergenceError",
    "Fault",
    "LayerReport",
    "Report",
    "TracerError",
    "__version__",
    "audit",
    "check",
    "diff",
    "fix",
    "migrate",
    "probe",
    "roundtrip",
    "verified_save",
}


def test_public_names_are_pinned() -> None:
    assert set(tracer.__all__) == _PUBLIC
    assert len(tracer.__all__) == len(_PUBLIC)


def test_public_names_exist_and_are_described() -> None:
    for name in tracer.__all__:
        exported = getattr(tracer, name)
        assert isinstance(exported, str) or (callable(exported) and exported.__doc__), name


def test_dir_and_help_show_the_verbs() -> None:
    """They are imported when first used, and yet are seen before."""
    page = pydoc.render_doc(tracer, renderer=pydoc.plaintext)
    for name in ("audit", "check", "diff", "fix", "migrate", "probe", "roundtrip", "verified_save"):
        assert name in dir(tracer)
        assert f"    {name}(" in page.partition("FUNCTIONS")[2], name
        assert f"    {name}(" in (tracer.__doc__ or ""), name
