"""Short names for what a run found, used by the cases."""

from __future__ import annotations

from typing import Any

import pandas as pd

from monitoring import Monitor, Report


def report_of(baseline: Any, window: Any, **settings: Any) -> Report:
    """Judges a window; dictionaries are tables."""
    sides = (pd.DataFrame(side) if isinstance(side, dict) else side for side in (baseline, window))
    trained, found = sides
    return Monitor(trained, **settings).run(found)


def checks(report: Report) -> set[tuple[str, str]]:
    """(column, check) of each violation."""
    return {(entry.feature_name, entry.constraint_check_type.removesuffix("_check")) for entry in report.violations}


def urgencies(report: Report) -> dict[str, str]:
    """The urgency of each cause, by its key."""
    return {cause.key: str(cause.urgency) for cause in report.result.causes}
