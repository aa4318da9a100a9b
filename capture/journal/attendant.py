"""The attendant: a thread of the writing process that keeps segments prepared, so that no request has to.

It claims segments from the spool, maps them and faults their pages in, ahead of need; how many it holds ready grows
when appends empty the stock, falls again when they have not for a while, and is less where the spool is small. Where a
segment cannot be had, it rests before it asks again, however many requests want one. Where the buffer is to see to a shipper, it also
starts one whenever none holds the spool (`launch.py`), with a pause that grows while they end at once.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from capture.errors import SpoolError
from capture.journal.launch import Launcher

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable

    from capture.journal.account import Account
    from capture.journal.segment import SegmentWriter
    from capture.journal.spool import Spool

log = logging.getLogger("capture")
_PAUSE = 1.0
_REST = 0.02
_FEWEST, _MOST = 2, 8
_CALM = 60.0


class Attendant:
    """Prepared segments for one process; `take` and `retire` are for the request's thread, the rest is not.

    `launcher` is None where somebody else sees to a shipper.
    """

    def __init__(
        self,
        spool: Spool,
        account: Account,
        header: bytes,
        clock: Callable[[], int],
        launcher: Launcher | None,
    ) -> None:
        self._spool = spool
        self._account = account
        self._header = header
        self._clock = clock
        self.launcher = launcher
        self._ready: deque[mmap.mmap] = deque()
        self._sealed: deque[SegmentWriter] = deque()
        self._wanted = _FEWEST
        self._emptied = 0.0
        self._wake, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture-attendant", daemon=True)

    def start(self) -> None:
        """Prepares the first segment in the caller's thread, then the others in one of its own."""
        self._stock()
        self._thread.start()

    def take(self) -> mmap.mmap | None:
        """A prepared segment; None where none is ready and none lies free."""
        with contextlib.suppress(IndexError):
            mapped = self._ready.popleft()
            if not self._ready:
                self._want_more()
            self._wake.set()
            return mapped
        self._want_more()
        self._wake.set()
        with contextlib.suppress(OSError, SpoolError):
            return self._claim(wait=False)
        return None

    def retire(self, segment: SegmentWriter) -> None:
        """Takes a sealed segment off the request's thread; it is unmapped here."""
        self._sealed.append(segment)

    def stop(self) -> None:
        """Ends the thread: nothing more is claimed, nor dropped from a full spool for it. The shipper takes back what is
        prepared once the account says that nobody writes."""
        self._end.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def tend(self) -> bool:
        """What the thread does each time it wakes: unmaps what is sealed, prepares what is wanted. False where none
        is ready, and none can be had."""
        self.let_go()
        if self._wanted > _FEWEST and monotonic() - self._emptied >= _CALM:
            self._wanted -= 1
            self._emptied = monotonic()
        return self._stock()

    def let_go(self) -> None:
        """Unmaps the sealed segments."""
        with contextlib.suppress(IndexError):
            while True:
                self._sealed.popleft().let_go()

    def _claim(self, wait: bool) -> mmap.mmap | None:
        """A segment; where one is ready already, it is only a reserve."""
        now, reserve = self._clock() // 1000, bool(self._ready)
        return self._spool.claim(self._account.process, self._header, now, self._account, wait, reserve)

    def _want_more(self) -> None:
        self._wanted = min(self._wanted * 2, _MOST)
        self._emptied = monotonic()

    def _stock(self) -> bool:
        """Claims until as many are ready as are wanted, or as this spool can give; False where that is none."""
        share = max(self._spool.most_segments // 32, 1)
        while len(self._ready) < min(self._wanted, share) and not self._end.is_set():
            mapped = self._claim(wait=True)
            if mapped is None:
                return bool(self._ready)
            self._ready.append(mapped)
        return True

    def _run(self) -> None:
        pause = monotonic()
        while not self._end.is_set():
            self._wake.wait(_PAUSE)
            self._wake.clear()
            try:
                if not self.tend():
                    self._end.wait(_REST)
                if self.launcher is not None and monotonic() >= pause:
                    pause = monotonic() + self.launcher.ensure()
            except Exception as error:  # whatever it is, requests will need segments when it is over
                log.warning("capture: the spool cannot give a segment: %s", error)
                self._end.wait(_PAUSE)
