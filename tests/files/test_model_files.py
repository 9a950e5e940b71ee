"""Model files from strangers: refused before any Keras sees them, and harmless ones are not."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import canaries
import h5py
import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.core.spec import parse_spec
from tracer.core.trust.names import FUNCTIONS
from tracer.core.trust.screening import Allowed, Kind, screen
from tracer.engine import compat, keras3
from tracer.engine.model.build import _check_hdf5, build
from tracer.errors import ModelError, TrustError
from tracer.files import archives
from tracer.files.screening import screen_file


def refusal(path: Path) -> str:
    with pytest.raises(TrustError) as caught:
        build(parse_spec(str(path)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.slow
def test_every_canary_is_refused_and_none_sings(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    files = canaries.write_all(tmp_path, marker)
    for path in files:
        assert path.name in refusal(path)
    assert len(files) == 54
    assert not marker.exists() and not (tmp_path.parent / "outside.txt").exists()


def test_a_canary_without_its_payload_passes(tmp_path: Path) -> None:
    assert screen_file(canaries.write_archive(tmp_path / "m.keras", canaries.harmless())) == ()
    assert screen_file(canaries.write_legacy(tmp_path / "m.h5", canaries.harmless())) == ()
    (tmp_path / "m.json").write_text(json.dumps(canaries.harmless()))
    assert build(parse_spec(str(tmp_path / "m.json"))).name == "canary"


def test_a_saved_model_is_a_program(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    (found,) = screen_file(tmp_path)
    assert found.kind is Kind.CODE and str(found).startswith("saved_model.pb: a SavedModel is a program")


def test_screening_imports_no_keras(tmp_path: Path) -> None:
    path = canaries.write_archive(tmp_path / "m.keras", canaries.harmless())
    program = (
        "import sys; from pathlib import Path; from tracer.files.screening import screen_file; "
        "print(screen_file(Path(sys.argv[1])), 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "() False"


def test_a_lambda_says_how_it_is_trusted_and_is_loaded_then(tmp_path: Path) -> None:
    x = keras.Input((3,))
    for name in ("m.keras", "m.h5"):
        keras.Model(x, layers.Lambda(lambda t: t * 2, name="twice", output_shape=(3,))(x)).save(tmp_path / name)
        message = refusal(tmp_path / name)
        assert "layer 'twice': Python code" in message and "add --trust" in message
        model = build(parse_spec(str(tmp_path / name)), trust=True)
        np.testing.assert_array_equal(np.asarray(model(np.ones((1, 3), "float32"))), [[2, 2, 2]])


def test_a_round_trip_of_a_lambda_needs_trust_too() -> None:
    x = keras.Input((3,))
    model = keras.Model(x, layers.Lambda(lambda t: t * 2, name="twice", output_shape=(3,))(x))
    for format in ("keras", "h5", "weights"):
        with pytest.raises(ModelError, match="add --trust"):
            tracer.roundtrip(model, format=format, same_process=True)
        assert tracer.roundtrip(model, format=format, same_process=True, trust=True).matches


def plain() -> keras.Model:
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(2, name="out")(x))


def folder(path: Path) -> Path:
    plain().save(path.with_suffix(".keras"))
    with zipfile.ZipFile(path.with_suffix(".keras")) as archive:
        archive.extractall(path)
    return path


def test_a_folder_of_plain_files_passes_and_links_and_devices_do_not(tmp_path: Path) -> None:
    model = folder(tmp_path / "model")
    assert screen_file(model) == ()
    (model / "inside").symlink_to(model / "config.json")
    assert screen_file(model) == ()
    (model / "assets").symlink_to("/etc")
    assert "'assets' is a link that leads out of it" in refusal(model)
    (model / "assets").unlink()
    (model / "zero").symlink_to("/dev/zero")
    assert "'zero' is a link" in refusal(model)
    (model / "zero").unlink()
    os.mkfifo(model / "pipe")
    assert "'pipe' is no file, but a device or a pipe" in refusal(model)


def test_a_folder_in_the_cache_of_the_hugging_face_hub_consists_of_links(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b" / "snapshots" / "1f3c"
    for place in (blobs, snapshot):
        place.mkdir(parents=True)
    for number, file in enumerate(folder(tmp_path / "model").iterdir()):
        file.rename(blobs / str(number))
        (snapshot / file.name).symlink_to(Path("../../blobs") / str(number))
    assert screen_file(snapshot) == () and build(parse_spec(str(snapshot))).count_params() == 10
    (tmp_path / "elsewhere").write_text("x")
    (snapshot / "more").symlink_to(tmp_path / "elsewhere")
    assert "'more' is a link that leads out of it" in refusal(snapshot)
    (snapshot / "more").unlink()
    os.mkfifo(blobs / "pipe")
    (snapshot / "more").symlink_to(blobs / "pipe")
    assert "'more' is no file, but a device or a pipe" in refusal(snapshot)


def test_a_pipe_as_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.keras")
    started = time.monotonic()
    with pytest.raises(ModelError, match="is no file, but a device, a pipe"):
        build(parse_spec(str(tmp_path / "m.keras")))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("suffix", [".json", ".keras", ".h5"])
def test_a_configuration_that_would_fill_all_memory_is_not_read(suffix: str, tmp_path: Path) -> None:
    """A list takes thirty times its text, and text of one kind is packed to a thousandth."""
    bomb = '{"class_name": "Sequential", "config": [' + "[]," * 6_000_000 + "[]]}"
    path = tmp_path / f"m{suffix}"
    if suffix == ".keras":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("config.json", bomb)
        assert path.stat().st_size < 1 << 17
    elif suffix == ".h5":
        with h5py.File(path, "w", libver="latest") as file:  # the older format holds no attribute of more than 64 kB
            file.attrs["model_config"] = bomb
    else:
        path.write_text(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=r"its configuration takes \d+ MB to read, which no model needs"):
            build(parse_spec(str(path)))
        assert tracemalloc.get_traced_memory()[1] < 5 * len(bomb)
    finally:
        tracemalloc.stop()


def test_a_huge_text_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "m.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ModelError, match="its configuration has 1099511627776 bytes, which no model needs"):
        build(parse_spec(str(tmp_path / "m.json")))


def test_a_device_is_no_part_of_a_model_whoever_is_trusted(tmp_path: Path) -> None:
    """A link to /dev/zero would be packed until the disk is full."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text(json.dumps(canaries.harmless()))
    (tmp_path / "m" / "model.weights.h5").symlink_to("/dev/zero")
    with pytest.raises(ModelError, match=r"'model\.weights\.h5' in it is no file"):
        build(parse_spec(str(tmp_path / "m")), trust=True)


@pytest.mark.parametrize("suffix", [".json", ".keras"])
def test_deep_json_is_no_model(suffix: str, tmp_path: Path) -> None:
    deep = '{"class_name": "Sequential", "config":' + "[" * 100_000 + "]" * 100_000 + "}"
    path = tmp_path / f"m{suffix}"
    path.write_text(deep)
    if suffix == ".keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", deep)
    with pytest.raises(ModelError, match="nested too deeply"):
        build(parse_spec(str(path)))


def test_an_archive_that_unpacks_to_more_than_it_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SLACK", 1 << 20)  # a gigabyte takes seconds to pack
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(canaries.harmless()))
        with archive.open("model.weights.h5", "w", force_zip64=True) as member:
            for _ in range(11):
                member.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 17
    (found,) = screen_file(path)
    assert found.kind is Kind.SIZE and found.what.startswith("it claims 11 MB, in ")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_weights_are_screened_however_they_are_packed(method: int, tmp_path: Path) -> None:
    path = canaries.write_archive(tmp_path / "m.keras", canaries.harmless(), canaries.weights("virtual"))
    with zipfile.ZipFile(path) as stored, zipfile.ZipFile(tmp_path / "p.keras", "w", method) as packed:
        for name in stored.namelist():
            packed.writestr(name, stored.read(name))
    (found,) = screen_file(tmp_path / "p.keras")
    assert (found.kind, found.place) == (Kind.PATH, "model.weights.h5: /kernel")


def test_a_part_of_a_file_is_read_as_a_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("before", b"x" * 100)
        archive.writestr("it", b"0123456789")
        archive.writestr("after", b"y" * 100)
    with (
        zipfile.ZipFile(tmp_path / "a.zip") as archive,
        archives.member_as_file(archive, tmp_path / "a.zip", "it") as part,
    ):
        assert part.read() == b"0123456789" and part.read(1) == b""
        assert part.seek(-3, os.SEEK_END) == 7 and part.read(9) == b"789"
        assert part.seek(2) == 2 and part.read(2) == b"23" and part.tell() == 4


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_damaged_weights_are_said_to_be_damaged(cut: float, tmp_path: Path) -> None:
    plain().save(tmp_path / "m.h5")
    whole = (tmp_path / "m.h5").read_bytes()
    at = int(len(whole) * cut)
    (tmp_path / "m.h5").write_bytes(whole[:at] + b"\xff" * (len(whole) - at))
    with pytest.raises(ModelError, match=r"damaged|can't be loaded|holds weights alone|isn't JSON"):
        build(parse_spec(str(tmp_path / "m.h5")))


def test_a_configuration_of_odd_bytes_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs.create("model_config", '{"name"}', dtype=h5py.string_dtype())
    path.write_bytes(path.read_bytes().replace(b'{"name"}', b'{"na\xffe"}'))
    with pytest.raises(ModelError, match="its configuration isn't JSON"):
        build(parse_spec(str(tmp_path / "m.h5")))


def test_an_attribute_that_h5py_can_t_make_out_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so by a RuntimeError."""
    monkeypatch.setattr("tracer.files.trial.check", lambda path: None)  # a process for each would take long
    whole = bytearray(canaries.write_legacy(tmp_path / "m.h5", canaries.harmless()).read_bytes())
    said = set()
    for at in range(whole.index(b"model_config") - 40, whole.index(b"model_config")):
        (tmp_path / "m.h5").write_bytes(whole[:at] + bytes((whole[at] ^ 0xF0,)) + whole[at + 1 :])
        try:
            _check_hdf5(tmp_path / "m.h5", bytes(whole[:8]))
        except ModelError as error:
            said.add(type(error.__cause__))
    assert {RuntimeError, KeyError} <= said


@pytest.mark.slow
def test_no_kind_of_model_is_refused(tmp_path: Path) -> None:
    """Every kind of the table, in every kind of file that it can be saved in."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "quality"))
    try:
        from kinds import KINDS
    finally:
        sys.path.pop(0)
    screened = 0
    for kind, made in KINDS.items():
        model = made()
        # A fresh process has imported no KerasHub.
        own = Allowed(objects=frozenset(n for n in compat.dialect().registered_names() if not n.startswith("keras_")))
        for suffix in (".keras", ".h5", ".json"):
            path = tmp_path / f"{kind}{suffix}"
            try:
                path.write_text(model.to_json()) if suffix == ".json" else model.save(path)
            except ValueError:  # what Keras can't save so is another table's
                continue
            assert screen_file(path, own) == (), path.name
            screened += 1
    print(f"{screened} files of {len(KINDS)} kinds of models, none refused")
    assert screened >= 100


def classes_below(base: type) -> Iterator[type]:
    for inner in base.__subclasses__():
        if inner.__module__.partition(".")[0] in ("keras", "keras_hub"):
            yield inner
            yield from classes_below(inner)


def test_the_classes_of_keras_are_allowed_wherever_they_are_defined() -> None:
    """Also those that only an application has, such as ConvNeXt's `LayerScale`."""
    saving = keras3.module("keras.src.saving.serialization_lib")
    bases = (keras3.module("keras.src.saving.keras_saveable").KerasSaveable, keras.initializers.Initializer)
    bases += (
        keras.regularizers.Regularizer,
        keras.constraints.Constraint,
        keras.optimizers.schedules.LearningRateSchedule,
    )
    found = {made for base in bases for made in classes_below(base) if not made.__name__.startswith("_")}
    for made in found - {keras3.module("keras.src.backend.tensorflow.optimizer").TFOptimizer}:  # abstract
        plain = {"module": made.__module__, "class_name": made.__name__, "registered_name": made.__name__, "config": {}}
        for written in (plain, saving.serialize_with_public_class(made, {}) or plain):
            is_code = made.__name__ in ("TFSMLayer", "TorchModuleWrapper")
            assert bool(screen(written, Allowed())) == is_code, written
    assert len(found) > 500


def test_the_functions_of_keras_are_allowed() -> None:
    """What Keras writes with the module `builtins` is a list: it has to know the functions of this release."""
    for room in ("activations", "losses", "metrics"):
        for name, value in vars(getattr(keras, room)).items():
            if inspect.isfunction(value) and name not in ("get", "serialize", "deserialize"):
                assert name in FUNCTIONS, name
