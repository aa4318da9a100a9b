"""What a peer does with the same two data sets: run in the peer's own environment, which has nothing of ours.

`main(["evidently", BASELINE, WINDOW, REPORT])` or `main(["nannyml", BASELINE, WINDOW])` prints the seconds of the imports and of
the whole. The packages are imported by name: the type checker does not know them.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Sequence
from typing import Any


def main(arguments: Sequence[str]) -> None:
    """Runs one peer and prints its figures as JSON."""
    began = time.perf_counter()
    pandas: Any = importlib.import_module("pandas")
    peers: dict[str, Callable[..., None]] = {"evidently": _evidently, "nannyml": _nannyml}
    frames = []
    for folder in arguments[1:3]:
        frame = pandas.read_parquet(folder)
        frames.append(frame[[name for name in frame.columns if not name.startswith("capture_")]])
    peers[arguments[0]](*frames, *arguments[3:])
    print(json.dumps({"seconds": round(time.perf_counter() - began, 2)}))


def _evidently(baseline: Any, window: Any, report: str) -> None:
    evidently: Any = importlib.import_module("evidently")
    presets: Any = importlib.import_module("evidently.presets")
    found = evidently.Report([presets.DataDriftPreset()]).run(window, baseline)
    found.save_html(report)


def _nannyml(baseline: Any, window: Any) -> None:
    nannyml: Any = importlib.import_module("nannyml")
    if hasattr(nannyml, "disable_usage_logging"):
        nannyml.disable_usage_logging()
    calculator = nannyml.UnivariateDriftCalculator(column_names=list(baseline.columns), chunk_number=1)
    calculator.fit(baseline)
    calculator.calculate(window)
