"""Claims: of several monitors that look at the same window, one judges it.

A claim is `claim.json` below the window's prefix, created by a conditional write. It is a lease: its holder, and until when it
counts. A monitor that dies leaves a claim that runs out; then another one replaces it, again by a conditional write. So a window
is judged by one monitor at a time, and is never lost. Two monitors judge the same window only where the first one needs longer
than its lease; the alarms count a window once even then.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
import uuid
from typing import TYPE_CHECKING

import msgspec

from monitoring.storage import Conflict, MissingKey, Storage
from monitoring.storage.lease import Lease, take

if TYPE_CHECKING:
    from collections.abc import Callable

LEASE = dt.timedelta(minutes=30)
_NAME = "claim.json"


class Claims:
    """The claims of one monitor process.

    `now` is the clock, `owner` a name that no other process has.
    """

    def __init__(
        self,
        storage: Storage,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        owner: str = "",
        lease: dt.timedelta = LEASE,
    ) -> None:
        self._storage = storage
        self._now = now
        self._lease = lease
        self.owner = owner or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"

    def take(self, prefix: str) -> bool:
        """Claims the window below `prefix`. Returns False where another monitor holds it."""
        now = self._now()
        mine = msgspec.json.encode(Lease(self.owner, now + self._lease))

        def body(held: bytes | None) -> bytes | None:
            return None if held is not None and _decode(held).keeps_out(self.owner, now, self._lease) else mine

        return take(self._storage, f"{prefix}{_NAME}", body) is not None

    def release(self, prefix: str) -> None:
        """Gives up a claim, so that the next monitor need not wait for its end. Keeps a claim of another owner."""
        try:
            stored = self._storage.get(f"{prefix}{_NAME}")
            if _decode(stored.body).holder == self.owner:
                ended = msgspec.json.encode(Lease(self.owner, self._now()))
                self._storage.replace(f"{prefix}{_NAME}", ended, stored.tag)
        except (Conflict, MissingKey):
            return


def _decode(body: bytes) -> Lease:
    """Returns a claim; one that cannot be read has run out."""
    try:
        return msgspec.json.decode(body, type=Lease)
    except msgspec.DecodeError:
        return Lease("", dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
