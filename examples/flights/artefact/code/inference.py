"""The flights model: which of an hour's departures will arrive late. This file is all that a data scientist writes."""

from datetime import datetime
from pathlib import Path

import numpy as np
from trees import Trees

from capture import Features
from serialization import DecodeError

WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
PLANE = ["plane_year", "plane_type", "manufacturer", "engines", "seats", "engine_type"]
TIMETABLE = ["carrier", "dest", "distance", "minute", "sched_arr_minute"]


def model_fn(model_dir):
    return Trees.load(Path(model_dir) / "model.npz")


def features_fn(request, feature_store):
    try:
        airport, flights = request["airport"], request["flights"]
        hour = datetime.fromisoformat(request["hour"])
    except (KeyError, TypeError, ValueError) as error:
        raise DecodeError(f"airport, flights and an hour such as 2013-07-01T05 are needed: {error!r}") from error
    weather = feature_store.get("weather", [f"{airport}|{hour:%Y-%m-%dT%H}"], WEATHER)[0]
    planes = feature_store.get("planes", [flight.get("tailnum") or "" for flight in flights], PLANE)
    return Features(
        request={"origin": airport, "hour": hour.hour, "weekday": hour.isoweekday()} | _columns(weather, WEATHER),
        items=[
            _columns(flight, TIMETABLE) | _columns(plane, PLANE) for flight, plane in zip(flights, planes, strict=True)
        ],
    )


def predict_fn(features, model):
    risks = model.predict([features.request | item for item in features.items])
    ranks = np.argsort(np.argsort(-risks, kind="stable")) + 1
    answers = zip(risks.astype(np.float32).tolist(), ranks.tolist(), strict=True)
    return [{"risk": risk, "rank": rank} for risk, rank in answers]


def _columns(record, names):
    return {name: None if record is None else record.get(name) for name in names}
