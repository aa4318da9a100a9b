"""What capture costs the flights endpoint, how it stands to the toolkit's own server, and where a request's time goes.

Three endpoints serve the same model on the same machine with two workers each: ours without capture, ours with capture,
and SageMaker's inference toolkit as it starts itself, without capture. Requests are July's, as protobuf, cut to one
flight or to twenty. A client of our own keeps some connections busy (closed loop). A round is six windows, and an
endpoint outside its window is stopped, so that none disturbs another:

    off   on   off          on ÷ the mean of the two around it; beside it off ÷ off, which is what the machine does
    toolkit   on   toolkit  likewise

What is reported are medians over the rounds. Capture is at its defaults, but flushes every 5,000 records instead of
10,000, so that each window pays for shipping. Beside time stands the processor time of an answer, over all processes of
an endpoint: it says the same with less noise where others use the machine. At the end one connection alone shows a
request's time, stage by stage.

    python -m benchmarks.endpoint [--rounds N] [--seconds S] [--connections C]

takes rounds × (S + 1) × 12 seconds and three minutes more; writes benchmarks/results/endpoint.json and endpoint.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import load_client
from benchmarks.load_client import Load
from benchmarks.machine import machine, write_results
from benchmarks.served import Served, ours, toolkit
from benchmarks.tables import markdown
from examples.flights import schema, traffic
from examples.flights.build import build_artefact
from examples.flights.replay import ACCEPT

WORKERS = 2
WARM_UP = 1.0
FIRST_WARM_UP = 15.0
"""Seconds of load on each endpoint before the first round, in which Java compiles."""
ROWS = (1, 20)
CAPTURE = {
    "CAPTURE_DESTINATION": "file://{private}/captured",
    "CAPTURE_ENDPOINT_NAME": "flights",
    "CAPTURE_MAX_RECORDS": "5000",
}
HEADERS = {
    "Content-Type": traffic.CONTENT_TYPE,
    "Accept": ACCEPT,
    "X-Amzn-SageMaker-Inference-Id": "0f1e2d3c-aaaa-bbbb-cccc-1234567890ab",
}
GOALS = {
    "throughput, on ÷ off": "≥ 0.97",
    "p99, on ÷ off": "≤ 1.05",
    "processor, on ÷ off": "–",
    "throughput, on ÷ toolkit": "≥ 0.95",
    "p99, on ÷ toolkit": "–",
    "processor, on ÷ toolkit": "–",
}
PROCESSES = ("HAProxy", "Java", "workers", "shipper", "supervisor", "others")
STAGES = ("decode", "features", "predict", "encode", "capture")


@dataclass(frozen=True)
class Window:
    """One window: what the client found, and the milliseconds of processor of an answer, by process."""

    load: Load
    cpu: dict[str, float]

    @property
    def figures(self) -> dict[str, float]:
        """What is compared."""
        return {"throughput": self.load.throughput, "p99": self.load.p99, "processor": sum(self.cpu.values())}


def bodies(rows: int) -> list[bytes]:
    """July's requests with at least so many flights, cut to so many."""
    found = []
    for request in traffic.july_requests():
        if len(request.flights) >= rows:
            payload = {**request.payload, "flights": request.flights[:rows]}
            found.append(schema.DeparturesRequest(**payload).SerializeToString(deterministic=True))
    return found


def one_round(window: Callable[[str], Window]) -> dict[str, Any]:
    """Six windows: capture off around on, and the toolkit around on."""
    taken = {name: [window(who) for who in order] for name, order in _ORDERS.items()}
    found: dict[str, Any] = {name: [asdict(each) for each in windows] for name, windows in taken.items()}
    for other, windows in taken.items():
        for figure in windows[0].figures:
            values = [each.figures[figure] for each in windows]
            found[f"{figure}, on ÷ {other}"] = values[1] / statistics.mean((values[0], values[2]))
            found[f"{figure}, {other} ÷ {other}"] = values[2] / values[0]
    return found


_ORDERS = {"off": ("off", "on", "off"), "toolkit": ("toolkit", "on", "toolkit")}


def stages(served: Served, window: Callable[[], Window]) -> dict[str, float]:
    """Milliseconds of a request's stages on one connection, and of what is outside the handler."""
    served.resume()
    before = served.metrics()
    mean_outside = window().load.mean
    served.resume()
    after = served.metrics()
    served.pause()

    def mean(histogram: str, labels: str) -> float:
        name = [f"{histogram}_{part}{labels}" for part in ("sum", "count")]
        seconds, count = (after[each] - before.get(each, 0.0) for each in name)
        return float(seconds / count * 1e3)

    found = {stage: mean("endpoint_stage_seconds", f'{{stage="{stage}"}}') for stage in STAGES}
    looked_up = sum(mean("feature_store_seconds", f'{{group="{group}"}}') for group in ("planes", "weather"))
    found["of features, the store"] = looked_up
    found["proxy, Java, sockets, client"] = mean_outside - sum(found[stage] for stage in STAGES)
    found["the whole"] = mean_outside
    return {name: round(value, 3) for name, value in found.items()}


def measure(rounds: int, seconds: float, connections: int, console: Console) -> dict[str, Any]:
    """Everything, for one row and for twenty."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="endpoint-")))
        with console.status("training the model"):
            artefact = build_artefact(directory)
        served = {
            "off": stack.enter_context(ours(artefact, WORKERS, {})),
            "on": stack.enter_context(ours(artefact, WORKERS, CAPTURE)),
            "toolkit": stack.enter_context(toolkit(artefact, WORKERS)),
        }
        messages = {
            rows: load_client.write_messages(directory / f"{rows}.requests", bodies(rows), HEADERS) for rows in ROWS
        }

        def window(who: str, rows: int, count: int = connections, warm_up: float = WARM_UP) -> Window:
            served[who].resume()
            before = served[who].cpu()
            load = load_client.measure(served[who].port, messages[rows], count, warm_up, seconds)
            after = served[who].cpu()
            served[who].pause()
            used = {role: (after[role] - before.get(role, 0.0)) / load.answered * 1e3 for role in after}
            return Window(load, {role: round(value, 4) for role, value in used.items()})

        with console.status("starting three endpoints"):
            for endpoint in served.values():
                endpoint.wait_until_answers(bodies(20)[0], HEADERS)
                endpoint.pause()
        found: dict[str, Any] = {}
        for rows in ROWS:
            for who in served:
                window(who, rows, warm_up=FIRST_WARM_UP)
            results = []
            for number in range(rounds):
                results.append(one_round(lambda who, rows=rows: window(who, rows)))  # type: ignore[misc]
                console.print(f"{_name(rows)}, round {number + 1} of {rounds}: " + _ratios(results[-1]))
            alone = {who: asdict(window(who, rows, 1).load) for who in served}
            found[_name(rows)] = {
                "rounds": results,
                "one connection": alone,
                "stages": stages(served["on"], lambda rows=rows: window("on", rows, 1)),  # type: ignore[misc]
            }
        served["on"].resume()
        counters = served["on"].metrics()
        found["capture"] = {name: counters[name] for name in counters if name.startswith("capture_")}
        found["control groups"] = all(endpoint.has_a_control_group for endpoint in served.values())
        return found


def _name(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} items"


def _ratios(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in found.items() if isinstance(value, float))


def _median(results: Sequence[dict[str, Any]], name: str) -> float:
    return float(round(statistics.median(result[name] for result in results), 3))


def table(found: dict[str, Any]) -> str:
    """Ratios with the machine's own noise beside them, loads, and the stages."""
    ratios, loads, used, parts = [], [], [], []
    for rows in map(_name, ROWS):
        results = found[rows]["rounds"]
        for name, goal in GOALS.items():
            figure, _, other = name.partition(", on ÷ ")
            itself = f"{figure}, {other} ÷ {other}"
            ratios.append([rows, name, _median(results, name), goal, f"{_median(results, itself)} ({other} ÷ {other})"])
        for who, windows in (("off", (0, 2)), ("on", (1,)), ("toolkit", (0, 2))):
            group = "toolkit" if who == "toolkit" else "off"
            chosen = [result[group][index] for result in results for index in windows]
            figures = [_median([each["load"] for each in chosen], name) for name in ("throughput", "p50", "p99")]
            alone = found[rows]["one connection"][who]
            loads.append([rows, who, *figures, alone["p50"], alone["p99"]])
            cpu = {role: _median([each["cpu"] for each in chosen], role) for role in chosen[0]["cpu"]}
            used.append([rows, who, *(cpu.get(role, "–") for role in PROCESSES), round(sum(cpu.values()), 3)])
        parts.append([rows, *found[rows]["stages"].values()])
    return "\n".join([
        markdown(["", "median of the rounds", "found", "goal", "the machine by itself"], ratios),
        "",
        markdown(["", "endpoint", "answers/s", "p50, ms", "p99, ms", "alone: p50, ms", "alone: p99, ms"], loads),
        "",
        "Milliseconds of processor of an answer:",
        "",
        markdown(["", "endpoint", *PROCESSES, "all"], used),
        "",
        "Milliseconds of one request, one connection, capture on:",
        "",
        markdown(["", *found[_name(1)]["stages"]], parts),
    ])  # fmt: skip


def main() -> int:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a window")
    parser.add_argument("--connections", type=int, default=4)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    found = measure(args.rounds, args.seconds, args.connections, Console(stderr=True, highlight=False))
    settings = {"seconds": args.seconds, "connections": args.connections, "workers": WORKERS, "load before": load}
    text = table(found)
    write_results("endpoint", {"machine": machine(), "settings": settings, **found}, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
