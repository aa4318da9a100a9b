"""A file system of a few mebibytes: a tmpfs in a mount namespace of its own, which other processes reach by path.

Whoever may look at a process may reach what it has mounted through `/proc/PID/root`, so neither the tests nor their
children have to enter the namespace. The mount goes with the process that holds it: nothing of it can stay behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HOLD = 'mount -t tmpfs -o "size=$1,mode=700" tmpfs "$2" && echo mounted && exec cat'


class NoMountError(Exception):
    """This machine lets nobody mount a file system; the message says what it answered."""


@dataclass(frozen=True)
class SmallDisk:
    """The file system; `path` is its root."""

    path: Path
    _enter: Sequence[str]
    _mount_point: str

    @property
    def free(self) -> int:
        """Bytes that can still be written."""
        about = os.statvfs(self.path)
        return about.f_bavail * about.f_frsize

    def fill(self) -> Path:
        """Takes what is left, to the last byte; unlink the file that is returned to make room."""
        filler = self.path / "filler"
        with filler.open("ab", buffering=0) as file:
            for size in (1 << 16, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * size):
                        pass
        return filler

    def remount(self, option: str) -> None:
        """Makes it read-only ("ro") or writable ("rw"); raises CalledProcessError where somebody still writes to it."""
        subprocess.run([*self._enter, "mount", "-o", f"remount,{option}", self._mount_point], check=True)


@contextlib.contextmanager
def small_disk(size: int) -> Iterator[SmallDisk]:
    """A file system of `size` bytes. Raises NoMountError."""
    for program in ("unshare", "nsenter", "mount"):
        if shutil.which(program) is None:
            raise NoMountError(f"there is no {program} on this machine")
    kinds = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    with tempfile.TemporaryDirectory(prefix="small-disk-") as mount_point, contextlib.ExitStack() as stack:
        command = ["unshare", *kinds, "sh", "-c", HOLD, "sh", str(size), mount_point]
        holder = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        stack.callback(holder.kill)
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != "mounted\n":
            raise NoMountError(f"no tmpfs can be mounted here: {holder.stderr.read().strip()}")
        path = Path(f"/proc/{holder.pid}/root{mount_point}")
        enter = ["nsenter", "--target", str(holder.pid), *(kind for kind in kinds if kind != "--map-root-user")]
        yield SmallDisk(path, enter, mount_point)
