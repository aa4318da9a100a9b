"""The table of metrics in docs/endpoint.md is what `/metrics` has, and every counter of a spool is among them."""

from __future__ import annotations

import re
from pathlib import Path

from capture.prometheus import APPEND_MICROSECONDS, COUNTERS, GAUGES, capture_families
from capture.shipping.stats import Stats
from container.supervisor.metrics_page import Vitals, _EndpointMetrics

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "docs/endpoint.md").read_text().partition("\n## Metrics\n")[2].partition("\n## ")[0]


def exported(tmp_path: Path) -> dict[str, set[str]]:
    """The name of each metric as a scrape shows it, with its labels."""
    vitals = Vitals(True, {"model": 1}, 0, 0, {"2xx": 1})
    found: dict[str, set[str]] = {}
    for family in _EndpointMetrics(vitals, {}, tmp_path).collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = getattr(family, "_labelnames", ())
        found[name] = set(labels)
    return found


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]*) ?\| .* \|$", SECTION, re.MULTILINE)
    return {
        name: set(re.findall(r"`(\w+)`", labels)) for names, labels in rows for name in re.findall(r"`(\w+)`", names)
    }


def test_the_document_lists_every_metric_with_its_labels_and_no_other(tmp_path: Path) -> None:
    assert documented() == exported(tmp_path)


def test_every_counter_of_a_spool_is_a_metric() -> None:
    shown = {*COUNTERS, *GAUGES, *(field for field, _ in APPEND_MICROSECONDS.values())}
    others = {
        "dropped": "capture_records_dropped",
        "append_buckets": "capture_append_seconds",
        "append_count": "capture_append_seconds",
    }
    assert set(Stats.__struct_fields__) == shown | set(others)
    assert set(others.values()) <= {family.name for family in capture_families(Stats())}
