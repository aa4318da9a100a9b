"""Reads `statistics.json`: files that Model Monitor wrote, that `statistics.write` wrote, and that people edited.

Numbers may be strings ("NaN"); what is not finite is None. A distribution is taken from the sketch. Where the weights of the
sketch do not sum to the present values and the counts of the buckets do, it is taken from the buckets. Where neither does,
the counts are scaled, and a note says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from monitoring.baseline.constraints import DataType
from monitoring.baseline.sketch import Counts, Floats, weighted_items
from monitoring.errors import MonitoringError
from monitoring.states.column import ValueKind

_QUALITY = ("regression_metrics", "binary_classification_metrics", "multiclass_classification_metrics")


@dataclass(frozen=True, slots=True)
class FeatureStatistics:
    """One feature of the file.

    `items` and `counts` (numbers) have shape (n,): increasing values and how many values each stands for. `categories` (strings) maps a value to its count. Both are empty for a feature
    without a distribution. `mean` … `maximum` are None where the file has no finite number.
    """

    name: str
    data_type: DataType
    numeric: bool
    present: int
    missing: int
    mean: float | None = None
    std_dev: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    items: Floats = field(default_factory=lambda: np.zeros(0))
    counts: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    categories: dict[str, int] = field(default_factory=dict)
    kinds: dict[ValueKind, int] = field(default_factory=dict)
    infinities: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Statistics:
    """The file: its number of rows, its features in order, and notes on what a person should know of it."""

    rows: int
    features: tuple[FeatureStatistics, ...]
    notes: tuple[str, ...] = ()


def read(data: bytes, source: str = "statistics.json") -> Statistics:
    """Returns the statistics in `data`.

    Raises MonitoringError, which names `source`, where `data` is not a statistics.json of data quality.
    """
    try:
        document = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise MonitoringError(f"{source} is not JSON ({error}): give the statistics.json of a baseline") from error
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or "monitoring_config" in document:
        raise MonitoringError(f"{source} is {_kind(document)}: give the statistics.json of a data quality baseline")
    reader = _StatisticsReader(source)
    found = tuple(reader.feature(entry, number) for number, entry in enumerate(features))
    names = [feature.name for feature in found]
    if len(names) != len(set(names)):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise MonitoringError(f"{source} lists {', '.join(map(repr, twice))} twice: keep one entry for each")
    rows = (document.get("dataset") or {}).get("item_count")
    most = max((feature.present + feature.missing for feature in found), default=0)
    return Statistics(int(rows) if isinstance(rows, int | float) else most, found, tuple(reader.notes))


def _kind(document: object) -> str:
    if not isinstance(document, dict):
        return "not a JSON object"
    if any(key in document for key in _QUALITY):
        return "the statistics of model quality"
    if "monitoring_config" in document:
        return "a constraints.json"
    return f"without `features` (it has {', '.join(map(repr, list(document)[:5])) or 'no key'})"


class _StatisticsReader:
    """Reads the features of one file, and collects notes."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.notes: list[str] = []

    def feature(self, entry: Any, number: int) -> FeatureStatistics:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise MonitoringError(f"{self._source}: features[{number}] has no `name`: give the column's name")
        ours = entry.get("capture") or {}
        try:
            data_type = DataType(ours.get("value_type", entry.get("inferred_type", "Unknown")))
            numbers, strings = entry.get("numerical_statistics"), entry.get("string_statistics")
            common = (numbers or strings or {}).get("common") or {}
            present, missing = int(common.get("num_present", 0)), int(common.get("num_missing", 0))
            if present < 0 or missing < 0:
                raise ValueError(f"num_present {present} and num_missing {missing} must be at least 0")
            kinds = {ValueKind[key.upper()]: int(count) for key, count in (ours.get("kinds") or {}).items()}
            infinities = tuple(map(int, ours.get("infinities", (0, 0))))
            base = FeatureStatistics(name, data_type, numbers is not None, present, missing, kinds=kinds)
            base = _replaced(base, infinities=(infinities[0], infinities[1]))
            if numbers is not None:
                return self._numeric(base, numbers)
            return self._categorical(base, strings or {})
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise MonitoringError(
                f"{self._source}: the statistics of {name!r} cannot be read ({type(error).__name__}: {error}):"
                " make the baseline again"
            ) from error

    def _numeric(self, base: FeatureStatistics, numbers: dict[str, Any]) -> FeatureStatistics:
        kll = ((numbers.get("distribution") or {}).get("kll")) or {}
        items, counts = weighted_items((kll.get("sketch") or {}).get("data") or [])
        buckets = kll.get("buckets") or []
        in_buckets = np.array([round(float(bucket["count"])) for bucket in buckets], np.int64)
        from_buckets = counts.sum() != base.present and (
            in_buckets.sum() == base.present or (not len(items) and in_buckets.sum() > 0)
        )
        if from_buckets:
            items = np.array([float(bucket["upper_bound"]) for bucket in buckets])
            items[:-1] = np.nextafter(items[:-1], -np.inf)  # A bucket is open to the right, except the last.
            counts = in_buckets
            self.notes.append(
                f"{base.name!r}: its distribution is taken from its {len(buckets)} buckets, not its sketch"
            )
        if not np.isfinite(items).all() or (np.diff(items) <= 0).any() or (counts < 0).any():
            raise ValueError("the values of its distribution are not finite and increasing")
        total = int(counts.sum())
        if total and total != base.present:
            self.notes.append(f"{base.name!r}: its distribution counts {total:,} values of {base.present:,}; scaled")
            counts = _scaled(counts, base.present)
        return _replaced(
            base,
            mean=_number(numbers.get("mean")),
            std_dev=_number(numbers.get("std_dev")),
            minimum=_number(numbers.get("min")),
            maximum=_number(numbers.get("max")),
            items=items,
            counts=counts,
        )

    def _categorical(self, base: FeatureStatistics, strings: dict[str, Any]) -> FeatureStatistics:
        categorical = (strings.get("distribution") or {}).get("categorical") or {}
        categories: dict[str, int] = {}
        for bucket in categorical.get("buckets") or []:
            value = str(bucket["value"])
            categories[value] = categories.get(value, 0) + round(float(bucket["count"]))
        if any(count < 0 for count in categories.values()):
            raise ValueError("a category has a negative count")
        return _replaced(base, categories=categories)


def _replaced(feature: FeatureStatistics, **values: Any) -> FeatureStatistics:
    return FeatureStatistics(**{**{name: getattr(feature, name) for name in feature.__slots__}, **values})


def _number(value: Any) -> float | None:
    """Returns a number, or None for what is missing or not finite, as a number or as a string."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _scaled(counts: Counts, total: int) -> Counts:
    """Returns whole counts in the same proportions that sum to `total`."""
    cumulated = np.rint(np.cumsum(counts) * (total / counts.sum())).astype(np.int64)
    scaled: Counts = np.diff(cumulated, prepend=0)
    return scaled
