"""The segment_pool: a thread of the writing process that keeps segments prepared, so that no request has to.

It claims segments from the spool, maps them and faults their pages in, ahead of need. How many it holds ready grows when
appends use more than one a second or empty the stock, falls again when they have not for a while, and is less where the
spool is small. It looks by itself; a request wakes it only when half of the stock is gone, because that costs the request
more than an append. Where nothing is ready and nothing can be had, it rests before it asks again, however many requests
want a segment. Where the buffer is to start a shipper, it also starts one whenever none holds the spool
(`shipper_launcher.py`), with a pause that grows while they end at once.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

from capture.errors import SpoolError
from capture.journal.segment import SegmentWriter
from capture.writing.shipper_launcher import Launcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture.journal.counters import ProcessCounters
    from capture.journal.spool import Spool

log = logging.getLogger("capture")
_LOOK, _LOOK_BUSY, _REST, _PAUSE = 0.25, 0.1, 0.02, 1.0
_MIN_READY, _MAX_READY = 2, 8
_CALM = 60.0
_FIRST_SHIPPER_CHECK = 2.0


class _Wake:
    """What wakes the thread. Setting it is one call of C: `threading.Event` takes a lock in Python, and an exception of a
    signal handler there would leave it locked for ever."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[None] = SimpleQueue()
        self.set = partial(self._calls.put, None)

    def is_set(self) -> bool:
        """Returns whether it was set since it was cleared."""
        return not self._calls.empty()

    def clear(self) -> None:
        """Forgets that it was set."""
        with contextlib.suppress(Empty):
            while True:
                self._calls.get_nowait()

    def wait(self, timeout: float) -> None:
        """Waits until it is set, at most so many seconds."""
        with contextlib.suppress(Empty):
            self._calls.get(timeout=timeout)


class SegmentPool:
    """Prepared segments for one process; `take` and `release` are for the request's thread, the rest is not.

    `launcher` is None where another process starts the shipper; `find_lost` is called at each look.
    """

    def __init__(
        self,
        spool: Spool,
        process_counters: ProcessCounters,
        header: bytes,
        clock: Callable[[], int],
        launcher: Launcher | None,
        find_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._spool = spool
        self._counters = process_counters
        self._header = header
        self._clock = clock
        self.launcher = launcher
        self._find_lost = find_lost
        self._ready: deque[SegmentWriter] = deque()
        self._sealed: deque[SegmentWriter] = deque()
        self._wanted = _MIN_READY
        self._share = max(spool.max_segments // 32, 1)
        self._changed = 0.0
        self._used = 0
        self._counted = 0.0
        self._next_reserve = 0.0
        self._wake, self._end = _Wake(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture-segments", daemon=True)

    def start(self) -> None:
        """Prepares the first segment. Raises OSError or SpoolError where there can be none."""
        self._prepare(reserve=False)

    def begin(self) -> None:
        """Starts the thread; raises RuntimeError where there can be no thread."""
        self._thread.start()
        self._wake.set()

    def take(self) -> SegmentWriter | None:
        """A prepared segment; None where none is ready and none lies free."""
        ready = self._ready
        try:
            segment = ready.popleft()
        except IndexError:
            segment = None
        left = len(ready)
        self._used += segment is not None
        if not left:
            self._want_more()
        if left <= max(self._target // 2, 1):
            self._wake.set()
        if segment is None:
            with contextlib.suppress(OSError, SpoolError):
                return self._claim(wait=False)
        return segment

    def release(self, segment: SegmentWriter) -> None:
        """Takes a sealed segment off the request's thread; it is unmapped here."""
        self._sealed.append(segment)

    def stop(self) -> None:
        """Ends the thread: nothing more is claimed, nor dropped from a full spool for it. The shipper takes back what is
        prepared once the counters says that nobody writes."""
        self._end.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def refill(self) -> bool:
        """What the thread does each time it wakes: unmaps what is sealed, prepares what is wanted. False where none
        is ready, and none can be had."""
        self.close_sealed()
        self._find_lost()
        now = monotonic()
        if now - self._counted >= _PAUSE:
            used, self._used, self._counted = self._used, 0, now
            if used > 1:
                self._want_more()
            elif self._wanted > _MIN_READY and now - self._changed >= _CALM:
                self._wanted -= 1
                self._changed = now
                self._give_back()
        return self._stock()

    def close_sealed(self) -> None:
        """Unmaps the sealed segments."""
        with contextlib.suppress(IndexError):
            while True:
                self._sealed.popleft().close()

    def clear(self) -> None:
        """Unmaps everything: no writer takes a segment any more. The shipper has the files."""
        self._sealed.extend(self._ready)
        self._ready.clear()
        self.close_sealed()

    @property
    def _target(self) -> int:
        return min(self._wanted, self._share)

    def _prepare(self, reserve: bool) -> bool:
        """Makes one more segment ready, if there can be one."""
        segment = self._claim(wait=True, reserve=reserve)
        if segment is not None:
            self._ready.append(segment)
        return segment is not None

    def _claim(self, wait: bool, reserve: bool = False) -> SegmentWriter | None:
        claimed = self._spool.claim(
            self._counters.process, self._header, self._clock() // 1000, self._counters, wait, reserve
        )
        return None if claimed is None else SegmentWriter(*claimed)

    def _give_back(self) -> None:
        """Lets others have what is ready beyond what is wanted."""
        while len(self._ready) > self._target:
            try:
                segment = self._ready.pop()
            except IndexError:  # a request was faster
                return
            segment.close()
            with self._spool.locked():
                self._spool.recycle(segment.identity)

    def _want_more(self) -> None:
        self._wanted = min(self._wanted * 2, _MAX_READY)
        self._changed = monotonic()

    def _stock(self) -> bool:
        """Prepares segments until as many are ready as are wanted, or as this spool can give; False where that is none.

        Where one is ready, another is only a reserve; a spool that has none to give is asked again after a while.
        """
        while len(self._ready) < self._target and not self._end.is_set():
            reserve = bool(self._ready)
            if reserve and monotonic() < self._next_reserve:
                return True
            if self._prepare(reserve):
                continue
            if not reserve:
                return bool(self._ready)
            self._next_reserve = monotonic() + _PAUSE
        return True

    def _run(self) -> None:
        pause = monotonic() + _FIRST_SHIPPER_CHECK  # the process that enters a spool has just started one itself
        while not self._end.is_set():
            self._wake.wait(_LOOK if self._wanted == _MIN_READY else _LOOK_BUSY)
            self._wake.clear()
            try:
                if not self.refill():
                    self._end.wait(_REST)
                if self.launcher is not None and monotonic() >= pause:
                    pause = monotonic() + self.launcher.ensure()
            except Exception as error:  # whatever it is, requests will need segments when it is over
                log.warning("capture: the spool cannot give a segment: %s", error)
                self._end.wait(_PAUSE)
