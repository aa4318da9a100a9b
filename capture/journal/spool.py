"""The spool: a directory in which segments wait, and the few moves that are allowed in it.

    lock            whoever moves files between the directories holds it (flock), for milliseconds, never on a request's
                    thread
    shipper.lock    held by the one shipper for as long as it lives
    state           what the shipper has done (`checkpoint.py`)
    metrics.json    what the shipper's last line of metrics counted (`emf.py`)
    settings.json   the settings of the buffer that started the shipper, without secrets (`handover.py`)
    shipper.log     the log of a shipper that a buffer started
    segments/       segments that belong to a writer: prepared, open or sealed
    free/           files of old segments, to be used again
    writers/        a counters file for each writing process (`counters.py`)
    batches/        manifests of batches in flight (`batch.py`); the segments they name are pinned
    lost/           notes of segments that were dropped because the spool was full: empty files called
                    writer.first.last.opened, the records' numbers and the segment's opening in microseconds
    quarantine/      what could not be read or encoded, for a person to look at

A segment is dropped only here (`claim`), only when the spool is at its limit, the oldest first, and never one that is
open or pinned. Everything is readable by its owner only; a directory that another user owns is refused.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import stat
from typing import TYPE_CHECKING

import msgspec

from capture.config_checks import SEGMENT_BYTES
from capture.errors import SpoolError
from capture.event_id import event_id_bytes
from capture.journal import segment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from capture.journal.counters import ProcessCounters

_DIRECTORIES = frozenset(("segments", "free", "writers", "batches", "lost", "quarantine"))
_TRIES_TO_PREPARE = 10
_OPEN_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
_MADV_POPULATE_WRITE = 23
_madvise = ctypes.CDLL(None, use_errno=True).madvise
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class _HeldLock:
    """A lock that this process holds. It is released when nothing refers to it, so that an exception of a signal handler,
    which may come between any two steps, leaves no lock behind."""

    _descriptor = -1

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def detach(self) -> int:
        """Gives up the descriptor to the caller, who closes it."""
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def release(self) -> None:
        """Releases the lock."""
        if self._descriptor >= 0:
            _unlock(self.detach())

    __del__ = release


class Spool:
    """A spool directory and the bytes that it may take."""

    def __init__(self, directory: Path, max_bytes: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.directory = directory
        self.segment_bytes = segment_bytes
        self.aside_bytes = max(segment_bytes, max_bytes // 16)
        self.max_segments = max((max_bytes - self.aside_bytes) // segment_bytes, 2)

    def path(self, name: str) -> Path:
        """A directory or file of the spool."""
        return self.directory / name

    def prepare(self) -> None:
        """Makes the directories that are missing; raises SpoolError where they cannot be ours alone."""
        for more in reversed(range(_TRIES_TO_PREPARE)):
            try:
                self._make_directories()
                return
            except OSError as error:
                if more and isinstance(error, FileNotFoundError | FileExistsError):
                    continue  # a shipper that had finished may just be removing them
                why = f"the spool directory {self.directory} cannot be used: {error.strerror}"
                raise SpoolError(why) from error

    def _make_directories(self) -> None:
        for above in reversed((self.directory, *self.directory.parents)):
            if not above.is_dir():
                _make_private(above)
        found = self.directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise SpoolError(
                f"{self.directory} belongs to somebody else: set CAPTURE_SPOOL_DIR to a directory of yours"
            )
        former, quarantine = self.path("set-aside"), self.path("quarantine")
        if former.is_dir() and not quarantine.exists():
            former.rename(quarantine)  # the former name of the directory
        if found.st_mode & 0o077:
            self.directory.chmod(0o700)
        for name in _DIRECTORIES.difference(os.listdir(self.directory)):  # noqa: PTH208
            _make_private(self.path(name))

    @contextlib.contextmanager
    def locked(self, wait: bool = True) -> Iterator[bool]:
        """Holds the spool's lock; yields False, without waiting, where `wait` is False and somebody holds it."""
        held = self._flock("lock", wait)
        try:
            yield held is not None
        except FileNotFoundError:  # somebody removed a directory by hand: it is there for whoever comes next
            self.prepare()
            raise
        finally:
            if held is not None:
                held.release()

    def shipper_lock(self) -> int | None:
        """The descriptor that makes this process the spool's one shipper; None where another process is."""
        held = self._flock("shipper.lock", wait=False)
        return None if held is None else held.detach()

    def _flock(self, name: str, wait: bool) -> _HeldLock | None:
        """A locked file that still has its name: a shipper that has finished removes it, after the
        directories. So these are looked at only by whoever makes it, before and, since they may go until it is held, after."""
        path, made = self.path(name), False
        while True:
            try:
                descriptor = os.open(path, _OPEN_FLAGS)
            except FileNotFoundError:
                self.prepare()
                with contextlib.suppress(FileNotFoundError):
                    os.close(os.open(path, _OPEN_FLAGS | os.O_CREAT, 0o600))
                made = True
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                if os.fstat(descriptor).st_nlink:
                    if made:
                        self.prepare()
                    return _HeldLock(descriptor)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def has_shipper(self) -> bool:
        """Returns whether a shipper holds the spool. Two that ask at once do not see each other."""
        try:
            descriptor = os.open(self.path("shipper.lock"), _OPEN_FLAGS)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return True
        _unlock(descriptor)
        return False

    def leave(self, shipper_lock: int) -> bool:
        """Gives up the shipper's lock, unless there is work: a process can write, or something waits.

        A writer makes its counters under the spool's lock and looks for a shipper afterwards. So it either is seen here,
        or sees that there is no shipper. What is quarantined stays, and with it the directory.
        """
        with self.locked():
            if self.segments() or self.counter_files() or self._files("batches"):
                return False
            if not self._files("quarantine"):
                self._remove()
            _unlock(shipper_lock)
        return True

    def segments(self) -> list[Path]:
        """The files of `segments/`, the oldest first."""
        return self._files("segments")

    def counter_files(self) -> list[Path]:
        """The files of `writers/`."""
        return self._files("writers")

    def _files(self, name: str) -> list[Path]:
        try:
            return [self.path(name) / entry for entry in sorted(os.listdir(self.path(name)))]  # noqa: PTH208
        except FileNotFoundError:
            return []

    def claim(
        self,
        process: str,
        header: bytes,
        now: int,
        process_counters: ProcessCounters,
        wait: bool = True,
        reserve: bool = False,
    ) -> tuple[str, mmap.mmap] | None:
        """A prepared segment for a writing process, its id and its memory, whose pages are touched; None where there is
        no room for one.

        A file of an old segment is used again before a new one is made; at the limit the oldest segment that is sealed
        and not pinned is dropped for it, but not where the disk is full below the limit. `wait=False` is for a request's
        thread: it takes only what lies ready. What is only a `reserve` drops nothing and leaves half of the spool to
        those who need it.
        """
        with self.locked(wait) as held:
            if not held:
                return None
            source = self._spare()
            if source is None and wait:
                taken = len(self._files("segments"))
                if taken < (self.max_segments // 2 if reserve else self.max_segments):
                    source = self._grow()
                elif not reserve:
                    source = self._drop_oldest(process_counters)
            if source is None:
                return None
            path, descriptor = source
            try:
                mapped = mmap.mmap(descriptor, self.segment_bytes)
            finally:
                os.close(descriptor)
            identity = event_id_bytes(now).hex()
            segment.lay(memoryview(mapped), process.ljust(32, "0"), header, int(identity[-8:], 16))
            path.rename(self.path("segments") / f"{identity}.seg")
        if wait:
            touch(mapped)
        return identity, mapped

    def _spare(self) -> tuple[Path, int] | None:
        """A free file and its descriptor; what has another size, or is a link, is none."""
        for path in self._files("free"):
            try:
                descriptor = os.open(path, _OPEN_FLAGS)
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                path.unlink()
                continue
            if os.fstat(descriptor).st_size == self.segment_bytes:
                return path, descriptor
            os.close(descriptor)
            path.unlink()
        return None

    def _grow(self) -> tuple[Path, int] | None:
        """A new file and its descriptor, where the disk allows it."""
        path = self.path("free") / "new.seg"
        descriptor = os.open(path, _OPEN_FLAGS | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self.segment_bytes)
        except OSError:
            os.close(descriptor)
            path.unlink()
            return None
        return path, descriptor

    def _drop_oldest(self, process_counters: ProcessCounters) -> tuple[Path, int] | None:
        """The file of the segment that was opened first of those that may go, and its descriptor; what it held is counted."""
        self.prepare()
        pinned = self.pinned()
        found = [(segment.sealed_since(path), path) for path in self.segments() if path.stem not in pinned]
        for _, path in sorted((opened, path) for opened, path in found if opened is not None):
            try:
                reader = segment.SegmentReader(path)
            except (segment.SegmentDamaged, OSError):
                continue
            if reader.size != self.segment_bytes:
                continue
            records, length = reader.committed
            taken, done = reader.taken
            if records > taken:
                first, last = reader.first_number + taken, reader.first_number + records - 1
                with contextlib.suppress(OSError, ValueError):  # a damaged writer's id may be no name of a file
                    (self.path("lost") / f"{reader.writer}.{first}.{last}.{reader.opened_at}").touch(mode=0o600)
                process_counters.dropped(length - done)
            return path, os.open(path, _OPEN_FLAGS)
        return None

    def pinned(self) -> set[str]:
        """The ids of the segments that a batch in flight names."""
        found: set[str] = set()
        for path in self._files("batches"):
            try:
                manifest = msgspec.json.decode(path.read_bytes())
                found.update(part["segment"] for part in manifest["parts"])
            except (OSError, msgspec.DecodeError, KeyError, TypeError):
                continue
        return found

    def recycle(self, identity: str, max_free: int = 8) -> None:
        """Makes a segment's file free to be used again; the caller holds the lock."""
        path = self.path("segments") / f"{identity}.seg"
        with _unless_there(path):
            if len(self._files("free")) < max_free:
                path.rename(self.path("free") / path.name)
            else:
                path.unlink()

    def quarantine(self, name: str, data: bytes) -> None:
        """Keeps bytes for a person to look at; raises OSError."""
        _make_private(self.path("quarantine"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.path("quarantine") / name, flags, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(data)
        self._trim_quarantine()

    def quarantine_file(self, path: Path) -> None:
        """Keeps a file of the spool, out of everybody's way; one that is gone already is none of its business."""
        with self.locked(), _unless_there(path):
            path.rename(self.path("quarantine") / path.name)
        self._trim_quarantine()

    def _trim_quarantine(self) -> None:
        """Keeps what is quarantined within its share of the spool; the oldest goes, the newest stays whatever its size."""
        found = [(entry.stat(), entry) for entry in self._files("quarantine")]
        found.sort(key=lambda pair: (pair[0].st_mtime_ns, pair[1].name))
        size = sum(about.st_size for about, _ in found)
        for about, path in found[:-1]:
            if size <= self.aside_bytes:
                return
            size -= about.st_size
            path.unlink(missing_ok=True)

    def remove_if_done(self) -> bool:
        """Removes everything in a spool in which nothing waits and no process can write; the caller is its shipper."""
        with self.locked():
            if self.segments() or self.counter_files() or self._files("batches") or self._files("quarantine"):
                return False
            self._remove()
        return True

    def _remove(self) -> None:
        for name in ("free", "lost"):
            for path in self._files(name):
                path.unlink()
        for name in _DIRECTORIES:
            with contextlib.suppress(FileNotFoundError):
                self.path(name).rmdir()
        for path in self.directory.glob(".*.tmp"):
            path.unlink(missing_ok=True)
        for name in ("state", "metrics.json", "settings.json", "shipper.log", "shipper.lock", "lock"):
            self.path(name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.directory.rmdir()


def _make_private(directory: Path) -> None:
    """Makes a directory where it is missing, for its owner alone, whatever the umask is."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        if not directory.is_dir():
            raise
    else:
        directory.chmod(0o700)


@contextlib.contextmanager
def _unless_there(path: Path) -> Iterator[None]:
    """Takes it for done that a file is gone; where it is there, it is the directory of its new place that is not."""
    try:
        yield
    except FileNotFoundError:
        if path.exists():
            raise


def _unlock(descriptor: int) -> None:
    """Lets the lock go, also where a child that was forked meanwhile inherited the descriptor."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def touch(mapped: mmap.mmap) -> None:
    """Faults the pages in now, so that no append does. A kernel before 5.14 is asked page by page."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
    if _madvise(address, len(mapped), _MADV_POPULATE_WRITE) != 0:
        view = memoryview(mapped)
        for page in range(0, len(mapped), 4096):
            view[page] = view[page]
