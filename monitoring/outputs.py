"""The files of a run, below its output: Model Monitor's own names, and ours beside them.

statistics.json             the window's statistics, in Model Monitor's schema
constraint_violations.json  what was violated
metrics.json                the metrics that `--publish` sends
result.json                 everything that was found, typed (`monitoring.result`)
report.html                 the page for a person
quality.json                what ground truth says of the same window, once `monitoring quality` has joined it

The page shows the model's quality where `quality.json` is about its window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from monitoring.baseline import statistics
from monitoring.checks import violations_file
from monitoring.errors import MonitoringError, UsageError
from monitoring.findings import wording
from monitoring.publish import metrics_file
from monitoring.publish.samples import of_run
from monitoring.quality import result as quality_file
from monitoring.report.page import render
from monitoring.result import decode, encode
from monitoring.storage import MissingKey

if TYPE_CHECKING:
    from monitoring.baseline.baseline import Baseline
    from monitoring.quality.result import QualityResult
    from monitoring.result import RunResult
    from monitoring.states.profile import Profile
    from monitoring.storage import Storage

STATISTICS = "statistics.json"
VIOLATIONS = "constraint_violations.json"
METRICS = "metrics.json"
RESULT = "result.json"
PAGE = "report.html"
QUALITY = "quality.json"
_HTML = "text/html; charset=utf-8"


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
        METRICS: (metrics_file.encode(of_run(result)), "application/json"),
        PAGE: (render(result, trend=trend, quality=_quality(storage, result, prefix)).encode(), _HTML),
    }
    for name, (body, content_type) in files.items():
        storage.put(f"{prefix}{name}", body, content_type)
    return {name: f"{storage.uri}/{prefix}{name}" for name in files}


def write_result(storage: Storage, result: RunResult, prefix: str = "") -> str:
    """Writes `result.json` and returns its URI."""
    storage.put(f"{prefix}{RESULT}", encode(result))
    return f"{storage.uri}/{prefix}{RESULT}"


def add_quality(storage: Storage, quality: QualityResult, prefix: str = "") -> str:
    """Writes `quality.json` beside the result of a run over the same window, and its page again with it.

    Returns the page's URI. Raises UsageError where no run stands there, or one over another window.
    """
    where = f"{storage.uri}/{prefix}".rstrip("/")
    try:
        result = decode(storage.get(f"{prefix}{RESULT}").body)
    except MissingKey as error:
        raise UsageError(
            f"there is no {RESULT} in {where}: give the output of `monitoring run` over this window"
        ) from error
    except msgspec.DecodeError as error:
        raise MonitoringError(f"{where}/{RESULT} is not the result of a run: {error}") from error
    if (result.start, result.end) != (quality.start, quality.end):
        raise UsageError(
            f"{where}/{RESULT} is about {wording.span(result.start, result.end)}, the labels about "
            f"{wording.span(quality.start, quality.end)}: give the same --start and --end"
        )
    storage.put(f"{prefix}{QUALITY}", quality_file.encode(quality))
    storage.put(f"{prefix}{PAGE}", render(result, quality=quality).encode(), _HTML)
    return f"{storage.uri}/{prefix}{PAGE}"


def _quality(storage: Storage, result: RunResult, prefix: str) -> QualityResult | None:
    """Returns what was joined for this window before; None where nothing was, or it is about another window."""
    try:
        found = quality_file.decode(storage.get(f"{prefix}{QUALITY}").body)
    except (MissingKey, msgspec.DecodeError):
        return None
    return found if (found.start, found.end) == (result.start, result.end) else None
