"""`tracer.envs.remote`: a worker that dies, is refused or was never one is an error, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_remote import calls

from tracer.core.environment import Wanted
from tracer.envs.remote import RemoteHost
from tracer.errors import WorkerError


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def gone(group: int) -> bool:
    """Whether no process of a group is left, after a moment."""
    end = time.monotonic() + 5.0
    while alive(group) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(group)


def test_a_worker_that_dies_says_its_last_words_and_is_gone(models: Path) -> None:
    remote = RemoteHost()
    group = remote.process
    remote.build("remote_models:deadly", custom_objects=(), seed=0)
    with pytest.raises(WorkerError) as raised:
        calls(remote, np.ones((1, 3), "float32"))
    assert "has died (exit status 7)" in str(raised.value)
    assert "these are my last words" in str(raised.value)
    assert gone(group)
    with pytest.raises(WorkerError, match=r"has (ended|died)"):
        remote.formats()
    remote.close()
    remote.close()


def test_close_ends_a_run_and_the_process_and_may_be_repeated() -> None:
    """The worker has a child of its own: that goes too."""
    script = "import subprocess, sys; subprocess.Popen(['sleep', '60']); sys.stdin.read()"
    remote = RemoteHost([sys.executable, "-c", script, "--"])
    group = remote.process
    assert alive(group)
    remote.close()
    remote.close()
    assert gone(group)


def test_what_keras_leaves_in_the_temporary_folder_of_a_killed_worker_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    script = "import tempfile, time; open(tempfile.mkdtemp() + '/model.keras', 'w').close(); time.sleep(60)"
    remote = RemoteHost([sys.executable, "-c", script, "--"])
    end = time.monotonic() + 20
    while not list(tmp_path.rglob("model.keras")):
        assert time.monotonic() < end
        time.sleep(0.05)
    remote.close()
    assert not list(tmp_path.iterdir())


def test_a_command_that_is_no_worker_is_an_error_with_what_it_said() -> None:
    for script, says in (("raise SystemExit('no such release')", "no such release"), ("print('hi' * 40)", "hihi")):
        remote = RemoteHost([sys.executable, "-c", script, "--"])
        with pytest.raises(WorkerError, match=says):
            remote.build("tracer.zoo:tiny_sequential", custom_objects=(), seed=0)
        assert gone(remote.process)
        remote.close()


def test_a_command_that_does_not_exist_is_an_error_with_its_name() -> None:
    with pytest.raises(WorkerError, match="no-such-python"), contextlib.closing(RemoteHost(["/no-such-python"])):
        pass


def test_a_worker_that_runs_something_else_is_refused_before_it_builds_anything() -> None:
    wanted = Wanted(keras="3.4.1", packages={"keras-hub": "0.1.0", "nothing-of-the-kind": ""})
    with contextlib.closing(RemoteHost(wanted=wanted)) as remote, pytest.raises(WorkerError) as raised:
        remote.build("tracer.zoo:no_such_model", custom_objects=(), seed=0)
    told = str(raised.value)
    assert "doesn't run what was asked for: keras 3.4.1 was asked for, and 3." in told
    assert "nothing-of-the-kind of any version was asked for, and it isn't there" in told


def test_a_keras_that_lies_outside_of_an_environment_is_refused_whatever_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout of the very release that is asked for: what it computes isn't what that release computes."""
    import keras

    (tmp_path / "keras").symlink_to(Path(keras.__file__).parent)
    monkeypatch.chdir(tmp_path)
    remote = RemoteHost([sys.executable], {"VIRTUAL_ENV": sys.prefix}, Wanted(keras=keras.__version__))
    with contextlib.closing(remote), pytest.raises(WorkerError, match=rf"another one in {tmp_path}/keras/__init__.py"):
        remote.build("tracer.zoo:tiny_sequential", custom_objects=(), seed=0)


@pytest.mark.slow
def test_a_worker_that_runs_what_was_asked_for_is_believed_whatever_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    (tmp_path / "keras").symlink_to(Path(keras.__file__).parent)
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(RemoteHost(wanted=Wanted(keras=keras.__version__))) as remote:
        remote.build("tracer.zoo:tiny_sequential", custom_objects=(), seed=0)  # this very environment has it


_SHOW = "import os, sys; sys.exit('backend=%s quiet=%s path=%s' % tuple(os.environ.get(k) for k in sys.argv[1:4]))"


def test_a_worker_has_this_process_backend_and_modules(models: Path) -> None:
    import keras

    # Not the whole path, which may be longer than the last words that are told.
    show = (
        "import os, sys; e = os.environ; p = e['PYTHONPATH'].split(os.pathsep); "
        "told = [f for f in p if f == sys.argv[1] or 'site-packages' in f]; "
        "sys.exit(f\"backend={e['KERAS_BACKEND']} quiet={e['TF_CPP_MIN_LOG_LEVEL']} path={told}\")"
    )
    remote = RemoteHost([sys.executable, "-c", show, str(models)])
    with pytest.raises(WorkerError) as raised:
        remote.formats()
    remote.close()
    words = str(raised.value)
    assert f"backend={keras.backend.backend()} quiet=3" in words
    assert str(models) in words
    assert "site-packages" not in words  # a foreign environment has its own


def test_the_variables_of_a_foreign_environment_win() -> None:
    remote = RemoteHost([sys.executable, "-c", _SHOW, "KERAS_BACKEND", "A", "B"], {"KERAS_BACKEND": "jax", "A": "b"})
    with pytest.raises(WorkerError, match="backend=jax quiet=b"):
        remote.formats()
    remote.close()
