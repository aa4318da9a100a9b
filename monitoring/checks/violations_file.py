"""`constraint_violations.json`: what Model Monitor's users read, with our sentence and grade beside its three keys."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitoring.errors import MonitoringError
from monitoring.result import Grade, Violation


def write(violations: Sequence[Violation]) -> bytes:
    """Returns the violations as JSON: `feature_name`, `constraint_check_type`, `description`, `sentence`, `grade`."""
    return msgspec.json.format(msgspec.json.encode({"violations": violations}), indent=2)


def read(data: bytes, source: str = "constraint_violations.json") -> tuple[tuple[Violation, ...], tuple[str, ...]]:
    """Returns the violations in `data`, and notes on those that are skipped: Clarify's bias and attribution drift.

    Raises MonitoringError, which names `source`, where `data` is no such file.
    """
    try:
        document = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise MonitoringError(f"{source} is not JSON ({error}): give a constraint_violations.json") from error
    entries = document.get("violations") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise MonitoringError(f"{source} has no list `violations`: give a constraint_violations.json")
    found: list[Violation] = []
    skipped: dict[str, int] = {}
    for entry in entries:
        check = str(entry.get("constraint_check_type", "unknown")) if isinstance(entry, dict) else "unknown"
        if not isinstance(entry, dict) or "feature_name" not in entry:
            skipped[check] = skipped.get(check, 0) + 1
            continue
        found.append(
            Violation(
                feature_name=str(entry["feature_name"]),
                constraint_check_type=check,
                description=str(entry.get("description", "")),
                sentence=str(entry.get("sentence", "")),
                grade=Grade(entry.get("grade", Grade.SMALL)),
            )
        )
    notes = tuple(
        f"{source}: {count} of type {check} name no feature and are skipped: bias and attribution are out of scope"
        for check, count in skipped.items()
    )
    return tuple(found), notes
