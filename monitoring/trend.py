"""Many windows on one page: columns by hours or days, from kept states."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from monitoring.findings.lasting import describe_trend
from monitoring.findings.unusual import grade_hours, unusual_since, unusualness
from monitoring.judgement.hours import columns_compared, distances, ordinary
from monitoring.outputs import PAGE, RESULT
from monitoring.result import Grade, Status
from monitoring.schedule.windows import LENGTH, Schedule, prefix, windows
from monitoring.states.profile import Profile, merge_profiles
from monitoring.trend_data import TrendCell, TrendColumn, TrendEvent, TrendResult, TrendWindow
from monitoring.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from monitoring.monitor import Monitor
    from monitoring.result import RunResult
    from monitoring.source.part import RowSource
    from monitoring.storage import Storage

UNIT = {"hourly": "hour", "daily": "day"}


@dataclass(frozen=True, eq=False)
class TrendInput:
    """The windows of a trend, the profile of each, and the judgement of all of them together."""

    windows: Sequence[Window]
    profiles: Sequence[Profile]
    proved: Sequence[bool | None]
    merged: RunResult
    reports: dict[dt.datetime, str]
    page: str = ""


def build_trend(monitor: Monitor, given: TrendInput, unit: str, created: dt.datetime) -> TrendResult:
    """Returns the trend. `unit` is "hour" or "day"; `created` is the time that the page bears."""
    columns = columns_compared(monitor.baseline)
    found = distances(given.profiles, monitor.baseline)
    with_rows = [profile.events for profile in given.profiles if profile.events]
    typical = float(np.median(with_rows)) if with_rows else 0.0
    usual, note = ordinary(monitor.baseline, unit, typical)
    known = [bool(np.isfinite(usual[:, place]).any()) for place in range(len(columns))]
    grades: list[list[Grade | None]] = [[None] * len(found) for _ in columns]
    unusual = np.full_like(found, np.nan)
    places = [place for place, has_ordinary in enumerate(known) if has_ordinary]
    if places:
        unusual[:, places] = unusualness(found[:, places], usual[:, places])[0]
        for place, graded in zip(places, grade_hours(found[:, places], usual[:, places]), strict=True):
            grades[place] = graded
    results = {column.name: column for column in given.merged.columns}
    rows = []
    for place, column in enumerate(columns):
        result = results.get(column.name)
        since = unusual_since(grades[place])
        rows.append(
            TrendColumn(
                name=column.name,
                is_prediction=column.is_prediction,
                status=result.status if result is not None else Status.NOT_JUDGED,
                grade=result.grade if result is not None else Grade.NONE,
                cells=tuple(
                    TrendCell(grade, _finite(found[at, place]), _finite(unusual[at, place]))
                    for at, grade in enumerate(grades[place])
                ),
                since=None if since is None else given.windows[since].start,
                ordinary=_finite(float(np.nanmax(usual[:, place]))) if known[place] else None,
            )
        )
    rows.sort(key=lambda row: not row.is_prediction)
    trend = TrendResult(
        subject=given.merged.subject,
        created=created,
        unit=unit,
        windows=tuple(_windows(given)),
        columns=tuple(rows),
        merged=f"{len(given.windows)} {unit[:1]}",
        report=given.page,
        ordinary_units=len(usual),
        events=tuple(_new_versions(given)),
        notes=(note,),
    )
    return describe_trend(trend)


def read_trend(monitor: Monitor, source: RowSource, window: Window, schedule: Schedule, storage: Storage) -> TrendInput:
    """Returns the windows of a schedule in `window`, their profiles from kept states, and all of them judged together."""
    until = window.end + LENGTH[schedule] - dt.timedelta(microseconds=1)
    zone = monitor.settings.time_zone
    spans = list(windows(window.start, until, schedule, zone))
    by_span: dict[dt.datetime, Profile] = {span.start: Profile(monitor.baseline.id) for span in spans}
    for hour, profile in monitor.hours(source, Window(spans[0].start, spans[-1].end)):
        start = next(span.start for span in reversed(spans) if span.start <= hour)
        by_span[start] = merge_profiles(by_span[start], profile)
    merged = reduce(merge_profiles, by_span.values(), Profile(monitor.baseline.id))
    judged = monitor.judge(source, Window(spans[0].start, spans[-1].end), merged)
    subject = judged.result.subject
    kept = {entry.key for entry in storage.list(f"runs/{subject.endpoint}/{subject.variant}/")}
    places = {span.start: prefix(subject.endpoint, subject.variant, span, zone) for span in spans}
    reports = {start: f"{place}{PAGE}" for start, place in places.items() if f"{place}{RESULT}" in kept}
    return TrendInput(
        windows=spans,
        profiles=[by_span[span.start] for span in spans],
        proved=[source.completeness(span).proved for span in spans],
        merged=judged.result,
        reports=reports,
    )


def with_recent(result: RunResult, trend: TrendResult) -> RunResult:
    """Returns a result whose columns know the last 24 windows of a trend, and since when they are unusual."""
    by_name = {column.name: column for column in trend.columns}
    columns = []
    for column in result.columns:
        row = by_name.get(column.name)
        if row is None or not row.cells:
            columns.append(column)
            continue
        since = f"{row.since:%b} {row.since.day} {row.since:%H:%M}" if row.since is not None else ""
        if not since and column.status is Status.DRIFT:
            since = "gradual"
        recent = tuple(cell.grade for cell in row.cells[-24:])
        columns.append(
            msgspec.structs.replace(
                column,
                recent=recent,
                recent_end=trend.windows[-1].end,
                recent_unit=trend.unit,
                since=column.since or since,
            )
        )
    known = {column.name: column.since for column in columns}
    causes = tuple(
        msgspec.structs.replace(
            cause, since=cause.since or next((known[name] for name in cause.columns if known.get(name)), "")
        )
        for cause in result.causes
    )
    return msgspec.structs.replace(result, columns=tuple(columns), causes=causes)


def _windows(given: TrendInput) -> Iterable[TrendWindow]:
    for window, profile, proved in zip(given.windows, given.profiles, given.proved, strict=True):
        report = given.reports.get(window.start, "")
        yield TrendWindow(window.start, window.end, profile.rows, profile.events, proved, report)


def _new_versions(given: TrendInput) -> Iterable[TrendEvent]:
    """Yields an event where a model version appears for the first time, but for the first window's."""
    seen: set[tuple[str, str]] = set()
    for window, profile in zip(given.windows, given.profiles, strict=True):
        for name in profile.versions:
            if seen and name not in seen and name[1]:
                yield TrendEvent(window.start, f"Version {name[1]} serves")
        seen |= set(profile.versions)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
