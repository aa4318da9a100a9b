"""A run and a trend over real flights: July against January to March, judged by the monitor itself.

The run's rows are captured rows in memory; that they are complete, and the model and its predictions, are made up here. One
day of the trend is one window.
"""

import datetime as dt
from functools import cache

import msgspec
import numpy as np
import pandas as pd

from examples.flights.data import FEATURES, REQUEST_FEATURES, featured, flights, training_rows
from monitoring import Baseline, Monitor
from monitoring.findings import captured_rows, conclude
from monitoring.findings.charts import FineCounts
from monitoring.findings.lasting import describe_trend
from monitoring.findings.unusual import grade_hours, unusual_since, unusualness
from monitoring.result import RunResult, Subject, WindowCompleteness
from monitoring.trend_data import TrendCell, TrendColumn, TrendEvent, TrendResult, TrendWindow
from monitoring.window import Window

START, END = dt.datetime(2013, 7, 1, tzinfo=dt.UTC), dt.datetime(2013, 8, 1, tzinfo=dt.UTC)
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
    """Returns the result of July against January to March."""
    july = flights()
    july = july[july["date"].between("2013-07-01", "2013-07-31")]
    baseline = Baseline.from_training(_captured(training_rows()), predictions=["prediction_risk"])
    judged = Monitor(baseline, name="flights").run(_captured(july)).result
    draft = msgspec.structs.replace(
        judged,
        subject=Subject("flights", "AllTraffic", "flights-delay", "3", "flights"),
        start=START,
        end=END,
        created=END + dt.timedelta(minutes=7),
        completeness=WindowCompleteness(True, judged.events, judged.events, until=END),
        baseline="training.parquet",
        source="s3://acme-capture",
    )
    return conclude(draft, captured_rows("s3://acme-capture", "flights", "AllTraffic", Window(START, END)))


def _captured(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns rows as the endpoint captures them: an event for each airport and hour, store health beside them."""
    table = _rows(rows)
    event = table.groupby(KEYS, sort=False).ngroup()
    hour = pd.to_datetime(table["hour_key"], format="%Y-%m-%dT%H").dt.tz_localize("UTC")
    missing = table["engines"].isna().groupby(event).sum()
    return table.drop(columns="hour_key").assign(
        capture_event_id=[f"01a22d95-{number // 65536:04x}-7b1f-a0c6-{number % 65536:012x}" for number in event],
        capture_event_time=hour,
        capture_item_index=table.groupby(event).cumcount(),
        capture_age_weather=90.0,
        capture_missing_weather=table["temp"].isna().astype(int),
        capture_missing_planes=event.map(missing),
    )


def _rows(rows: pd.DataFrame) -> pd.DataFrame:
    table = featured(rows).drop(columns="late").assign(hour_key=rows["hour_key"])
    rng = np.random.default_rng(5)
    base = 0.12 + 0.008 * (table["hour"].astype(float) - 5) + 0.001 * (table["temp"].fillna(50) - 40).abs()
    return table.assign(prediction_risk=np.clip(base + rng.gamma(2, 0.04, len(table)), 0, 1))


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
