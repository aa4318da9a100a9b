"""The memory that this container may use, as the kernel's control groups say.

Both versions of control groups are read, from the process's own group up to the root, and the lowest limit on the way
counts: without a namespace of its own a process sees the host's root, whose limit is not the container's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")
_NO_LIMIT = 1 << 60
"""Version 1 expresses "no limit" as a number near 2**63."""


def container_memory(control_groups: Path = CONTROL_GROUPS, own: Path = OWN_GROUP) -> int:
    """Returns the memory limit in bytes; the machine's memory where no group sets one."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for group in _groups(control_groups, own):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _number(group / name)
            if limit is not None:
                memory = min(memory, limit)
    return memory


def _groups(root: Path, own: Path) -> Iterator[Path]:
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    for line in [*lines, "0::/", "0:memory:/"]:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        parts = Path(path).parts[1:]
        for mount in [root / controllers] if controllers else [root, root / "unified"]:
            for length in range(len(parts), -1, -1):
                yield mount.joinpath(*parts[:length])


def _number(file: Path) -> int | None:
    try:
        value = int(file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return value if 0 < value < _NO_LIMIT else None
