"""`constraints.json`: reads what Model Monitor and its users write, and writes the documented schema.

Spellings that are read: `monitoringConfigOverrides` and `monitoring_config_overrides`, beside a column's constraints or
inside its `string_constraints` or `num_constraints`; keys of `distribution_constraints` one level higher; `comparion_method`,
as an old page of the documentation has it; switches `Enabled` and `Disabled` in any case, or true and false. Unknown keys are
ignored. Keys that are left out have the defaults of `MonitoringConfig`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from monitoring.baseline.constraints import (
    Constraints,
    DataType,
    DistributionConstraints,
    FeatureConstraint,
    MonitoringConfig,
    Overrides,
)
from monitoring.drift.rules import CategoricalMethod, ComparisonMethod
from monitoring.errors import MonitoringError

_Named = TypeVar("_Named", bound=StrEnum)

_OVERRIDES = ("monitoringConfigOverrides", "monitoring_config_overrides")
_OTHER_FILES = {
    "regression_constraints": "a model quality baseline",
    "binary_classification_constraints": "a model quality baseline",
    "multiclass_classification_constraints": "a model quality baseline",
    "violations": "a list of violations",
    "dataset": "a statistics.json",
}
_DOCUMENTED = frozenset((DataType.INTEGRAL, DataType.FRACTIONAL, DataType.STRING, DataType.UNKNOWN))


def read(data: bytes, source: str = "constraints.json") -> Constraints:
    """Returns the constraints in `data`.

    Raises MonitoringError, which names `source`, where `data` is no such file or a value is not allowed.
    """
    try:
        document = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise MonitoringError(f"{source} is not JSON ({error}): give the constraints.json of a baseline") from error
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or "dataset" in document:
        raise MonitoringError(f"{source} is {_kind(document)}: give the constraints.json of a data quality baseline")
    reader = _ConstraintsReader(source)
    found = [reader.feature(entry, number) for number, entry in enumerate(features)]
    overrides = reader.overrides(document.get("monitoring_config") or {}, "monitoring_config")
    config = msgspec.structs.replace(
        MonitoringConfig(), **overrides.config, distribution_constraints=DistributionConstraints(**overrides.comparison)
    )
    try:
        return Constraints(tuple(found), config)
    except ValueError as error:
        raise MonitoringError(f"{source} has {error}: keep one entry for each") from error


def write(constraints: Constraints) -> bytes:
    """Returns the constraints as JSON in Model Monitor's schema."""
    document = {
        "version": 0,
        "features": [_feature_json(feature) for feature in constraints.features],
        "monitoring_config": _config_json(constraints.config),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def _kind(document: object) -> str:
    if not isinstance(document, dict):
        return "not a JSON object"
    named = [text for key, text in _OTHER_FILES.items() if key in document]
    return named[0] if named else f"without `features` (it has {', '.join(map(repr, list(document)[:5])) or 'no key'})"


class _ConstraintsReader:
    """Reads parts of one file. Every message names the file and the place in it."""

    def __init__(self, source: str) -> None:
        self._source = source

    def feature(self, entry: Any, number: int) -> FeatureConstraint:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise MonitoringError(f"{self._source}: features[{number}] has no `name`: give the column's name")
        place = f"features[{number}] ({name!r})"
        numbers, strings = entry.get("num_constraints") or {}, entry.get("string_constraints") or {}
        overrides: dict[str, Any] = {}
        for part in (numbers, strings, entry):
            for key in _OVERRIDES:
                overrides.update(part.get(key) or {})
        data_type = self._named(DataType, entry.get("value_type", entry.get("inferred_type", "Unknown")), place, "type")
        completeness = entry.get("completeness")
        domain = strings.get("domains")
        non_negative = numbers.get("is_non_negative")
        return FeatureConstraint(
            name=name,
            data_type=data_type,
            completeness=None if completeness is None else self._share(completeness, place, "completeness"),
            non_negative=None if non_negative is None else self._switch(non_negative, place, "is_non_negative"),
            domain=tuple(dict.fromkeys(str(value) for value in domain)) if isinstance(domain, list) else None,
            overrides=self.overrides(overrides, place),
        )

    def overrides(self, given: dict[str, Any], place: str) -> Overrides:
        """Returns the keys of the configuration in `given`, each checked."""
        config: dict[str, Any] = {}
        comparison: dict[str, Any] = {}
        nested = given.get("distribution_constraints") or {}
        for key, value in (*_without(given, "distribution_constraints"), *nested.items()):
            if value is None:
                continue
            name = "comparison_method" if key == "comparion_method" else key
            parse = self._parsers().get(name)
            if parse is not None:
                target = comparison if name in DistributionConstraints.__struct_fields__ else config
                target[name] = parse(value, place, name)
        return Overrides(config, comparison)

    def _parsers(self) -> dict[str, Callable[[Any, str, str], Any]]:
        return {
            "evaluate_constraints": self._switch,
            "emit_metrics": self._switch,
            "perform_comparison": self._switch,
            "datatype_check_threshold": self._share,
            "domain_content_threshold": self._share,
            "comparison_threshold": self._share,
            "categorical_comparison_threshold": self._share,
            "floor": self._share,
            "comparison_method": lambda value, place, key: self._named(ComparisonMethod, value, place, key),
            "categorical_drift_method": lambda value, place, key: self._named(CategoricalMethod, value, place, key),
        }

    def _share(self, value: Any, place: str, key: str) -> float:
        try:
            share = float(value)
        except (TypeError, ValueError):
            share = float("nan")
        if isinstance(value, bool) or not 0.0 <= share <= 1.0:
            raise self._wrong(value, place, key, "a number from 0 to 1")
        return share

    def _switch(self, value: Any, place: str, key: str) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("enabled", "disabled", "true", "false"):
            return value.lower() in ("enabled", "true")
        raise self._wrong(value, place, key, "Enabled or Disabled")

    def _named(self, kind: type[_Named], value: Any, place: str, key: str) -> _Named:
        for member in kind:
            if isinstance(value, str) and member.value.lower() == value.lower():
                return member
        raise self._wrong(value, place, key, f"one of {', '.join(kind)}")

    def _wrong(self, value: Any, place: str, key: str, allowed: str) -> MonitoringError:
        return MonitoringError(f"{self._source}: {place}: {key} is {value!r}; it must be {allowed}")


def _without(given: dict[str, Any], key: str) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in given.items() if name != key)


def _feature_json(feature: FeatureConstraint) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": feature.name, "inferred_type": documented_type(feature.data_type)}
    if feature.data_type not in _DOCUMENTED:
        entry["value_type"] = feature.data_type
    if feature.completeness is not None:
        entry["completeness"] = feature.completeness
    if feature.non_negative is not None:
        entry["num_constraints"] = {"is_non_negative": feature.non_negative}
    if feature.domain is not None:
        entry["string_constraints"] = {"domains": list(feature.domain)}
    if feature.overrides:
        overrides = _switched(feature.overrides.config)
        if feature.overrides.comparison:
            overrides["distribution_constraints"] = _switched(feature.overrides.comparison)
        entry["monitoringConfigOverrides"] = overrides
    return entry


def documented_type(data_type: DataType) -> DataType:
    """Returns the type under which Model Monitor's files list a column: a Boolean as Integral, what it lacks as Unknown."""
    if data_type is DataType.BOOLEAN:
        return DataType.INTEGRAL
    return data_type if data_type in _DOCUMENTED else DataType.UNKNOWN


def _config_json(config: MonitoringConfig) -> dict[str, Any]:
    entry = _switched(msgspec.structs.asdict(config))
    comparison = _switched(msgspec.structs.asdict(config.distribution_constraints))
    if comparison["floor"] is None:
        del comparison["floor"]
    return {**entry, "distribution_constraints": comparison}


def _switched(values: dict[str, Any]) -> dict[str, Any]:
    """Returns the values with Model Monitor's words for true and false."""
    words = {True: "Enabled", False: "Disabled"}
    return {key: words[value] if isinstance(value, bool) else value for key, value in values.items()}
