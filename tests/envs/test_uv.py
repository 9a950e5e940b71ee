"""`tracer.envs.uv`: running a program with its last words kept, in variables that mean no environment at hand."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tracer.envs import uv
from tracer.errors import WorkerError


def python(code: str, *arguments: str, **options: Any) -> str:
    return uv.run([sys.executable, "-c", code, *arguments], "asking Python", **options)


def test_what_is_printed_is_returned_and_what_is_given_is_read() -> None:
    echo = "import sys; print(sys.stdin.read().upper()); print('noise', file=sys.stderr)"
    assert python(echo, given="größe") == "GRÖSSE\n"


def test_a_failure_has_its_exit_status_and_its_last_words() -> None:
    code = "import sys; print('x' * 5000, file=sys.stderr); sys.exit('no such release')"
    with pytest.raises(WorkerError) as raised:
        python(code)
    said = str(raised.value)
    assert said.startswith("asking Python failed (exit status 1). The last words:\n")
    assert said.endswith("no such release") and len(said) < 1700
    with pytest.raises(WorkerError, match=r"exit status 3\). The last words:\n\(none\)"):
        python("import sys; sys.exit(3)")


def test_whoever_listens_is_told_what_goes_on() -> None:
    told: list[tuple[str, int, int]] = []
    python("import time; time.sleep(0.7)", progress=lambda *said: told.append(said))
    assert len(told) >= 2 and set(told) == {("asking Python", 0, 0)}


def test_an_interruption_ends_the_program(tmp_path: Path) -> None:
    file = tmp_path / "pid"

    def interrupt(*_said: Any) -> None:
        if file.exists() and file.read_text():
            raise KeyboardInterrupt

    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    with pytest.raises(KeyboardInterrupt):
        python(code, str(file), progress=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)


def test_a_killed_process_leaves_no_program_running(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    script = f"import sys; from tracer.envs import uv; uv.run([sys.executable, '-c', {code!r}, {str(file)!r}], 'x')"
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        while not (file.exists() and file.read_text()):
            time.sleep(0.01)
        process.kill()
    end = time.monotonic() + 5
    while psutil.pid_exists(int(file.read_text())):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_environment_at_hand_is_not_meant_and_no_python_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "OF_THE_USER"):
        monkeypatch.setenv(name, "/somewhere")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "automatic")
    variables = uv.uv_variables()
    assert {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}.isdisjoint(variables)
    assert (variables["OF_THE_USER"], variables["UV_PYTHON_DOWNLOADS"]) == ("/somewhere", "never")


def test_variables_that_are_given_are_all_there_is() -> None:
    assert python("import os; print(os.environ.get('HOME'), os.environ['MINE'])", variables={"MINE": "1"}) == "None 1\n"


def test_whether_a_version_is_there_is_asked_of_uv() -> None:
    pytest.importorskip("uv")
    assert uv.has_python(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert not uv.has_python("3.99")


def test_a_version_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uv")
    uv.find_python.cache_clear()
    with pytest.raises(WorkerError, match=r"no Python 3\.99 was found to run another Keras in"):
        uv.find_python("3.99")
