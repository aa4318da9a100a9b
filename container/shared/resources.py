"""What the container may use, as the kernel's control groups say, and what follows for Java and the workers.

The host's CPUs and memory are none of our business: a container with two CPUs on a host of 96 gets two workers, and
Java's heap is a share of the container's memory. Both versions of control groups are read, from the process's own
group up to the root, and the lowest limit on the way counts.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from capture.journal.container_memory import container_memory

MEBIBYTE = 1024 * 1024
NO_LIMIT = 1 << 60
"""Version 1 says "no limit" with a number near 2**63."""


@dataclass(frozen=True)
class Resources:
    """CPUs (fractions possible) and bytes of memory that this container may use."""

    cpus: float
    memory: int

    @classmethod
    def read(cls, control_groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Resources:
        """The limits of the process that asks; the host's where no group sets one."""
        cpus = float(len(os.sched_getaffinity(0)))
        for group in _groups(control_groups, own):
            cpus = min([cpus, *_cpu_limits(group)])
        return cls(cpus, container_memory(control_groups, own))

    @property
    def workers(self) -> int:
        """One worker for each whole CPU, at least one."""
        return max(1, math.floor(self.cpus))


SMALL_BODY = 64 * 1024
"""Bytes up to which a body is small: a hundred of them fit everywhere."""
QUEUE = 100
"""Requests that may wait in Multi Model Server's queue for a model, as many as in the toolkit."""
MAX_LARGE = QUEUE // 2


@dataclass(frozen=True)
class JavaBudget:
    """What Java's front end gets: bytes of heap, and how many bodies over `SMALL_BODY` it may hold at once.

    The proxy lets no more large ones through, and makes the others wait; small ones do not share that limit.
    """

    heap: int
    large: int

    @classmethod
    def of(cls, limits: Resources, max_payload: int) -> JavaBudget:
        """An eighth of the memory for the heap (96 MiB to 2 GiB), more where a few bodies would not fit, at most half.

        The large bodies fill at most three quarters of it. A body is held twice while it waits: as Netty received
        it, and as the message for the worker.
        """
        usual = min(max(limits.memory // 8, 96 * MEBIBYTE), 2048 * MEBIBYTE)
        heap = max(usual, min(8 * max_payload, limits.memory // 2))
        return cls(heap, min(MAX_LARGE, max(2, heap * 3 // 4 // (2 * max_payload))))


def _groups(root: Path, own: Path) -> Iterator[Path]:
    """Directories of our groups, leaf to root, for every hierarchy; inside a container the roots alone exist."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    for line in [*lines, "0::/", "0:memory:/", "0:cpu:/"]:
        _, controllers, path = line.split(":", 2)
        for mount in {root / controllers, root / "cpu,cpuacct"} if controllers else {root, root / "unified"}:
            parts = Path(path).parts[1:]
            for length in range(len(parts), -1, -1):
                yield mount.joinpath(*parts[:length])


def _number(file: Path) -> int | None:
    try:
        value = int(file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return value if 0 < value < NO_LIMIT else None


def _cpu_limits(group: Path) -> list[float]:
    limits = []
    try:
        quota, period = (group / "cpu.max").read_text().split()
        if quota != "max":
            limits.append(int(quota) / int(period))
    except (OSError, ValueError):
        pass
    quota_us, period_us = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
    if quota_us and period_us:
        limits.append(quota_us / period_us)
    return limits
