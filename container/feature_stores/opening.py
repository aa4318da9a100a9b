"""The store that `FEATURE_STORE_URI` names."""

from __future__ import annotations

import importlib
from pathlib import Path

from container.feature_stores.caching import CachedStore
from container.feature_stores.protocol import FeatureStore, StoreError
from container.shared.artefact import Artefact
from container.shared.settings import StoreSettings


def open_store(settings: StoreSettings, artefact: Artefact) -> FeatureStore:
    """Open it; each kind is imported only where it is used.

    Raises:
        StoreError: it cannot be opened.
    """
    store = _open(settings, artefact)
    if settings.cache_seconds > 0:
        return CachedStore(store, settings.cache_seconds, settings.cache_records)
    return store


def _open(settings: StoreSettings, artefact: Artefact) -> FeatureStore:
    scheme, _, rest = settings.uri.partition(":")
    if scheme == "sqlite":
        from container.feature_stores.sqlite import SqliteStore

        path = Path(rest.removeprefix("//")) if rest.startswith("//") else artefact.code / rest
        return SqliteStore(path, settings.timeout)
    if scheme == "sagemaker":
        from container.feature_stores.sagemaker import SageMakerStore

        return SageMakerStore.connect(settings.timeout)
    if scheme == "feast":
        from container.feature_stores.feast import FeastStore

        return FeastStore.open(Path(rest.removeprefix("//")), settings.timeout)
    return _from_python(rest)


def _from_python(name: str) -> FeatureStore:
    module, _, function = name.partition(":")
    try:
        store: FeatureStore = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise StoreError(f"FEATURE_STORE_URI=python:{name}: {error}") from error
    if not callable(getattr(store, "get", None)):
        raise StoreError(f"FEATURE_STORE_URI=python:{name}: what {function}() returns has no method get")
    return store
