"""Records kept in memory for a while, so that a hot entity is not asked for in every request.

A record is served for `seconds` after it was fetched; what the store did not have is asked for again. At most
`records` are kept, and the least recently used goes first. A record's event time is the stored one, so the age that is
captured and exported does not lie: what the cache adds is seen in it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from container.feature_stores.protocol import FeatureStore, Record


class CachedStore:
    """A store behind a cache. May be used by several threads."""

    def __init__(
        self, store: FeatureStore, seconds: float, records: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._seconds = seconds
        self._records = records
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str, tuple[str, ...] | None], tuple[float, Record]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, group: str, ids: Sequence[str], features: Sequence[str] | None = None) -> list[Record | None]:
        """See `FeatureStore.get`."""
        names = None if features is None else tuple(features)
        now = self._clock()
        answers: list[Record | None] = []
        with self._lock:
            for key in ids:
                kept = self._kept.get((group, key, names))
                fresh = kept is not None and now - kept[0] < self._seconds
                answers.append(kept[1] if kept is not None and fresh else None)
                if fresh:
                    self._kept.move_to_end((group, key, names))
        wanted = list(dict.fromkeys(key for key, answer in zip(ids, answers, strict=True) if answer is None))
        if not wanted:
            return [_copy(answer) for answer in answers]
        fetched = dict(zip(wanted, self._store.get(group, wanted, features), strict=True))
        with self._lock:
            for key, record in fetched.items():
                if record is not None:
                    self._kept[group, key, names] = (now, record)
                    self._kept.move_to_end((group, key, names))
            while len(self._kept) > self._records:
                self._kept.popitem(last=False)
        return [_copy(fetched.get(key) if answer is None else answer) for key, answer in zip(ids, answers, strict=True)]


def _copy(record: Record | None) -> Record | None:
    """A handler may change the record it gets; the kept one stays as it was."""
    return None if record is None else Record(record, record.event_time)
