"""Everything side by side: `python benchmarks/run.py`; `--help` says how to run a part of it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.command import main

if __name__ == "__main__":
    main()
