"""What pyproject.toml can't say: the goldens go into the wheel, and the README's links lead somewhere on an index."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

_GOLDENS = "tracer/goldens"  # where tracer/store/goldens.py looks for them
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_SSH = re.compile(r"(?:\w+@)(?P<host>[\w.-]+):(?P<path>(?!/)[^:]+)")
_PUBLIC = re.compile(r"(?=.*[a-z])[\w-]+(\.[\w-]+)+", re.IGNORECASE)  # a name with a dot in it, not an IP address


class GoldensHook(BuildHookInterface):
    """Puts fixtures/*.safetensors into the wheel; an editable installation reads them where they are."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Extend what is included.

        Raises:
            FileNotFoundError: if there are no goldens; a wheel without them isn't what its users are promised.
        """
        if version == "editable":
            return
        files = sorted(Path(self.root, "fixtures").glob("*.safetensors"))
        if not files:
            raise FileNotFoundError(f"{self.root}/fixtures holds no goldens. Build from a whole checkout or sdist.")
        build_data["force_include"].update({str(file): f"{_GOLDENS}/{file.name}" for file in files})


class LinksHook(MetadataHookInterface):
    """The description is the README with absolute links, and the URLs are those of the repository it is built from."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in what is dynamic, where a source distribution doesn't say it already."""
        repository = repository_url(Path(self.root))
        if "readme" not in metadata:
            text = Path(self.root, "README.md").read_text(encoding="utf-8")
            metadata["readme"] = {"content-type": "text/markdown", "text": absolute_links(text, repository)}
        metadata.setdefault("urls", project_urls(repository))


def project_urls(repository: str) -> dict[str, str]:
    """What an index shows beside the description; nothing where the repository isn't known."""
    if not repository:
        return {}
    return {
        "Repository": repository,
        "Documentation": f"{repository}/tree/HEAD/docs",
        "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def absolute_links(text: str, repository: str) -> str:
    """The Markdown with every relative link leading into the repository, or as plain text where none is known."""

    def replaced(link: re.Match[str]) -> str:
        image, label, target = link.groups()
        if urlsplit(target).scheme or target.startswith("#"):
            return link[0]
        if not repository:
            return label
        return f"{image}[{label}]({repository}/{'raw' if image else 'blob'}/HEAD/{target})"

    return _LINK.sub(replaced, text)


def repository_url(root: Path) -> str:
    """Where this source is published: TRACER_REPOSITORY, else the remote `origin` of the clone; "" if neither is."""
    return web_address(os.environ.get("TRACER_REPOSITORY") or _origin(root))


def _origin(root: Path) -> str:
    """As git has it; a clone around an unpacked source distribution is another project's."""
    if not (root / ".git").exists():
        return ""
    try:
        asked = ["git", "-C", str(root), "config", "--get", "remote.origin.url"]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def web_address(remote: str) -> str:
    """A page that others can open, without credentials; "" for a folder, an address without a name, or nothing."""
    short = _SSH.fullmatch(remote)
    parts = urlsplit(f"ssh://{short['host']}/{short['path']}" if short else remote)
    if parts.scheme not in ("https", "http", "ssh", "git") or not _PUBLIC.fullmatch(parts.hostname or ""):
        return ""
    path = parts.path.strip("/").removesuffix(".git")
    return f"https://{parts.hostname}/{path}" if path else ""
