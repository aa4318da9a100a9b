"""The files of a run, below its output: Model Monitor's own names, and ours beside them.

statistics.json             the window's statistics, in Model Monitor's schema
constraint_violations.json  what was violated
result.json                 everything that was found, typed (`monitoring.result`)
report.html                 the page for a person
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.baseline import statistics
from monitoring.checks import violations_file
from monitoring.report.page import render
from monitoring.result import encode

if TYPE_CHECKING:
    from monitoring.baseline.baseline import Baseline
    from monitoring.result import RunResult
    from monitoring.states.profile import Profile
    from monitoring.storage import Storage

STATISTICS = "statistics.json"
VIOLATIONS = "constraint_violations.json"
RESULT = "result.json"
PAGE = "report.html"


def write_outputs(
    storage: Storage, result: RunResult, baseline: Baseline, profile: Profile, prefix: str = ""
) -> dict[str, str]:
    """Writes all files of a run and returns their URIs by name."""
    pages = write_pages(storage, result, baseline, profile, prefix)
    return pages | {RESULT: write_result(storage, result, prefix)}


def write_pages(
    storage: Storage, result: RunResult, baseline: Baseline, profile: Profile, prefix: str = "", *, trend: str = ""
) -> dict[str, str]:
    """Writes the files of a run but `result.json`, which says that a run is whole. Returns their URIs by name.

    `trend` is the URL of the trend page, relative to the report, "" for none.
    """
    total = profile.total()
    columns = [(binning, total.columns[name]) for name, binning in baseline.binning.items() if name in total.columns]
    files = {
        STATISTICS: (statistics.write(columns, total.rows), "application/json"),
        VIOLATIONS: (violations_file.write(result.violations), "application/json"),
        PAGE: (render(result, trend=trend).encode(), "text/html; charset=utf-8"),
    }
    for name, (body, content_type) in files.items():
        storage.put(f"{prefix}{name}", body, content_type)
    return {name: f"{storage.uri}/{prefix}{name}" for name in files}


def write_result(storage: Storage, result: RunResult, prefix: str = "") -> str:
    """Writes `result.json` and returns its URI."""
    storage.put(f"{prefix}{RESULT}", encode(result))
    return f"{storage.uri}/{prefix}{RESULT}"
