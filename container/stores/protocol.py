"""What an online feature store is.

To write one: give a class the method `get`, and name a function that makes it in `FEATURE_STORE_URI`
(`python:module:function`, a module in the artefact's `code/`). Everything else, counting, deadlines of the request,
caching, what a failure means, is done around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol


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
