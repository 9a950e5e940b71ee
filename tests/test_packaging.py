"""What is built from this repository: all that users need is in it, and an index shows nothing that leads nowhere."""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from pathlib import Path

import pytest

import tracer

_ROOT = Path(__file__).resolve().parents[1]
_REPOSITORY = "https://code.example.org/someone/tracer"
_LINK = re.compile(r"\]\(([^)\s]+)\)")
pytest.importorskip("uv", reason="builds with uv: pip install 'keras-layer-tracer[envs]'")


def uv(*words: str, folder: Path = _ROOT, repository: str = "") -> str:
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "TRACER_REPOSITORY": repository}
    command = [sys.executable, "-m", "uv", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(target: Path, *options: str, folder: Path = _ROOT, repository: str = _REPOSITORY) -> Path:
    uv("build", "--quiet", "--python", sys.executable, "--out-dir", str(target), *options, str(folder),
       repository=repository)  # fmt: skip
    (wheel,) = target.glob("*.whl")
    return wheel


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata(wheel: Path) -> Message:
    (text,) = (data for name, data in contents(wheel).items() if name.endswith(".dist-info/METADATA"))
    return email.message_from_string(text.decode("utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"), "--wheel")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A source distribution, and the wheel that is built from it."""
    found = build(tmp_path_factory.mktemp("both"))
    (source,) = found.parent.glob("*.tar.gz")
    return source, found


def test_the_wheel_holds_the_package_its_data_and_the_goldens(wheel: Path) -> None:
    held = contents(wheel)
    sources = {str(path.relative_to(_ROOT)) for path in (_ROOT / "tracer").rglob("*.py")}
    assert sources <= set(held)
    assert {
        "tracer/py.typed",
        "tracer/core/diagnosis/known_issues.toml",
        *(f"tracer/report/page/templates/{name}" for name in ("report.html", "page.css", "page.js")),
    } <= set(held)
    schemas = {str(path.relative_to(_ROOT)) for path in (_ROOT / "tracer" / "store" / "schemas").glob("*.schema.json")}
    assert len(schemas) == 6 and schemas <= set(held)
    goldens = {f"tracer/goldens/{path.name}": path.read_bytes() for path in (_ROOT / "fixtures").iterdir()}
    assert len(goldens) == 19
    assert {name: data for name, data in held.items() if name.startswith("tracer/goldens/")} == goldens
    folders = {name.split("/")[0] for name in held}
    assert folders == {"tracer", f"keras_layer_tracer-{tracer.__version__}.dist-info"}, "no tests, no tools"
    assert not [name for name in held if "__pycache__" in name or "/tests/" in name or "/test_" in name]


def test_the_wheel_is_small_enough_for_an_index(wheel: Path) -> None:
    assert wheel.stat().st_size < 20e6  # indexes accept 60 to 100 MB; the goldens compress to 9


def test_the_wheel_has_its_licence_and_its_commands(wheel: Path) -> None:
    held = contents(wheel)
    (licence,) = (data for name, data in held.items() if name.endswith(".dist-info/licenses/LICENSE"))
    assert licence == (_ROOT / "LICENSE").read_bytes() and b"Apache License" in licence
    (commands,) = (data.decode() for name, data in held.items() if name.endswith(".dist-info/entry_points.txt"))
    assert "[console_scripts]\ntracer = tracer.__main__:main" in commands
    assert "[pytest11]\ntracer = tracer.pytest_plugin" in commands
    told = metadata(wheel)
    assert (told["License-Expression"], told["License-File"]) == ("Apache-2.0", "LICENSE")


def test_the_version_is_said_once(wheel: Path) -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project and "version" in project["dynamic"]
    assert metadata(wheel)["Version"] == tracer.__version__
    assert f'__version__ = "{tracer.__version__}"' in (_ROOT / "tracer" / "__init__.py").read_text(encoding="utf-8")


def needed(told: Message, extra: str) -> set[str]:
    ends = f"; extra == '{extra}'"
    lines = [line.removesuffix(ends) for line in told.get_all("Requires-Dist", []) if line.endswith(ends)]
    return {re.split(r"[\[<>=~! ;]", line)[0] for line in lines}


def test_all_is_what_users_need_and_no_tool_of_developers(wheel: Path) -> None:
    told = metadata(wheel)
    everything, tools = needed(told, "all"), needed(told, "test") | needed(told, "dev")
    assert everything == {"tensorflow", "packaging", "platformdirs", "uv", "distributed", "dvc", "jinja2", "pillow"} | {
        "vl-convert-python",
        "cloudpickle",
    }
    assert {"pytest", "mypy", "ruff"} <= tools and not everything & tools
    backends = needed(told, "jax") | needed(told, "torch")
    extras = set(told.get_all("Provides-Extra", [])) - {"all", "test", "dev", "jax", "torch"}
    assert everything == set().union(*(needed(told, extra) for extra in extras)) and not everything & backends


def links(text: str) -> list[str]:
    return _LINK.findall(text)


def test_links_of_the_readme_lead_to_files_of_this_repository() -> None:
    relative = [link for link in links((_ROOT / "README.md").read_text(encoding="utf-8")) if "://" not in link]
    assert len(relative) >= 5
    for link in relative:
        assert (_ROOT / link.partition("#")[0]).exists(), link


def test_an_index_shows_absolute_links_into_the_repository(wheel: Path) -> None:
    told = metadata(wheel)
    shown = links(str(told.get_payload()))
    readme = links((_ROOT / "README.md").read_text(encoding="utf-8"))
    kinds = {
        link: "raw" if link.endswith((".svg", ".png")) else "blob" for link in readme
    }  # a picture is shown as it is
    assert shown == [link if "://" in link else f"{_REPOSITORY}/{kinds[link]}/HEAD/{link}" for link in readme]
    urls = dict(line.split(", ", 1) for line in told.get_all("Project-URL", []))
    assert urls["Repository"] == _REPOSITORY and set(urls) == {"Repository", "Documentation", "Changelog", "Issues"}


def test_without_a_known_repository_no_link_is_dead_and_none_is_invented(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "fixtures", "tracer"):
        source = _ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, checkout / name)
    told = metadata(build(tmp_path / "dist", "--wheel", folder=checkout, repository=""))
    text = str(told.get_payload())
    assert links(text) and all("://" in link for link in links(text))
    assert told.get_all("Project-URL") is None
    assert "docs/matrix.md" in text, "what was linked can still be read"


def test_a_wheel_from_the_source_distribution_is_the_same(wheel: Path, both: tuple[Path, Path]) -> None:
    assert contents(both[1]) == contents(wheel)
    with tarfile.open(both[0]) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"LICENSE", "README.md", "CHANGELOG.md", "hatch_build.py", "params.yaml", "dvc.lock", "tests/conftest.py"}
    assert needed <= inside
    assert {f"fixtures/{path.name}" for path in (_ROOT / "fixtures").iterdir()} <= inside


_ADDRESSES = {
    "git@code.example.org:someone/tracer.git": _REPOSITORY,
    "ssh://git@code.example.org:2222/someone/tracer.git": _REPOSITORY,
    "https://user:secret@code.example.org/someone/tracer.git": _REPOSITORY,
    "https://code.example.org/someone/tracer/": _REPOSITORY,
    "/srv/git/tracer.git": "",
    "../tracer": "",
    "file:///srv/git/tracer.git": "",
    "http://127.0.0.1:3000/someone/tracer.git": "",
    "http://localhost:3000/someone/tracer.git": "",
    "": "",
}
_IN_A_BUILD = """
import json, sys, zipfile
import hatch_build
from hatchling.build import build_editable
editable = zipfile.ZipFile(f"{sys.argv[1]}/{build_editable(sys.argv[1])}").namelist()
addresses = [hatch_build.web_address(text) for text in json.loads(sys.argv[2])]
print(json.dumps({"addresses": addresses, "editable": editable}))
"""


def test_addresses_are_public_pages_without_credentials_and_editable_builds_copy_nothing(tmp_path: Path) -> None:
    """In an environment that has the build backend, as a build has it."""
    code = f"import sys; sys.path.insert(0, '.'){_IN_A_BUILD}"
    arguments = ("python", "-c", code, str(tmp_path), json.dumps(list(_ADDRESSES)))
    options = (
        "--no-project",
        "--isolated",
        "--python",
        sys.executable,
        "--with",
        "hatchling>=1.27",
        "--with",
        "editables",
    )
    found = json.loads(uv("run", "--quiet", *options, *arguments))
    assert dict(zip(_ADDRESSES, found["addresses"], strict=True)) == _ADDRESSES
    assert not [name for name in found["editable"] if name.endswith(".safetensors")]
