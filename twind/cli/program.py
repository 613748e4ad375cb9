"""`twind` as a process: the command, and then a quick end."""

from __future__ import annotations

import atexit
import os
import sys
import threading

from twind.cli.main import main


def program() -> None:
    """Run the command line and end the process.

    After success nothing is taken apart: the modules of OpenUSD, NumPy and numba take 0.03 s of that, and the system takes all
    memory back at once. What registered itself for the exit is called, and what was written is flushed. Likewise where a thread
    still does what nobody waits for, whatever the exit code.
    """
    try:
        main(prog_name="twind")
    except SystemExit as end:
        code = end.code or 0
        others = threading.active_count() > 1
        if not isinstance(code, int) or (not _unwaited() if others else code):
            raise
        atexit._run_exitfuncs()  # noqa: SLF001  (the interpreter would call it too)
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, AttributeError):  # closed: the interpreter says so
            raise end from None
        os._exit(code)


def _unwaited() -> bool:
    from twind.runtime.unwaited import any_left  # with asyncio: not for `twind --help`

    return any_left()
