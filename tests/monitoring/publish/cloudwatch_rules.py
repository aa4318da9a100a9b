"""What CloudWatch takes, read from botocore's model and from its documents: moto lets nearly everything through.

Limits that stand in the model are read from it, so that a newer model is a stricter checker.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from typing import Any

import botocore.session

MODEL = botocore.session.get_session().get_service_model("cloudwatch")
STATISTICS = {"SampleCount", "Sum", "Minimum", "Maximum"}
MAX_METRICS = 1_000
MAX_BYTES = 1_000_000
MAX_VALUE = 2.0**360
OLDEST, NEWEST = dt.timedelta(days=14), dt.timedelta(hours=2)


class Refused(AssertionError):
    """CloudWatch would refuse this."""


def metadata(shape: str) -> dict[str, Any]:
    found: dict[str, Any] = MODEL.shape_for(shape).metadata
    return found


def check_request(namespace: str, data: list[dict[str, Any]], now: dt.datetime) -> None:
    """Raises Refused where PutMetricData would refuse the request, or take it and show it nowhere."""
    limits = metadata("Namespace")
    _require(limits["min"] <= len(namespace) <= limits["max"], "namespace length", namespace)
    _require(re.fullmatch(limits["pattern"], namespace) is not None, "namespace pattern", namespace)
    _require(_printable(namespace), "namespace is not ASCII", namespace)
    _require(not namespace.startswith("AWS/"), "namespace of AWS", namespace)
    _require(0 < len(data) <= MAX_METRICS, "number of metrics", len(data))
    _require(len(json.dumps(data, default=str)) < MAX_BYTES, "size", len(data))
    for datum in data:
        check_datum(datum, now)


def check_datum(datum: dict[str, Any], now: dt.datetime) -> None:
    name, limits = datum["MetricName"], metadata("MetricName")
    _require(limits["min"] <= len(name) <= limits["max"] and _printable(name), "metric name", name)
    dimensions = datum.get("Dimensions", [])
    _require(len(dimensions) <= metadata("Dimensions")["max"], "number of dimensions", len(dimensions))
    for entry in dimensions:
        for part in ("Name", "Value"):
            text, limits = entry[part], metadata(f"Dimension{part}")
            _require(limits["min"] <= len(text) <= limits["max"], f"dimension {part}", text)
            _require(_printable(text) and text.strip() != "", f"dimension {part}", text)
        _require(not entry["Name"].startswith(":"), "dimension name", entry["Name"])
    _require(datum["Unit"] in metadata("StandardUnit")["enum"], "unit", datum["Unit"])
    _require(-OLDEST <= datum["Timestamp"] - now <= NEWEST, "timestamp", datum["Timestamp"])
    if "StatisticValues" in datum:
        values = datum["StatisticValues"]
        _require(set(values) == STATISTICS, "statistic set", values)
        _require(values["Minimum"] <= values["Maximum"] and values["SampleCount"] > 0, "statistic set", values)
        for value in values.values():
            _number(value)
    else:
        _number(datum["Value"])


def _number(value: float) -> None:
    _require(math.isfinite(value) and abs(value) <= MAX_VALUE, "value", value)


def _printable(text: str) -> bool:
    return all(" " <= letter <= "~" for letter in text)


def _require(holds: bool, what: str, value: object) -> None:
    if not holds:
        raise Refused(f"{what}: {value!r}")
