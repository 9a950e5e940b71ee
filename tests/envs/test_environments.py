"""`tracer.envs.environments`: which Keras runs with which backend, and environments that are made once and kept."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tracer.envs import environments, registry, uv
from tracer.envs.environments import clean, listed, prepare, tensorflow_for
from tracer.envs.folders import cache_folder, locked
from tracer.envs.remote import RemoteHost
from tracer.envs.requirements import Recipe, recipe
from tracer.errors import SpecError, WorkerError

_NEWEST = {
    "keras": "3.15.1",
    "keras-nightly": "3.16.0.dev1",
    "tensorflow": "2.21.0",
    "jax": "0.10.2",
    "torch": "2.15.0",
}


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TRACER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("3.0.0", "2.16.2"),
        ("3.0.5", "2.16.2"),
        ("3.1.1", "2.16.2"),
        ("3.2.0", "2.17.1"),
        ("3.4.1", "2.17.1"),
        ("3.5.0", "2.19.1"),
        ("3.6.0", "2.19.1"),
        ("3.9.2", "2.19.1"),
        ("3.10.0", "2.20.0"),
        ("3.11.3", "2.20.0"),
        ("3.12.0", "2.21.0"),
        ("3.15.1", "2.21.0"),
        ("3", "2.16.2"),
        ("3.12.0rc1", "2.21.0"),
        ("3.99.0", None),  # newer than any measurement: the newest there is
        ("4.0.0", None),
        ("2.15.0", None),
        ("latest", None),
        ("nightly", None),
        (None, None),
    ],
)
def test_every_release_has_its_tensorflow(release: str | None, version: str | None) -> None:
    assert tensorflow_for(release) == version


@pytest.mark.parametrize(
    ("release", "backend", "packages", "expected"),
    [
        ("3.4.1", None, (), ("keras==3.4.1", "tensorflow==2.17.1")),
        ("3.4.1", "tensorflow", (), ("keras==3.4.1", "tensorflow==2.17.1")),
        ("3.6.0", "jax", (), ("jax==0.10.2", "keras==3.6.0")),
        ("3.6.0", "torch", (), ("keras==3.6.0", "torch==2.15.0")),
        ("3.0.0", "jax", (), ("jax==0.10.2", "keras==3.0.0", "packaging")),
        ("latest", None, (), ("keras==3.15.1", "tensorflow==2.21.0")),
        ("nightly", None, (), ("keras-nightly==3.16.0.dev1", "tensorflow==2.21.0")),
        ("3.4.1", None, ("tensorflow==2.16.2",), ("keras==3.4.1", "tensorflow==2.16.2")),
        (
            "3.4.1",
            None,
            ("Tensor_Flow==1", "pytest"),
            ("Tensor_Flow==1", "keras==3.4.1", "pytest", "tensorflow==2.17.1"),
        ),
    ],
)
def test_what_is_installed(release: str, backend: str | None, packages: Any, expected: Any) -> None:
    assert recipe(release, backend, packages, _NEWEST.__getitem__).requirements == expected


@pytest.mark.parametrize(
    ("release", "tensorflow", "python"),
    [("2.11.0", "2.11.1", "3.10"), ("2.13.1", "2.13.1", "3.11"), ("2.15.0", "2.15.1", "3.11")],
)
def test_keras_2_has_the_tensorflow_and_the_python_of_its_time(release: str, tensorflow: str, python: str) -> None:
    found = recipe(release, None, (), _NEWEST.__getitem__)
    assert found.requirements == (f"keras=={release}", f"tensorflow=={tensorflow}")
    assert (found.python, found.wanted.python, found.wanted.keras) == (python, python, release)
    assert recipe(release, None, ("tensorflow==2.15.0",), _NEWEST.__getitem__).requirements[1] == "tensorflow==2.15.0"


@pytest.mark.parametrize(
    ("release", "tensorflow"), [("2.16.0", "2.16.2"), ("2.19.0", "2.19.1"), ("tf-keras", "2.21.0")]
)
def test_from_2_16_on_keras_2_is_another_distribution_which_runs_on_any_python(release: str, tensorflow: str) -> None:
    found = recipe(release, None, (), {**_NEWEST, "tf-keras": "2.21.0"}.__getitem__)
    real = "2.21.0" if release == "tf-keras" else release
    assert found.requirements == (f"tensorflow=={tensorflow}", f"tf-keras=={real}")
    assert (found.distribution, found.python, found.release) == ("tf-keras", "", real)
    # What is imported there says that it is Keras 2.
    assert (found.wanted.keras, found.wanted.packages) == (real, {"tensorflow": tensorflow})
    with pytest.raises(SpecError, match=rf"Keras {release} runs on TensorFlow alone; received torch"):
        recipe(release, "torch", (), _NEWEST.__getitem__)


def test_a_keras_2_that_no_table_knows_brings_its_own_tensorflow() -> None:
    assert recipe("2.30.0", None, (), _NEWEST.__getitem__).requirements == ("tensorflow", "tf-keras==2.30.0")


def test_what_has_no_environment_is_said() -> None:
    with pytest.raises(SpecError, match="backend 'numpy' has no environments; choose one of tensorflow, jax, torch"):
        recipe("3.4.1", "numpy", (), _NEWEST.__getitem__)
    with pytest.raises(SpecError, match=r"Keras 2.10.0 can't be traced: of Keras 2, the releases from 2.11 on can"):
        recipe("2.10.0", None, (), _NEWEST.__getitem__)
    with pytest.raises(SpecError, match=r"Keras 2.15.0 runs on TensorFlow alone; received jax"):
        recipe("2.15.0", "jax", (), _NEWEST.__getitem__)
    with pytest.raises(SpecError, match="'==3' is no requirement"):
        recipe("3.4.1", None, ("==3",), _NEWEST.__getitem__)


def test_without_uv_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delitem(sys.modules, "uv", raising=False)
    uv.find_python.cache_clear()
    with pytest.raises(WorkerError, match=r"pip install 'keras-layer-tracer\[envs\]'"):
        prepare("3.4.1", None)


# --- made once, kept, shared.  What is installed is a tiny package of the test's own: nothing is fetched.


@pytest.fixture
def installs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the installation by two empty modules; what was asked for."""
    asked: list[str] = []

    def install(wanted: Recipe, folder: Path, what: str, progress: Any) -> None:
        asked.append(wanted.release)
        time.sleep(0.2)
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "keras.py").write_text(f"__version__ = {wanted.release!r}\n")
        (site / "h5py.py").write_text("" if wanted.release != "3.3.3" else "raise ImportError('no hdf5 library')\n")

    monkeypatch.setattr(environments, "_install", install)
    return asked


def test_an_environment_is_made_once_and_its_python_runs_after_the_rename(installs: list[str]) -> None:
    told: list[str] = []
    for _ in range(2):
        start = prepare("3.4.1", None, progress=lambda what, done, total: told.append(what))
    assert installs == ["3.4.1"]
    done = subprocess.run([*start.command, "-c", "import keras, sys; print(keras.__version__, sys.prefix)"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.split() == ["3.4.1", start.variables["VIRTUAL_ENV"]]
    assert start.variables["KERAS_BACKEND"] == "tensorflow"
    assert "importing Keras 3.4.1 with tensorflow for the first time" in told
    (cached,) = listed()
    assert cached.requirements == ("keras==3.4.1", "tensorflow==2.17.1")
    assert cached.size > 0
    assert abs(cached.used - time.time()) < 60


def test_two_at_once_make_it_once(installs: list[str]) -> None:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(prepare("3.4.1", None).command)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and found[0] == found[1] == found[2]
    assert installs == ["3.4.1"]


def test_one_that_does_not_work_is_not_kept(installs: list[str], own_cache: Path) -> None:
    with pytest.raises(WorkerError, match="no hdf5 library"):
        prepare("3.3.3", None)
    assert listed() == ()
    assert not list((own_cache / "environments").glob("*/"))


def test_one_whose_python_is_gone_is_made_again(installs: list[str]) -> None:
    start = prepare("3.4.1", None)
    Path(start.command[0]).unlink()
    prepare("3.4.1", None)
    assert installs == ["3.4.1", "3.4.1"]
    assert Path(start.command[0]).exists()


def test_what_an_interrupted_process_left_goes_when_it_is_made_again(installs: list[str]) -> None:
    start = prepare("3.4.1", None)
    place = Path(start.command[0]).parent.parent
    left = place.with_name(f".making-{place.name}-0a_b")
    (left / "lib").mkdir(parents=True)
    Path(start.command[0]).unlink()
    prepare("3.4.1", None)
    assert not left.exists()


def test_what_an_interrupted_process_left_of_another_one_goes_too(installs: list[str], own_cache: Path) -> None:
    prepare("3.4.1", None)
    left = own_cache / "environments" / ".making-keras-3.6.0-tensorflow-2.19.1-0123abcd-x_y"
    left.mkdir()
    with locked(left.with_name("keras-3.6.0-tensorflow-2.19.1-0123abcd.lock")):
        prepare("3.4.1", None)
        assert left.is_dir()
    prepare("3.4.1", None)
    assert not left.exists() and installs == ["3.4.1"]


def test_cleaning_takes_what_nobody_is_making_any_more(installs: list[str]) -> None:
    start = prepare("3.4.1", None)
    place = Path(start.command[0]).parent.parent
    left = [place.with_name(f".making-{place.name}-{end}") for end in ("0a_b", "removed-12")]
    for folder in left:
        folder.mkdir()
    with locked(environments._lock(place)):
        clean(unused_for=3600.0)
        assert all(folder.exists() for folder in left)
    clean(unused_for=3600.0)
    assert not any(folder.exists() for folder in left)


def test_cleaning_keeps_what_is_in_use_or_was_used_lately(installs: list[str]) -> None:
    prepare("3.4.1", None)
    prepare("3.6.0", "jax", packages=["jax==1"])
    assert clean(unused_for=3600.0) == ((), ())
    used = next(cached for cached in listed() if "jax==1" in cached.requirements)
    with locked(environments._lock(used.folder), shared=True):
        removed, kept = clean()
    assert [c.requirements for c in removed] == [("keras==3.4.1", "tensorflow==2.17.1")]
    assert [c.name for c in kept] == [used.name] == [c.name for c in listed()]
    assert [c.name for c in clean()[0]] == [used.name]
    assert listed() == ()


def test_a_worker_says_that_its_environment_is_in_use(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    remote = RemoteHost((), {environments.LOCK_VARIABLE: str(lock)})
    with pytest.raises(WorkerError, match="unknown request"):
        remote._worker.ask("nothing")
    with locked(lock, wait=False) as free:
        assert not free
    remote.close()
    with locked(lock, wait=False) as free:
        assert free


def test_the_cache_is_where_the_variable_says(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == own_cache
    monkeypatch.delenv("TRACER_CACHE")
    assert cache_folder().name == "keras-layer-tracer"


# --- releases


def test_the_registry_is_asked_once_a_day_and_an_old_answer_serves_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(distribution: str, progress: Any) -> registry.Releases:
        if asked:
            raise WorkerError("no network")
        asked.append(distribution)
        versions = ("2.15.0", "3.0.0rc1", "3.0.0", "3.1.0", "3.2.0")
        return registry.Releases(versions=versions, yanked=frozenset({"3.2.0"}), asked=time.time())

    monkeypatch.setattr(registry, "_ask", ask)
    assert registry.newest("keras") == "3.1.0"
    assert registry.releases("keras").usable() == ("2.15.0", "3.0.0", "3.1.0")
    assert registry.releases("keras").usable(pre=True)[1] == "3.0.0rc1"
    assert asked == ["keras"]
    assert registry.releases("keras", max_age=0.0).usable()[-1] == "3.1.0"
    with pytest.raises(WorkerError, match="no network"):
        registry.newest("torch")
    (cache_folder() / "releases" / "keras.json").write_text("{cut of")
    with pytest.raises(WorkerError, match="no network"):
        registry.newest("keras")


def test_a_nightly_distribution_has_a_newest_build(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = registry.Releases(versions=("3.16.0.dev1", "3.16.0.dev2"), yanked=frozenset(), asked=time.time())
    monkeypatch.setattr(registry, "_ask", lambda distribution, progress: answer)
    assert registry.newest("keras-nightly") == "3.16.0.dev2"


def test_a_place_where_uv_can_keep_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "XDG_CACHE_HOME", "UV_CACHE_DIR"):
        monkeypatch.setenv(variable, "/proc/none")
    uv.find_python.cache_clear()
    try:
        with pytest.raises(WorkerError, match=r"uv, which runs another Keras, can't keep files: .*/proc/none"):
            uv.find_python()
    finally:
        uv.find_python.cache_clear()


@pytest.mark.releases
def test_a_release_that_isn_t_there_names_the_newest() -> None:
    with pytest.raises(
        WorkerError, match=rf"^there is no Keras 3\.99; the newest is {re.escape(registry.newest('keras'))}\.$"
    ):
        prepare("3.99", None)


def test_a_cache_that_cannot_be_written_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRACER_CACHE", str(tmp_path / "file" / "cache"))
    wanted = Recipe(release="3.6.0", backend="jax", requirements=("keras==3.6.0",))
    with pytest.raises(WorkerError, match=r"the cache .*/file/cache: Not a directory\. Set TRACER_CACHE"):
        environments.environment(wanted)
