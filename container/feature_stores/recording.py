"""The store as `features_fn` sees it, for one request.

It keeps the request's deadline over all look-ups together, does what the settings say when one fails, counts, and
remembers for each group the oldest event time and how many ids were missing: that is captured with the record as
`capture_age_{group}` and `capture_missing_{group}`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from capture import Lookup
from container.feature_stores.protocol import DEADLINE, FeatureStore, Record, StoreError, StoreUnavailable
from container.metrics import families

log = logging.getLogger("feature_store")
QUIET_SECONDS = 60.0


class FailurePolicy:
    """What a failed look-up means, and how often the log hears of it (once a minute for a group)."""

    def __init__(self, timeout: float, fail_open: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.timeout = timeout
        self.fail_open = fail_open
        self._clock = clock
        self._said: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def failed(self, group: str, error: StoreUnavailable) -> None:
        """Log the failure, and raise it where the settings want that.

        Raises:
            StoreUnavailable: `FEATURE_STORE_ON_FAILURE` is 503.
        """
        now = self._clock()
        if now - self._said.get(group, -QUIET_SECONDS) >= QUIET_SECONDS:
            self._said[group] = now
            more = self._unsaid.pop(group, 0)
            answer = "null features" if self.fail_open else "503"
            log.warning("look-up in %s failed (%d more times since last said), answered with %s: %s",
                        group, more, answer, error)  # fmt: skip
        else:
            self._unsaid[group] = self._unsaid.get(group, 0) + 1
        if not self.fail_open:
            raise error


class RecordingStore:
    """One request's view of the store. The handler may use it from several threads."""

    def __init__(self, store: FeatureStore, policy: FailurePolicy) -> None:
        self._store = store
        self._policy = policy
        self._deadline = time.monotonic() + policy.timeout
        self._lock = threading.Lock()
        self._lookups: dict[str, Lookup] = {}

    def get(self, group: str, ids: Sequence[str], features: Sequence[str] | None = None) -> list[Record | None]:
        """See `FeatureStore.get`.

        A look-up that fails gives None for every id, counted as missing, or raises `StoreUnavailable`, as
        `FEATURE_STORE_ON_FAILURE` says.
        """
        if isinstance(ids, str):
            raise StoreError(f"ids must be a list of ids, not the string {ids!r}")
        begun = time.monotonic()
        failure: StoreUnavailable | None = None
        outer = DEADLINE.set(self._deadline)
        try:
            if begun >= self._deadline:
                raise StoreUnavailable(f"the request's {self._policy.timeout:g} s for look-ups are over")
            records = self._store.get(group, ids, features)
        except StoreUnavailable as error:
            failure = error
            records = [None] * len(ids)
        finally:
            DEADLINE.reset(outer)
        missing = sum(record is None for record in records)
        families.looked_up(
            group,
            time.monotonic() - begun,
            found=len(records) - missing,
            missing=0 if failure else missing,
            failed=missing if failure else 0,
        )
        self._note(group, records, missing)
        if failure is not None:
            self._policy.failed(group, failure)
        return records

    def lookups(self) -> dict[str, Lookup]:
        """What was looked up so far, by group; it does not change afterwards."""
        return self._lookups

    def observe_ages(self, now: float) -> None:
        """Export how old the records were at `now`, epoch seconds."""
        for group, lookup in self._lookups.items():
            if lookup.oldest_event_time is not None:
                families.record_age(group, now - lookup.oldest_event_time)

    def _note(self, group: str, records: Sequence[Record | None], missing: int) -> None:
        times = [record.event_time for record in records if record is not None and record.event_time is not None]
        with self._lock:
            known = self._lookups.get(group)
            if known is not None:
                missing += known.missing
                times += [] if known.oldest_event_time is None else [known.oldest_event_time]
            self._lookups = {**self._lookups, group: Lookup(min(times, default=None), missing)}


class NoStore:
    """What `features_fn` gets where no store is set."""

    def get(self, group: str, ids: Sequence[str], features: Sequence[str] | None = None) -> list[Record | None]:
        """Raises StoreError: there is no store."""
        raise StoreError(f"features_fn looks up {group}, but FEATURE_STORE_URI is not set")
