"""Times calls one by one at a fixed rate. Uses the standard library alone, so that a peer's environment can run it too.

A *tick* is 2 ms. The calls of a tick come one after the other, then the thread sleeps until the next tick. A call and its
floor alternate, and each goes first every other time, within a tick and from tick to tick: neither always finds the caches
warmed by the other, or always finds them as a sleep has left them. Next to them stands a fixed microsecond of Python: its
maximum is what the machine did. A call counts as *not preempted* when the kernel did not switch the thread out against its
will meanwhile (`ru_nivcsw`).
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

TICK = 0.002


def spread(times: list[int]) -> dict[str, float]:
    """Returns percentiles in microseconds of times in nanoseconds."""
    ordered = sorted(times)
    last = len(ordered) - 1
    places = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    return {name: round(ordered[int(last * share)] / 1e3, 2) for name, share in places.items()}


def microsecond() -> None:
    """Runs about a microsecond of Python."""
    for _ in range(40):
        pass


def timed(call: Any, *given: Any) -> tuple[int, bool]:
    """Returns the nanoseconds of one call, and whether it was preempted."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
    begun = time.perf_counter_ns()
    call(*given)
    taken = time.perf_counter_ns() - begun
    return taken, resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw != before


def paced(
    call: Callable[..., object],
    given: tuple[object, ...],
    floor: Callable[[], object],
    rate: int,
    calls: int,
    after_tick: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Returns what `calls` calls took at `rate` calls a second: the call, its floor and the fixed microsecond in turn.

    `given` are the call's arguments. `after_tick` is called once a tick and is not timed.
    """
    each = max(int(rate * TICK), 1)
    tick = each / rate
    taken: list[int] = []
    calm: list[int] = []
    floors: list[int] = []
    fixed: list[int] = []
    for _ in range(100):
        call(*given)
        floor()
        time.sleep(TICK)
    next_tick = time.perf_counter()
    ticks = 0
    while len(taken) < calls:
        ticks += 1
        for number in range(each):
            floor_first = (ticks + number) % 2
            if floor_first:
                floors.append(timed(floor)[0])
            nanoseconds, preempted = timed(call, *given)
            taken.append(nanoseconds)
            if not preempted:
                calm.append(nanoseconds)
            if not floor_first:
                floors.append(timed(floor)[0])
            fixed.append(timed(microsecond)[0])
        after_tick()
        next_tick = max(next_tick + tick, time.perf_counter() - 10 * tick)
        time.sleep(max(next_tick - time.perf_counter(), 0))
    return {
        "append": spread(taken) | {"max not preempted": round(max(calm) / 1e3, 2), "calls": len(taken)},
        "floor": spread(floors),
        "fixed microsecond": spread(fixed),
        "p50 ÷ floor": round(statistics.median(taken) / statistics.median(floors), 2),
    }
