"""Files that do on loading what none may: refused before the releases that would do it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import canaries
import pytest
from sampling import some_of

from tracer.core.spec import parse_spec
from tracer.envs import environments, remote
from tracer.errors import TrustError

pytestmark = pytest.mark.releases
RELEASES = ("2.15.0", "3.0.5", "3.6.0", "3.10.0")


@pytest.mark.parametrize("release", some_of(RELEASES, every=2))
def test_every_canary_is_refused_before_a_release(release: str, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    start = environments.prepare(release, None)
    worker = remote.RemoteHost(start.command, start.variables, start.wanted)
    try:
        for path in canaries.write_all(tmp_path, marker):
            with pytest.raises(TrustError):
                worker.build(str(parse_spec(str(path)).target), custom_objects=(), seed=0)
    finally:
        worker.close()
    assert not marker.exists()


def tracer(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tracer", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_canary_ends_the_command_with_2_and_its_payload_is_real(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    path = canaries.write_archive(tmp_path / "m.keras", canaries.CONFIGS["system"](marker))
    refused = tracer("roundtrip", f"{path}@3.0.5", "--format", "keras")
    assert refused.returncode == 2 and "add --trust" in refused.stderr and "'system' of module 'os'" in refused.stderr
    assert not marker.exists()
    tracer("roundtrip", f"{path}@3.0.5", "--format", "keras", "--trust")
    assert marker.exists()
