"""One holder at a time: a lease in an object, taken by a conditional write and lost by time.

A holder that dies leaves its lease; after `until` another one takes the object over, again by a conditional write. A lease does
not stop a holder whose process was paused: what it writes then is refused by the storage, because the object changed.

Clocks may be wrong. A lease that ends later than four times its length from now was written by a clock that had jumped ahead,
and counts as over: otherwise one wrong clock would keep everybody out for as long as it was wrong.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import msgspec

from monitoring.storage import Conflict, MissingKey, Storage

TRUSTED = 4
"""Lengths of a lease that its end may lie in the future."""


class Lease(msgspec.Struct, frozen=True):
    """Who holds an object, and until when."""

    holder: str
    until: dt.datetime

    def keeps_out(self, holder: str, now: dt.datetime, length: dt.timedelta) -> bool:
        """Returns whether `holder` must wait at `now`. `length` is how long such leases last."""
        return self.holder != holder and now < self.until <= now + TRUSTED * length


def take(storage: Storage, key: str, body_of: Callable[[bytes | None], bytes | None]) -> str | None:
    """Creates the object, or replaces the one that is there. Returns its tag, None where another writer has it.

    `body_of` gets the present bytes, None where there is no object, and returns the new ones, or None to leave the object alone.
    """
    first = body_of(None)
    if first is not None:
        try:
            return storage.create(key, first)
        except Conflict:
            pass
    try:
        stored = storage.get(key)
        body = body_of(stored.body)
        return None if body is None else storage.replace(key, body, stored.tag)
    except (Conflict, MissingKey):
        return None
