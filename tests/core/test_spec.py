"""`tracer.core.spec`: text → what to build."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tracer.core.spec import BACKENDS, ModelSpec, parse_spec
from tracer.errors import SpecError

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
modules = st.lists(names, min_size=1, max_size=3).map(".".join)
callables = st.builds("{}:{}".format, modules, modules)
files = st.builds(
    "{}{}".format,
    st.text(alphabet="abc@+:. -0123456789/é", min_size=1, max_size=20),
    st.sampled_from([".keras", ".h5", ".hdf5", ".json", ".KERAS"]),
)
releases = st.none() | st.sampled_from(
    ["latest", "nightly", "tf-keras", "3.4.1", "3", "3.12.0rc1", "3.14.0.dev202601010000"]
)
backends = st.none() | st.sampled_from(BACKENDS)


@given(target=names | callables | files, release=releases, backend=backends)
def test_str_parses_back_to_an_equal_spec(target: str, release: str | None, backend: str | None) -> None:
    assume(".py:" not in target)
    tail = f"{release or ''}{f'+{backend}' if backend else ''}"
    spec = parse_spec(f"{target}@{tail}" if tail else target)
    assert (spec.target, spec.release, spec.backend) == (target, release, backend)
    assert parse_spec(str(spec)) == spec


@given(st.text(max_size=30) | st.text(alphabet="aB0.:@+/-", max_size=12))
def test_any_text_is_a_spec_or_a_spec_error(text: str) -> None:
    try:
        spec = parse_spec(text)
    except SpecError as error:
        assert repr(text) in str(error)
    else:
        assert parse_spec(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "kind", "target", "release", "backend"),
    [
        ("EfficientNetB0", "application", "EfficientNetB0", None, None),
        ("EfficientNetB0@3.4.1", "application", "EfficientNetB0", "3.4.1", None),
        ("EfficientNetB0@3.15.1+jax", "application", "EfficientNetB0", "3.15.1", "jax"),
        ("EfficientNetB0@latest", "application", "EfficientNetB0", "latest", None),
        ("EfficientNetB0@nightly+torch", "application", "EfficientNetB0", "nightly", "torch"),
        ("old.h5@tf-keras", "file", "old.h5", "tf-keras", None),
        ("EfficientNetB0@+tf", "application", "EfficientNetB0", None, "tensorflow"),
        ("m.keras", "file", "m.keras", None, None),
        ("path/m.h5@3.6.0", "file", "path/m.h5", "3.6.0", None),
        ("runs@home/m.keras", "file", "runs@home/m.keras", None, None),
        ("m@v2.keras", "file", "m@v2.keras", None, None),
        ("m@v2.keras@3.5", "file", "m@v2.keras", "3.5", None),
        ("./checkpoint", "file", "./checkpoint", None, None),
        ("tracer.zoo:tiny_sequential", "callable", "tracer.zoo:tiny_sequential", None, None),
        ("zoo:Models.small@3.0.5", "callable", "zoo:Models.small", "3.0.5", None),
    ],
)
def test_kinds(text: str, kind: str, target: str, release: str | None, backend: str | None) -> None:
    spec = parse_spec(text)
    assert (spec.text, spec.kind, spec.target, spec.release, spec.backend) == (text, kind, target, release, backend)


def test_existing_names_are_taken_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("best@3.4.1").write_bytes(b"")
    Path("saved").mkdir()
    Path("saved/config.json").write_text("{}")
    Path("exported").mkdir()
    Path("exported/saved_model.pb").write_bytes(b"")
    Path("EfficientNetB0").mkdir()
    assert parse_spec("best@3.4.1") == ModelSpec(text="", kind="file", target="best@3.4.1")
    assert parse_spec("best@3.4.1@3.6.0").release == "3.6.0"
    assert parse_spec("saved").kind == "file"
    assert parse_spec("saved@latest").kind == "file"
    assert parse_spec("exported").kind == "file"
    assert parse_spec("EfficientNetB0").kind == "application"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "non-empty text"),
        ("   ", "non-empty text"),
        ("EfficientNetB0@", "behind the `@`"),
        ("EfficientNetB0@3,4", "'3,4'"),
        ("EfficientNetB0@newest", "`latest`, `nightly` or `tf-keras`"),
        ("EfficientNetB0@3.4+theano", "unknown backend 'theano'"),
        ("EfficientNetB0@3.4+jaxx", "numpy, openvino. Did you mean jax?"),
        ("Efficient Net", "neither a `keras.applications` name"),
        ("my-model", "neither a `keras.applications` name"),
        ("pkg:", "package.module:callable"),
        ("@3.4.1", "neither a `keras.applications` name"),
        ("models/zoo.py:build", "write models.zoo:build"),
    ],
)
def test_bad_text_says_what_was_received(text: str, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(text)
    assert says in str(caught.value)
    assert repr(text) in str(caught.value)


def test_spec_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse_spec("EfficientNetB0").target = "x"  # type: ignore[misc]
