"""A run over real flights: July against January to March, measured with pandas and NumPy.

The distances are right; the p-values are not a decision (0.001 where the distance is at least 0.02). The page shows real
columns, charts, stores and missing values with it, without a baseline directory or an engine.
"""

import datetime as dt
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from examples.flights.data import FEATURES, REQUEST_FEATURES, WEATHER, featured, flights, training_rows
from monitoring.findings import captured_rows, conclude
from monitoring.findings.charts import FineCounts, category_bars, curve, number_bars
from monitoring.findings.lasting import describe_trend
from monitoring.findings.unusual import grade_hours, unusual_since, unusualness
from monitoring.result import (
    ColumnResult,
    Completeness,
    DriftMethod,
    Grade,
    Outcome,
    RunResult,
    Status,
    StoreHealth,
    Subject,
    Summary,
    Violation,
)
from monitoring.trend_data import TrendCell, TrendColumn, TrendEvent, TrendResult, TrendWindow
from monitoring.window import Window

START, END = dt.datetime(2013, 7, 1, tzinfo=dt.UTC), dt.datetime(2013, 8, 1, tzinfo=dt.UTC)
FLOORS = ((0.10, Grade.LARGE), (0.05, Grade.MEDIUM), (0.02, Grade.SMALL))
KEYS = ["origin", "hour_key"]


DAYS = pd.date_range("2013-02-14", "2013-07-31")


@cache
def flights_trend() -> TrendResult:
    """Returns 168 days, February 14 to July 31, against the days of January to March."""
    merged = {column.name: column for column in flights_run().columns}
    rows = flights()
    table = _rows(rows).assign(date=rows["date"])
    training = _rows(training_rows()).assign(date=training_rows()["date"])
    shown = [day.strftime("%Y-%m-%d") for day in DAYS]
    ordinary = sorted(training["date"].unique())
    by_day = {str(day): group for day, group in table[table["date"].isin([*shown, *ordinary])].groupby("date")}
    names = list(merged)
    found = {name: _daily(name, training, by_day) for name in names}
    distances = np.array([[found[name][day] for name in names] for day in shown])
    usual = np.array([[found[name][day] for name in names] for day in ordinary])
    grades, (unusual, _) = grade_hours(distances, usual), unusualness(distances, usual)
    starts = [day.to_pydatetime().replace(tzinfo=dt.UTC) for day in DAYS]
    windows = tuple(
        TrendWindow(start, start + dt.timedelta(days=1), len(by_day[day]), len(by_day[day].drop_duplicates(KEYS)), True)
        for start, day in zip(starts, shown, strict=True)
    )
    columns = []
    for at, name in enumerate(names):
        since = unusual_since(grades[at])
        cells = zip(grades[at], distances[:, at], unusual[:, at], strict=True)
        columns.append(
            TrendColumn(
                name,
                merged[name].is_prediction,
                merged[name].status,
                merged[name].grade,
                tuple(TrendCell(grade, round(float(d), 4), round(float(u), 3)) for grade, d, u in cells),
                None if since is None else starts[since],
                round(float(usual[:, at].max()), 3),
            )
        )
    trend = TrendResult(
        flights_run().subject, END + dt.timedelta(minutes=7), "day", windows, tuple(columns), merged="July",
        report="report.html", ordinary_units=len(ordinary),
        events=(TrendEvent(dt.datetime(2013, 4, 1, tzinfo=dt.UTC), "Training period ends.", "From here on all is new."),),
    )  # fmt: skip
    return describe_trend(trend)


def _daily(name: str, training: pd.DataFrame, by_day: dict[str, pd.DataFrame]) -> dict[str, float]:
    """Returns the L-infinity distance of each day from the training rows."""
    request = name in REQUEST_FEATURES
    before = (training.drop_duplicates(KEYS) if request else training)[name]
    text = FEATURES.get(name) == "string"
    domain = tuple(before.dropna().value_counts().index[:256])
    edges = np.zeros(0) if text else _edges(before.dropna().to_numpy(float))

    def cumulated(values: pd.Series) -> np.ndarray:
        side = _categories(values, domain) if text else _fine(values, edges)
        return side.counts / side.total if text else np.cumsum(np.roll(side.counts, 1)) / side.total

    base = cumulated(before)
    days = {day: (group.drop_duplicates(KEYS) if request else group)[name] for day, group in by_day.items()}
    return {day: float(np.abs(cumulated(values) - base).max()) for day, values in days.items()}


@cache
def flights_run() -> RunResult:
    july = flights()
    july = july[july["date"].between("2013-07-01", "2013-07-31")]
    baseline, window = _rows(training_rows()), _rows(july)
    columns = [_column(name, baseline, window) for name in (*FEATURES, "prediction_risk")]
    found = [_checks(column) for column in columns]
    columns = [column for column, _ in found]
    first = window.drop_duplicates(KEYS)
    weather_missing = int(first["temp"].isna().sum())
    planes_missing = int(window["engines"].isna().sum())
    events = len(first)
    stores = (
        StoreHealth("planes", events, None, None, None, planes_missing, int(events * 0.9)),
        StoreHealth("weather", events, 95.0, 310.0, 110.0, weather_missing, weather_missing),
    )
    draft = RunResult(
        subject=Subject("flights", "AllTraffic", "flights-delay", "3", "flights"),
        start=START,
        end=END,
        created=END + dt.timedelta(minutes=7),
        outcome=Outcome.NOT_JUDGED,
        verdict="",
        lead="",
        completeness=Completeness(True, events, events, until=END),
        rows=len(window),
        events=events,
        columns=tuple(columns),
        violations=tuple(violation for _, violations in found for violation in violations),
        causes=(),
        ruled_out=(),
        stores=stores,
        method=DriftMethod(
            "Are these days unlike ordinary days of the baseline?",
            "day",
            80,
            31,
            0.05,
            "At most 5 in 100 such runs raise a false alarm, over all columns.",
            shuffles=999,
        ),
        baseline="training.parquet",
        baseline_rows=len(baseline),
        baseline_events=len(baseline.drop_duplicates(KEYS)),
        source="s3://acme-capture",
        sampling_percentage=100.0,
    )
    source = captured_rows("s3://acme-capture", "flights", "AllTraffic", Window(START, END))
    return conclude(draft, source)


def _rows(rows: pd.DataFrame) -> pd.DataFrame:
    table = featured(rows).assign(hour_key=rows["hour_key"])
    rng = np.random.default_rng(5)
    base = 0.12 + 0.008 * (table["hour"].astype(float) - 5) + 0.002 * (table["temp"].fillna(50) - 40).abs()
    return table.assign(prediction_risk=np.clip(base + rng.gamma(2, 0.04, len(table)), 0, 1))


def _column(name: str, baseline: pd.DataFrame, window: pd.DataFrame) -> ColumnResult:
    request = name in REQUEST_FEATURES
    if request:
        baseline, window = baseline.drop_duplicates(KEYS), window.drop_duplicates(KEYS)
    before, after = baseline[name], window[name]
    kind = FEATURES.get(name, "float64")
    ids = tuple(f"01a22d95-{3000 + at:04x}-7b1f-a0c6-5d199e56f{at:03x}" for at in range(5))
    common: dict[str, Any] = {
        "is_prediction": name not in FEATURES,
        "request_level": request,
        "event_ids": ids,
        "group": "weather" if name in WEATHER else "",
    }
    if kind == "string":
        domain = tuple(before.dropna().value_counts().index[:256])
        sides = [_categories(values, domain) for values in (before, after)]
        shares = [side.counts / side.total for side in sides]
        linf = float(np.abs(shares[0] - shares[1]).max())
        counts = after.dropna().value_counts()
        known = set(before.dropna().unique())
        unseen = tuple((str(value), int(n)) for value, n in counts.items() if value not in known)
        return ColumnResult(
            name, "categorical", kind, **_decided(linf), **common, bins=category_bars(domain, *sides), unseen=unseen,
            baseline=_summary(before), window=_summary(after),
        )  # fmt: skip
    edges = _edges(before.dropna().to_numpy(float))
    sides = [_fine(values, edges) for values in (before, after)]
    cumulated = [np.cumsum(np.roll(side.counts, 1)) / side.total for side in sides]
    linf = float(np.abs(cumulated[0] - cumulated[1]).max())
    bars = number_bars(edges, *sides, whole=kind == "int64")
    summaries = [_summary(values, before) for values in (before, after)]
    ranks = np.linspace(0.0005, 0.9995, 1000)
    quantiles = [values.dropna().astype(float).quantile(ranks).to_numpy() for values in (before, after)]
    shift = float(np.abs(quantiles[1] - quantiles[0]).mean() / before.dropna().astype(float).std())
    return ColumnResult(
        name, "numeric", kind, **_decided(linf), **common, bins=bars, cdf=curve(edges, *sides), shift=shift,
        baseline=summaries[0], window=summaries[1],
    )  # fmt: skip


def _edges(values: np.ndarray) -> np.ndarray:
    inner = np.unique(np.quantile(values, np.linspace(0, 1, 480), method="inverted_cdf"))
    steps = values.std() * np.array([0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 8])
    return np.unique(np.concatenate([values.min() - steps[::-1], inner, values.max() + steps]))


def _fine(values: pd.Series, edges: np.ndarray) -> FineCounts:
    present = values.dropna().to_numpy(float)
    at = np.searchsorted(edges, present, side="left")
    counts = np.bincount(at, minlength=len(edges) + 1).astype(float)
    sums = np.bincount(at, weights=present, minlength=len(edges) + 1).astype(float)
    return FineCounts(np.append(counts, float(values.isna().sum())), sums)


def _categories(values: pd.Series, domain: tuple[str, ...]) -> FineCounts:
    counts = values.value_counts()
    known = np.array([float(counts.get(value, 0)) for value in domain])
    missing = float(values.isna().sum())
    return FineCounts(np.append(known, [len(values) - missing - known.sum(), missing]), np.zeros(len(domain) + 1))


def _decided(linf: float) -> dict[str, Any]:
    grade = next((grade for floor, grade in FLOORS if linf >= floor), Grade.NONE)
    if grade is Grade.NONE:
        return {"status": Status.NO_DRIFT, "grade": grade, "linf": linf, "p_value": 0.21, "detectable": 0.02}
    return {
        "status": Status.DRIFT, "grade": grade, "linf": linf, "p_value": 0.001, "since": "gradual",
        "tests": (("CDF", 0.001),),
    }  # fmt: skip


def _summary(values: pd.Series, range_of: pd.Series | None = None) -> Summary:
    missing = int(values.isna().sum())
    share = 1 - missing / len(values)
    if range_of is None:
        return Summary(
            len(values), missing, share, distinct=int(values.nunique()), kinds={"string": len(values) - missing}
        )
    present = values.dropna().astype(float)
    quantiles = tuple(float(q) for q in present.quantile([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]))
    low, high = float(range_of.min()), float(range_of.max())
    return Summary(
        len(values), missing, share, float(present.mean()), float(present.std()), float(present.min()),
        float(present.max()), quantiles, int(values.nunique()),
        below=int((present < low).sum()), above=int((present > high).sum()),
    )  # fmt: skip


def _checks(column: ColumnResult) -> tuple[ColumnResult, list[Violation]]:
    found = []
    assert column.baseline is not None
    assert column.window is not None
    before, after = column.baseline.completeness, column.window.completeness
    if after < before - 1e-9:
        text = f"Data missing in {100 * (1 - after):.1f} % of the rows."
        found.append(Violation(column.name, "completeness_check", text, text, Grade.SMALL))
    if column.unseen:
        text = f"{len(column.unseen)} values are not in the baseline."
        found.append(Violation(column.name, "categorical_values_check", text, text, Grade.SMALL))
    if column.status is Status.DRIFT:
        text = f"Baseline drift distance: {column.linf:.4f} exceeds threshold: 0.1"
        found.append(Violation(column.name, "baseline_drift_check", text, text, column.grade))
    return column, found
