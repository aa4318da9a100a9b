"""Times `append` when the processor's caches hold something else, as they do in a served request.

Before each timed call the thread walks through code and memory larger than the second-level cache (`cold_caches`); then it makes
the call's arguments, as a request has just made them. *W1 cold* is the row of W1 with its floor. *S1 cold* and *S20 cold* are the
two calls that the container makes for a request of the flights model, `prepare` before the prediction and `append` after it, for
one row and for twenty items. Their sum is the stage *capture* of a request, without what the container adds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from benchmarks.append_floor import Floor, row_of_50
from benchmarks.cold_caches import ColdCaches
from benchmarks.paced_calls import spread
from capture import CaptureBuffer, Features, new_event_id
from capture.record import Lookup

CALLS = {"W1 cold": 2_000, "S1 cold": 1_000, "S20 cold": 1_000}
_WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
_PLANE = {"plane_year": 2004.0, "engines": 2.0, "seats": 182.0, "plane_type": "jet", "manufacturer": "AIRBUS"}
_FLIGHT = {"carrier": "UA", "dest": "BOS", "distance": 187.0, "minute": 15, "sched_arr_minute": 730}
_INFERENCE_ID = "0f1e2d3c-aaaa-bbbb-cccc-1234567890ab"
_WARM_UP = 50


def measure(name: str, buffer: CaptureBuffer, calls: int) -> dict[str, Any]:
    """Returns what the calls of one workload of `CALLS` took, in microseconds."""
    caches = ColdCaches()
    found = _row(buffer, caches.walk, calls) if name == "W1 cold" else _served(_items(name), buffer, caches.walk, calls)
    return found | {"walks code": caches.walks_code}


def _items(name: str) -> int:
    return int(name.split()[0].removeprefix("S"))


def _took(call: Callable[[], object]) -> int:
    begun = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - begun


def _row(buffer: CaptureBuffer, walk: Callable[[], None], calls: int) -> dict[str, Any]:
    template, floor = row_of_50(), Floor()
    append: list[int] = []
    floors: list[int] = []
    for number in range(calls + _WARM_UP):
        for of_floor in (number % 2, 1 - number % 2):
            walk()
            row = {name: -value if type(value) is float else value for name, value in template.items()}
            if of_floor:
                floors.append(_took(lambda row=row: floor.put(row)))  # type: ignore[misc]
            else:
                append.append(_took(lambda row=row: buffer.append(row, 0.25)))  # type: ignore[misc]
    append, floors = append[_WARM_UP:], floors[_WARM_UP:]
    ratio = spread(append)["p50"] / spread(floors)["p50"]
    return {"append": spread(append) | {"calls": calls}, "floor": spread(floors), "p50 ÷ floor": round(ratio, 2)}


def _served(items: int, buffer: CaptureBuffer, walk: Callable[[], None], calls: int) -> dict[str, Any]:
    draw = random.Random(3)
    took: list[int] = []
    for _ in range(calls + _WARM_UP):
        event_id = new_event_id()
        walk()
        features = Features(
            request={"origin": "JFK", "hour": 5, "weekday": 3} | {name: draw.random() * 50 for name in _WEATHER},
            items=[_FLIGHT | _PLANE for _ in range(items)],
        )
        begun = time.perf_counter_ns()
        prepared = buffer.prepare(features, event_id=event_id, inference_id=_INFERENCE_ID)
        prepare = time.perf_counter_ns() - begun
        walk()
        predictions = [{"risk": draw.random(), "rank": number} for number in range(items)]
        lookups = {"weather": Lookup(time.time() - 100, 0), "planes": Lookup(None, 1)}
        begun = time.perf_counter_ns()
        buffer.append(prepared, predictions, lookups=lookups)
        took.append(prepare + time.perf_counter_ns() - begun)
    return {"append": spread(took[_WARM_UP:]) | {"calls": calls}}
