"""Real requests: the flights that leave one airport in one hour, in time order, as a caller of the endpoint has them.

Every scheduled flight is in its request, also one that was cancelled later, since nobody knew yet. Whether each
arrived late became known afterwards: that is the ground truth of the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from examples.flights import data, schema

CONTENT_TYPE = f"application/x-protobuf;messageType={schema.REQUEST}"

_FLIGHT_FIELDS = ["carrier", "flight", "tailnum", "dest", "distance", "minute", "sched_arr_minute"]


@dataclass(frozen=True)
class Request:
    """One airport in one hour."""

    inference_id: str
    """What the caller sends as its own id, "JFK|2013-07-01T05"; also the id of the hour's weather."""
    payload: dict[str, Any]
    """The request as plain values (what JSON would carry): `airport`, `hour` and `flights`."""
    body: bytes
    """The same as a serialized `flights.DeparturesRequest`."""
    late: tuple[bool | None, ...]
    """For each flight whether it arrived 15 minutes late or more; None where it was cancelled or diverted."""

    @property
    def flights(self) -> list[dict[str, Any]]:
        flights: list[dict[str, Any]] = self.payload["flights"]
        return flights


def july_requests(limit: int | None = None) -> list[Request]:
    """July's requests, which the model was not made for: the first `limit` of 1,664."""
    rows = data.flights()
    return _requests(rows[rows["date"].between("2013-07-01", "2013-07-31")], limit)


def held_out_requests(limit: int | None = None) -> list[Request]:
    """Requests of the held-out days of January to March: ordinary traffic."""
    rows = data.flights()
    return _requests(rows[rows["date"].isin(data.held_out_days())], limit)


def _requests(rows: pd.DataFrame, limit: int | None) -> list[Request]:
    requests: list[Request] = []
    for (hour, airport), group in rows.groupby(["hour_key", "origin"], sort=True):
        if limit is not None and len(requests) >= limit:
            break
        requests.append(_request(str(airport), str(hour), group))
    return requests


def _request(airport: str, hour: str, group: pd.DataFrame) -> Request:
    flights = [
        {name: value for name, value in flight.items() if not pd.isna(value)}
        for flight in group[_FLIGHT_FIELDS].to_dict("records")
    ]
    payload = {"airport": airport, "hour": hour, "flights": flights}
    late = tuple(None if pd.isna(value) else bool(value) for value in group["late"])
    body = schema.DeparturesRequest(**payload).SerializeToString(deterministic=True)
    return Request(f"{airport}|{hour}", payload, body, late)
