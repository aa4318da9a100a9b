"""The writers of one process: its place in the spool, from the counters that it opens to the last segment that it seals.

`idle` is a stack of writers that no thread uses: an append pops one and appends it again. Everything else here is for the
rare moments: the spool is entered (and entered anew after a fork, or when it could not be used before), all writers are in
use, no segment is free, the process closes its buffer.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, SupportsIndex

from capture import event_id
from capture.asynchronous import comes_from_outside
from capture.fork_guard import fork_guard
from capture.journal.counters import BUSY, CLOSED, SPOOL_UNAVAILABLE, UNASSIGNED, ProcessCounters
from capture.journal.segment import header_bytes
from capture.journal.spool import Spool
from capture.throttled_log import ThrottledLog
from capture.writing.segment_pool import SegmentPool
from capture.writing.shipper_launcher import Launcher
from capture.writing.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture.config import CaptureConfig
    from capture.writing.block_encoder import EncodedBlock

log = logging.getLogger("capture")
_TRIES_FOR_A_WRITER = 200
_SPARE_WRITERS = 2
_RETRY_SPOOL = 5.0
_WAIT_FOR_SPOOL = 0.25
_POLL = 0.01
_PATIENCE = 0.25
_MAX_LOOKS = 100


class _Returning(list[Writer]):
    """The writers of a closed buffer: none is given out, and one that comes back is sealed."""

    def __init__(self) -> None:
        super().__init__()
        self.sealed: list[Writer] = []

    def append(self, writer: Writer) -> None:
        """Seals a writer whose append has ended."""
        writer.seal()
        self.sealed.append(writer)

    def insert(self, index: SupportsIndex, writer: Writer) -> None:
        """As `append`."""
        self.append(writer)


class WriterPool:
    """The writers of this process in the spool that the settings name.

    `made` are all of them, those in use too; `closed` says that none is given out any more, or ever was: the settings
    capture nothing; `entered` that there is a spool. `here[0]` is 0 in a process that was forked from the one that entered the spool: then `forget` comes
    before anything else.
    """

    def __init__(
        self, config: CaptureConfig, start_shipper: bool, clock: Callable[[], int], throttled_log: ThrottledLog
    ) -> None:
        """Enters the spool, if that can be done now. Raises ConfigError for a wrong setting."""
        self.here = fork_guard()
        self.idle: list[Writer] = []
        self.made: list[Writer] = []
        self.closed = not config.enabled
        self.process_counters: ProcessCounters | None = None
        self.segment_pool: SegmentPool | None = None
        self._config = config
        self._start_shipper = start_shipper
        self._clock = clock
        self._throttled_log = throttled_log
        self._serving = False
        self._looks: dict[Writer, int] = {}
        self._numbers = itertools.count()
        self._next_try = 0.0
        self._unassigned: dict[int, int] = {}
        self._opening, self._counting = threading.Lock(), threading.Lock()
        self.entered = config.enabled
        if config.enabled:
            place = config.spool()
            self.spool = Spool(place.directory, place.max_bytes)
            self._header = header_bytes(config.header())
            self._open()

    def another(self) -> Writer | None:
        """A writer where every one that was made is in use: a new one, or the first that comes back. None, and the record is
        counted as refused, where there is none."""
        if self.closed:
            if self._config.enabled:
                self._refuse(CLOSED)
                self._throttled_log.warning("closed", "refused a record (closed): the buffer is closed")
            return None
        if not (self.process_counters is not None or self._enter()) or not self._serve():
            self._refuse(SPOOL_UNAVAILABLE)
            return None
        with contextlib.suppress(IndexError):  # those of a spool that was entered just now
            return self.idle.pop()
        with self._counting:
            writer = self._make()
        for _ in range(_TRIES_FOR_A_WRITER):
            if writer is not None:
                return writer
            time.sleep(0)
            with contextlib.suppress(IndexError):
                writer = self.idle.pop()
        self._refuse(BUSY)
        self._throttled_log.warning("busy", "refused a record (busy): every writer is in use")
        return None

    def write_elsewhere(
        self, about: tuple[Any, ...], request: EncodedBlock | None, items: EncodedBlock, outputs: EncodedBlock
    ) -> bool:
        """Writes into the open segment of another writer, where there is one with room: no segment lies ready for ours."""
        without_room = 0
        for _ in range(_TRIES_FOR_A_WRITER):
            try:
                other = self.idle.pop()
            except IndexError:
                time.sleep(0)
                continue
            try:
                if other.write_open(about, request, items, outputs):
                    self.idle.append(other)
                    return True
            except BaseException as error:
                if comes_from_outside(error):
                    other.interrupt()
                self.idle.append(other)
                raise
            self.idle.insert(0, other)
            without_room += 1
            if without_room >= len(self.made):
                break
        return False

    def close(self, timeout: float) -> bool:
        """Seals every writer, waits until their records are shipped (or lost and counted), and says whether they are."""
        if not self.here[0]:
            self.forget()
        end = time.monotonic() + timeout
        with self._counting:
            self.closed = True
            process_counters, segment_pool = self.process_counters, self.segment_pool
            writers, made = self.idle, list(self.made)
            returning = self.idle = writers if isinstance(writers, _Returning) else _Returning()
        if process_counters is None or segment_pool is None:
            return True
        segment_pool.stop()
        patient = time.monotonic() + _PATIENCE
        while len(returning.sealed) < len(made):
            try:
                returning.append(writers.pop())
            except IndexError:
                if time.monotonic() >= patient and self._take_back(returning, made):
                    continue
                if time.monotonic() >= end:
                    return False  # a thread still writes: its writer is sealed when it comes back, or the process dead
                time.sleep(_POLL)
        segment_pool.clear()
        process_counters.close_for_writing()
        settled = _settled(made)
        launcher, ask = segment_pool.launcher, 0.0
        while not settled and time.monotonic() < end:
            if launcher is not None and time.monotonic() >= ask:
                ask = time.monotonic() + launcher.ensure()
            time.sleep(_POLL)
            settled = _settled(made)
        if not settled and timeout > 0:
            self._say_what_waits(made, launcher, timeout)
        process_counters.close()
        return settled

    def find_lost(self) -> None:
        """Gives back a writer that an exception from outside took from its append before the append could mark it.

        Such a writer is in no append's hands for very many looks; a thread that has just taken one marks it at once.
        """
        idle = set(map(id, self.idle))
        missing = [writer for writer in self.made if not writer.begun and id(writer) not in idle]
        self._looks = {writer: self._looks.get(writer, 0) + 1 for writer in missing}
        for writer, looks in self._looks.items():
            if looks >= _MAX_LOOKS and not writer.begun:
                writer.interrupt()
                self.idle.append(writer)

    @staticmethod
    def _take_back(returning: _Returning, made: list[Writer]) -> bool:
        """Seals a writer that no append has in its hands and that does not come back; False where there is none."""
        for writer in made:
            if not writer.begun and writer not in returning.sealed:
                returning.append(writer)
                return True
        return False

    def forget(self) -> None:
        """Gives up the parent's writers in a forked child. The first append enters the spool as a writer of its own.

        Nothing of the parent's threads and locks is touched: a lock that was held at the fork stays held here.
        """
        event_id.reseed()
        if self.process_counters is not None:
            self.process_counters.close()
        self.process_counters = self.segment_pool = None
        self._opening, self._counting = threading.Lock(), threading.Lock()
        self.idle, self.made = [], []
        self._serving = False
        self._throttled_log = ThrottledLog(log)
        self._unassigned = {}
        self._next_try = 0.0
        self.here = fork_guard()

    def _say_what_waits(self, made: list[Writer], launcher: Launcher | None, timeout: float) -> None:
        waiting = sum(writer.counters.records - writer.counters.settled for writer in made)
        why = "" if launcher is None else f"; the shipper's log {launcher.log_path} ends with: {launcher.last_words()}"
        with contextlib.suppress(Exception):  # a handler of the user's own that fails is not to fail `close`
            log.warning(
                "capture: %d records are not shipped after %g s; they wait in %s%s",
                waiting, timeout, self.spool.directory, why,
            )  # fmt: skip

    def _refuse(self, reason: int) -> None:
        """Counts a record that found no writer, in the counters as soon as there is one."""
        with self._counting:
            if self.process_counters is None:
                self._unassigned[reason] = self._unassigned.get(reason, 0) + 1
            else:
                self.process_counters.writer(UNASSIGNED).refused(reason)

    def _enter(self) -> bool:
        """Opens the spool where it is time to try; threads that come meanwhile wait for the one that does, a moment."""
        if not self._opening.acquire(timeout=_WAIT_FOR_SPOOL):
            return False
        try:
            return self.process_counters is not None or (time.monotonic() >= self._next_try and self._open())
        finally:
            self._opening.release()

    def _open(self) -> bool:
        """Enters the spool as a new writing process; False where that cannot be done now. Raises nothing."""
        self._next_try = time.monotonic() + _RETRY_SPOOL
        path = self.spool.path("writers") / uuid.uuid4().hex[:24]
        process_counters = None
        try:
            with self.spool.locked():
                self.spool.prepare()
                process_counters = ProcessCounters.create(path, self._header, self._clock() // 1000)
            launcher = Launcher(self.spool, self._config) if self._start_shipper else None
            segment_pool = SegmentPool(
                self.spool, process_counters, self._header, self._clock, launcher, self.find_lost
            )
            segment_pool.start()
            if launcher is not None:
                launcher.ensure()  # before the first record is accepted: this process may end right after it
        except Exception as error:  # an append came here first: whatever it is, it is not to fail a request
            if process_counters is not None:
                process_counters.close()
                with contextlib.suppress(OSError):
                    path.unlink()
            self._throttled_log.warning("spool_unavailable", f"refused a record (spool_unavailable): {error}")
            return False
        if self._begin(process_counters, segment_pool):
            return True
        segment_pool.clear()
        process_counters.close_for_writing()
        process_counters.close()
        return False

    def _begin(self, process_counters: ProcessCounters, segment_pool: SegmentPool) -> bool:
        """From now on writers are given out, unless the buffer was closed meanwhile."""
        with self._counting:
            if self.closed:
                return False
            self.process_counters, self.segment_pool = process_counters, segment_pool
            for reason, count in self._unassigned.items():
                process_counters.writer(UNASSIGNED).refused(reason, count)
            self._unassigned = {}
            self.made, self._numbers = [], itertools.count()
            self._serving = False
            return True

    def _serve(self) -> bool:
        """Starts the thread and gives out the first writers, when the first append comes; False where it cannot be done.

        Not earlier: a process that makes a buffer and is forked before it appends anything has no thread of ours then.
        A thread that waits for the interpreter's lock at a fork that Python does not see can block the child for ever.
        """
        with self._counting:
            process_counters, segment_pool = self.process_counters, self.segment_pool
            if self._serving or process_counters is None or segment_pool is None:
                return self._serving
            try:
                segment_pool.begin()
            except RuntimeError as error:
                self._throttled_log.warning("spool_unavailable", f"refused a record (spool_unavailable): {error}")
                segment_pool.clear()
                process_counters.close()
                process_counters.path.unlink(missing_ok=True)
                self.process_counters = self.segment_pool = None
                return False
            writers = [self._make() for _ in range(_SPARE_WRITERS)]
            self.idle.extend(writer for writer in writers if writer is not None)
            self._serving = True
            return True

    def _make(self) -> Writer | None:
        process_counters, segment_pool, index = self.process_counters, self.segment_pool, next(self._numbers)
        if self.closed or process_counters is None or segment_pool is None or index >= UNASSIGNED:
            return None
        writer = Writer(process_counters.process, index, process_counters.add_writer(index), segment_pool)
        self.made.append(writer)
        return writer


def _settled(writers: list[Writer]) -> bool:
    return all(writer.counters.settled >= writer.counters.records for writer in writers)
