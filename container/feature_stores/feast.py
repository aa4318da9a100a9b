"""Feast's online store: a group is a feature view, an id its one join key.

Feast has no time limit of its own, so a look-up runs on a thread that is waited for no longer than the limit says.
Installed with the extra `feast`; it brings pandas and pyarrow into every worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container.feature_stores.protocol import Record, StoreError, StoreUnavailable, remaining

LOOKUPS_AT_ONCE = 4


@dataclass(frozen=True)
class _View:
    """A feature view: its join key, whether that is a number, and its features."""

    key: str
    numeric: bool
    features: tuple[str, ...]


class FeastStore:
    """Looks records up in a Feast repository. May be used by several threads."""

    def __init__(self, feast_store: Any, timeout: float) -> None:
        """Args:
        feast_store: a `feast.FeatureStore`.
        timeout: seconds that one look-up may take.
        """
        self._store = feast_store
        self._timeout = timeout
        self._views: dict[str, _View] = {}
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, "feature-store")

    @classmethod
    def open(cls, repository: Path, timeout: float) -> FeastStore:
        """The repository in this directory, with its `feature_store.yaml`.

        Raises:
            StoreError: Feast is not installed, or the repository cannot be read.
        """
        try:
            import feast  # type: ignore[import-not-found, unused-ignore]
        except ImportError as error:
            raise StoreError("FEATURE_STORE_URI=feast: needs `pip install endpoint-capture[feast]`") from error
        try:
            return cls(feast.FeatureStore(repo_path=str(repository)), timeout)
        except Exception as error:
            raise StoreError(f"FEATURE_STORE_URI=feast://{repository}: {error}") from error

    def get(self, group: str, ids: Sequence[str], features: Sequence[str] | None = None) -> list[Record | None]:
        """See `FeatureStore.get`."""
        limit = remaining(self._timeout)
        lookup = self._threads.submit(self._look_up, group, [str(key) for key in ids], features)
        try:
            return lookup.result(limit)
        except FutureTimeout:
            lookup.cancel()
            raise StoreUnavailable(f"Feast did not answer in {limit:.3g} s") from None

    def _look_up(self, group: str, keys: list[str], features: Sequence[str] | None) -> list[Record | None]:
        view = self._view(group)
        wanted = view.features if features is None else tuple(features)
        unknown = [name for name in wanted if name not in view.features]
        if unknown:
            raise StoreError(f"feature view {group} has no feature {unknown[0]}; it has {', '.join(view.features)}")
        if not keys or not wanted:
            return [None] * len(keys)
        try:
            answer = self._store.get_online_features(
                features=[f"{group}:{name}" for name in wanted],
                entity_rows=[{view.key: int(key) if view.numeric else key} for key in keys],
            ).to_dict(include_event_timestamps=True)
        except Exception as error:
            raise _as_ours(error, group) from error
        return [_record(answer, index, wanted) for index in range(len(keys))]

    def _view(self, group: str) -> _View:
        view = self._views.get(group)
        if view is None:
            view = self._views[group] = self._describe(group)
        return view

    def _describe(self, group: str) -> _View:
        try:
            found = self._store.get_feature_view(group)
        except Exception as error:
            raise _as_ours(error, group) from error
        if len(found.entity_columns) != 1:
            raise StoreError(f"feature view {group} must have one join key, the record's id")
        key = found.entity_columns[0]
        return _View(key.name, "INT" in str(key.dtype).upper(), tuple(field.name for field in found.features))


def _record(answer: Mapping[str, Sequence[Any]], index: int, features: Sequence[str]) -> Record | None:
    """Feast has no word for "no such entity": then no feature has an event time."""
    times = [answer[f"{name}__ts"][index] for name in features]
    known = [moment for moment in times if moment]
    if not known:
        return None
    return Record(((name, answer[name][index]) for name in features), float(min(known)))


def _as_ours(error: Exception, group: str) -> StoreError:
    """What Feast itself says stays wrong (no such view); what its online store says may pass."""
    ours = isinstance(error, ValueError | KeyError) or type(error).__module__.startswith("feast.")
    return (StoreError if ours else StoreUnavailable)(f"Feast, feature view {group}: {error}")
