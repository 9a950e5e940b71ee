"""All that docs/reliability.md promises, tried by one command: `python tests/reliability.py`.

Mutants of every kind of file are read, commands are killed in the middle of their work, and files that do on loading
what none may are given to old releases of Keras.  It ends with 1 if anything happened that may not.  The whole takes an
hour or two on an idle machine with two cores; `--mutants` and `--kills` make it shorter.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent


def steps(mutants: int, kills: int, *, releases: bool) -> dict[str, list[str]]:
    """What is run, by what it is called."""
    found = {
        f"{mutants} mutants": [str(TESTS / "fuzz.py"), "--mutants", str(mutants)],
        f"{kills} kills": [str(TESTS / "kills.py"), *(["--releases"] if releases else []), "--kills", str(kills)],
    }
    if releases:
        words = ["-m", "pytest", "-n", "0", "-q", "-m", "releases", str(TESTS / "releases" / "test_canaries.py")]
        found["Canaries on Keras 3.0.5, 3.6.0 and 3.10.0"] = words
    return found


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=20_000, help="how many; see tests/fuzz.py")
    parser.add_argument("--kills", type=int, default=100, help="how many; see tests/kills.py")
    parser.add_argument("--no-releases", action="store_true", help="without old releases, which need a registry")
    chosen = parser.parse_args(arguments)
    failed = []
    for title, words in steps(chosen.mutants, chosen.kills, releases=not chosen.no_releases).items():
        print(f"\n## {title}\n", flush=True)
        if subprocess.run([sys.executable, *words], check=False).returncode:
            failed.append(title)
    print(f"\nWhat must not happen has happened: {', '.join(failed)}." if failed else "\nAll of it holds.")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
