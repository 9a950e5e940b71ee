"""`python -m tracer`, and the console command."""

import atexit
import os
import signal
import sys


def _open_what_is_closed() -> None:
    """After `>&-` or `2>&-` the next file that anybody opens would be taken for stdout or stderr.

    What is said on stderr is lost then.  A result that can't be written is no success: stdout is one that fails.
    """
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # the lowest number that is free: this one
    sys.stdin = sys.stdin or open(0, closefd=False, encoding="utf-8")  # noqa: SIM115 - open as long as the process
    sys.stdout = sys.stdout or open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False, encoding="utf-8")  # noqa: SIM115


_open_what_is_closed()
# Until the command line has been read there is nothing to unwind, and a traceback says nothing to who pressed Ctrl-C.
_before = signal.signal(signal.SIGINT, signal.SIG_DFL)

from tracer import console  # noqa: E402
from tracer.cli import app  # noqa: E402 - what is imported here is what may be interrupted
from tracer.system import accelerators, interrupt  # noqa: E402

signal.signal(signal.SIGINT, _before)


def main() -> None:
    """The console command."""
    code = interrupt.EXIT_INTERRUPTED
    accelerators.share()
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else console.EXIT_TROUBLE
    finally:
        # All is said, and every `with` has ended.  What is left is Python and a backend taking themselves apart, for a
        # second and a half with TensorFlow.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        atexit._run_exitfuncs()
        interrupt.leave(code)


if __name__ == "__main__":
    main()
