"""Where goldens lie in a folder of them; nothing is opened here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

SUFFIX: Final = ".safetensors"


def fixture_path(folder: str | os.PathLike[str], name: str) -> Path:
    """Where the golden of a model lies: `package.module:callable` and paths become plain file names."""
    plain = Path(name).name if os.sep in name or "/" in name else name
    return Path(folder) / f"{plain.replace(':', '.')}{SUFFIX}"


def all_fixtures(folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """The goldens in a folder, sorted by name; none where there is no such folder."""
    return tuple(sorted(Path(folder).glob(f"*{SUFFIX}")))
