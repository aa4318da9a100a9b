"""Where the spool lives when nobody says so, and how much it may take.

A spool on tmpfs never waits for the write-back of a page (a file on disk was seen to stall its writer for 4 ms), but
its bytes are the container's memory. So: `/dev/shm` where it is large enough, limited to 10 % of the container's
memory, else the temporary directory, else `/dev/shm` however small it is. The name follows from the user and from what is captured where, so that all
workers of one endpoint, and only they, meet in one directory.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from capture.journal.container_memory import container_memory

DEFAULT_LIMIT = 1 << 30
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
_MIN_TMPFS = 64 << 20
_MIN_LIMIT = 32 << 20
_TMPFS_MAGIC = {"tmpfs", "ramfs"}


@dataclass(frozen=True, slots=True)
class SpoolPlace:
    """A directory and the bytes that segments in it may take, open and prepared ones included."""

    directory: Path
    max_bytes: int


def choose_spool(directory: Path | None, max_bytes: int | None, identity: str) -> SpoolPlace:
    """The spool as set, or as chosen for this machine; `identity` is what tells one endpoint from another."""
    if directory is None:
        name = f"endpoint-capture-{os.getuid()}-{hashlib.blake2b(identity.encode(), digest_size=6).hexdigest()}"
        on_tmpfs = tmpfs_allowance(_SHARED_MEMORY) if max_bytes is None else max_bytes
        roomy = on_tmpfs >= _MIN_TMPFS and _size(_SHARED_MEMORY) >= 2 * on_tmpfs
        usable = roomy and _is_tmpfs(_SHARED_MEMORY) and os.access(_SHARED_MEMORY, os.W_OK | os.X_OK)
        base = _SHARED_MEMORY if usable else None
        directory = (base or _temporary() or _SHARED_MEMORY) / name
    if max_bytes is None:
        max_bytes = tmpfs_allowance(directory) if _is_tmpfs(directory) else DEFAULT_LIMIT
    return SpoolPlace(directory, max(max_bytes, _MIN_LIMIT))


def spools_of_this_user() -> list[Path]:
    """Returns the spools that were chosen for this user on this machine, ascending."""
    bases = {_SHARED_MEMORY, _temporary() or _SHARED_MEMORY}
    return sorted(path for base in bases for path in base.glob(f"endpoint-capture-{os.getuid()}-*") if path.is_dir())


def tmpfs_allowance(directory: Path) -> int:
    """How much a spool on this tmpfs may take: at most 10 % of the container's memory, and half of the file system.

    It depends on sizes, not on what is free just now, so that every worker comes to the same answer.
    """
    return min(DEFAULT_LIMIT, container_memory() // 10, _size(directory) // 2)


def _temporary() -> Path | None:
    """The temporary directory; None where there is none that can be written to, as on a read-only root."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return None


def _existing(directory: Path) -> Path:
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return directory


def _size(directory: Path) -> int:
    try:
        found = os.statvfs(_existing(directory))
    except OSError:
        return 0
    return found.f_blocks * found.f_frsize


def _is_tmpfs(directory: Path) -> bool:
    """Whether the file system that holds `directory` lives in memory, by the longest mount point in /proc/mounts."""
    where = str(_existing(directory).resolve())
    best, kind = "", ""
    try:
        mounts = Path("/proc/mounts").read_text()
    except OSError:
        return False
    for line in mounts.splitlines():
        _, point, name, *_ = line.split(" ")
        inside = where == point or where.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, name
    return kind in _TMPFS_MAGIC
