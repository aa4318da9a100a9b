"""Notices a fork that Python does not see: uWSGI's, or one of a C extension.

`os.register_at_fork` knows only the forks that Python makes. A page of memory that the kernel clears in every child
(`MADV_WIPEONFORK`, Linux 4.14) knows all of them, and reading a byte of it costs 15 ns; `os.getpid` is a system call.
"""

from __future__ import annotations

import mmap
import os

_MADV_WIPEONFORK = 18


class _ByProcessId:
    """Compares process ids, for a kernel that cannot clear memory at a fork."""

    def __init__(self) -> None:
        self._process = os.getpid()

    def __getitem__(self, index: int) -> int:
        return int(os.getpid() == self._process)


def fork_guard() -> memoryview | _ByProcessId:
    """Returns an object whose item 0 is 1 in this process, and 0 in every process that is forked from it."""
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(_MADV_WIPEONFORK)
    except (OSError, ValueError):
        return _ByProcessId()
    view = memoryview(page)
    view[0] = 1
    return view
