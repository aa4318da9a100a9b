"""The attendant: a thread of the writing process that keeps segments prepared, so that no request has to.

It claims segments from the spool, maps them and faults their pages in, ahead of need. How many it holds ready grows when
appends use more than one a second or empty the stock, falls again when they have not for a while, and is less where the
spool is small. It looks by itself; a request wakes it only when the stock is low, because that costs the request more
than an append. Where a segment cannot be had, it rests before it asks again, however many requests want one. Where the
buffer is to see to a shipper, it also starts one whenever none holds the spool (`launch.py`), with a pause that grows
while they end at once.
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
from capture.journal.segment import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture.journal.account import Account
    from capture.journal.spool import Spool

log = logging.getLogger("capture")
_LOOKS = 0.25
_SECOND = 1.0
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
        self._ready: deque[SegmentWriter] = deque()
        self._sealed: deque[SegmentWriter] = deque()
        self._wanted = _FEWEST
        self._share = max(spool.most_segments // 32, 1)
        self._changed = 0.0
        self._used = 0
        self._counted = 0.0
        self._wake, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture-attendant", daemon=True)

    def start(self) -> None:
        """Prepares the first segment in the caller's thread, then the others in one of its own."""
        self._stock()
        self._thread.start()

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
        if left <= max(min(self._wanted, self._share) // 4, 1):
            self._wake.set()
        if segment is None:
            with contextlib.suppress(OSError, SpoolError):
                return self._claim(wait=False)
        return segment

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
        now = monotonic()
        if now - self._counted >= _SECOND:
            used, self._used, self._counted = self._used, 0, now
            if used > 1:
                self._want_more()
            elif self._wanted > _FEWEST and now - self._changed >= _CALM:
                self._wanted -= 1
                self._changed = now
        return self._stock()

    def let_go(self) -> None:
        """Unmaps the sealed segments."""
        with contextlib.suppress(IndexError):
            while True:
                self._sealed.popleft().let_go()

    def _claim(self, wait: bool) -> SegmentWriter | None:
        """A segment; where one is ready already, it is only a reserve."""
        now, reserve = self._clock() // 1000, bool(self._ready)
        mapped = self._spool.claim(self._account.process, self._header, now, self._account, wait, reserve)
        return None if mapped is None else SegmentWriter(mapped)

    def _want_more(self) -> None:
        self._wanted = min(self._wanted * 2, _MOST)
        self._changed = monotonic()

    def _stock(self) -> bool:
        """Claims until as many are ready as are wanted, or as this spool can give; False where that is none."""
        while len(self._ready) < min(self._wanted, self._share) and not self._end.is_set():
            segment = self._claim(wait=True)
            if segment is None:
                return bool(self._ready)
            self._ready.append(segment)
        return True

    def _run(self) -> None:
        pause = monotonic()
        while not self._end.is_set():
            self._wake.wait(_LOOKS)
            self._wake.clear()
            try:
                if not self.tend():
                    self._end.wait(_REST)
                if self.launcher is not None and monotonic() >= pause:
                    pause = monotonic() + self.launcher.ensure()
            except Exception as error:  # whatever it is, requests will need segments when it is over
                log.warning("capture: the spool cannot give a segment: %s", error)
                self._end.wait(_PAUSE)
