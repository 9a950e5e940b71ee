"""`python -m tracer`, and the console command."""

import atexit
import signal

# Until the command line has been read there is nothing to unwind, and a traceback says nothing to who pressed Ctrl-C.
_before = signal.signal(signal.SIGINT, signal.SIG_DFL)

from tracer import interrupt  # noqa: E402
from tracer.cli import app  # noqa: E402 - what is imported here is what may be interrupted

signal.signal(signal.SIGINT, _before)


def main() -> None:
    """The console command."""
    code = interrupt.EXIT_INTERRUPTED
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        # All is said, and every `with` has ended.  What is left is Python and a backend taking themselves apart, for a
        # second and a half with TensorFlow.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        atexit._run_exitfuncs()
        interrupt.leave(code)


if __name__ == "__main__":
    main()
