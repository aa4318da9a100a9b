"""What an online feature store is.

To write one: give a class the method `get`, and name a function that makes it in `FEATURE_STORE_URI`
(`python:module:function`, a module in the artefact's `code/`). Everything else, counting, caching, what a failure means,
is done around it. Only the store itself can end a call that has begun: it takes `remaining(its own limit)`, so that all
look-ups of a request together keep the request's deadline.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import Protocol

DEADLINE: ContextVar[float] = ContextVar("DEADLINE", default=math.inf)
"""When the request's time for look-ups is over, of `time.monotonic`. `recording` sets it around each call, in the thread
that calls; a thread that a store starts does not see it, so a store asks before it hands work on."""


def remaining(limit: float) -> float:
    """Seconds that the look-up in hand may take: the store's own limit, or what is left to the request if that is less."""
    return max(0.0, min(limit, DEADLINE.get() - time.monotonic()))


class StoreError(Exception):
    """The root of what a store raises."""


class StoreUnavailable(StoreError):
    """The store did not answer in time, or not at all: the look-up may work again later."""


class Record(dict[str, object]):
    """Features of one entity, by name. `event_time` is when what is stored became true: epoch seconds, UTC."""

    __slots__ = ("event_time",)

    def __init__(
        self, features: Mapping[str, object] | Iterable[tuple[str, object]] = (), event_time: float | None = None
    ) -> None:
        super().__init__(features)
        self.event_time = event_time


class FeatureStore(Protocol):
    """A store of features by group and id."""

    def get(self, group: str, ids: Sequence[str], features: Sequence[str] | None = None) -> list[Record | None]:
        """Look entities up.

        Args:
            group: a feature group (SageMaker), table (SQLite) or feature view (Feast).
            ids: the entities' record ids; the same one may come twice.
            features: names of the features wanted; None: all of the group.

        Returns:
            One answer for each id, in order; None where the store has no such entity.

        Raises:
            StoreUnavailable: the store did not answer in time.
            StoreError: the look-up can never work: no such group, no such feature.
        """
        ...
