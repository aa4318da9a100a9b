"""Runs one of our modules in a process of its own: `python -I child_main.py daemon|child PATHS MODULE [ARGUMENT …]`.

It is run as a file, not as a module. A `child` only gets its module path; a `daemon` first cuts every tie to the process
that started it:

- it closes every descriptor but the standard three, so that a server's listening socket is not kept open;
- it works in `/`, so that no file system is kept busy and no file of the caller's directory is imported;
- it forks once and its parent ends, so that it is no child of the server.

`python -I` leaves out the environment's `PYTHON*` variables and the working directory. PATHS are the directories that
hold our dependencies, separated by `:`; they are searched last, so that none of them hides the standard library.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
import time

_TRIES, _PAUSE = 50, 0.2


def main(kind: str, paths: str, module: str, *arguments: str) -> None:
    """Runs the module, as a daemon where `kind` says so."""
    if kind == "daemon":
        _detach()
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    sys.path[:] = [path for path in sys.path if path != here]
    sys.path.extend(path for path in paths.split(os.pathsep) if path not in sys.path)
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _detach() -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) > 2:
            with contextlib.suppress(OSError):  # the descriptor that listed the directory
                os.close(int(name))
    os.chdir("/")
    if _fork():
        os._exit(0)


def _fork() -> int:
    """Forks; where the limit of processes is reached, tries again for ten seconds."""
    for _ in range(_TRIES):
        try:
            return os.fork()
        except BlockingIOError:
            time.sleep(_PAUSE)
    return 0  # it stays a child: better than no shipper


if __name__ == "__main__":
    main(*sys.argv[1:])
