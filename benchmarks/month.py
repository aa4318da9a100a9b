"""A month of the flights, hour by hour: what would have reached people, and why.

    python -m benchmarks.month            # 67 days in all, about 20 minutes on a core
    python -m benchmarks.month --short    # three days; writes nothing

Two months and eight days are captured for real (`month_data`) and judged as they would have been: every hour and every day as it ends, the
quality of every day when its labels have arrived. `monitoring notify --dry-run` then lists what people would have received.

    ordinary   February, judged against January and March: the season is the same, no day of February was seen
    faults     eight days of this February, in which the weather store answers nothing for 6 hours, a client sends text for 3
               hours, and from the 11th on no request has `carrier`
    drift      July against January to March: another season

Writes benchmarks/results/month.json and month.md.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.machine import RESULTS, machine, write_results
from benchmarks.month_data import (
    ENDPOINT,
    VARIANT,
    Request,
    capture,
    requests_of,
    with_text,
    without_column,
    without_weather,
    write_labels,
)
from benchmarks.tables import markdown
from examples.flights import data
from examples.flights.reference import LABEL, REQUEST, RISK, TIME, write_reference
from examples.flights.train import train_on
from monitoring import Baseline, Monitor
from monitoring.alarms.policy import Policy
from monitoring.notify.dry_run import Rehearsal, history, rehearse
from monitoring.notify.settings import NotifySettings, PagerDuty, Slack
from monitoring.quality.baseline import QualityBaseline
from monitoring.quality.predictions import CapturedPredictions
from monitoring.quality.problem import Problem, Question
from monitoring.quality.result import encode as encode_quality
from monitoring.quality.run import QualityRun, judge_quality
from monitoring.schedule.catch_up import CatchUp
from monitoring.storage import Storage, open_storage
from monitoring.window import Window

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
SHUFFLES = 99
"""The fewest that a monitor takes: the budget of a month decides by hours and days, not by these p-values."""
LABELS_RIPE = dt.timedelta(hours=25)
_QUESTION = Question(problem=Problem.BINARY, probability=RISK, label=LABEL)
_NOTIFY = NotifySettings(
    pagerduty={"oncall": PagerDuty("env:DRY_RUN")}, slack={"flights": Slack(webhook="env:DRY_RUN")}
)


@dataclass(frozen=True)
class Month:
    """A month to judge: its name, its days, the days that the model and the baseline saw, and what went wrong in it."""

    name: str
    title: str
    first: str
    last: str
    trained: tuple[tuple[str, str], ...]
    faults: Callable[[list[Request]], list[Request]] = lambda requests: requests


def three_faults(requests: list[Request]) -> list[Request]:
    """Returns February with faults: no weather for six hours of the 6th, text for three hours of the 9th, no `carrier` from the 11th on."""
    found = []
    for request in requests:
        day, hour = request.at.day, request.at.hour
        if day == 6 and 12 <= hour < 18:
            found.append(without_weather(request))
        elif day == 9 and 12 <= hour < 15:
            found.append(with_text(request))
        elif day >= 11:
            found.append(without_column(request, "carrier"))
        else:
            found.append(request)
    return found


_WINTER = (("2013-01-01", "2013-01-31"), ("2013-03-01", "2013-03-31"))
_QUARTER = (("2013-01-01", "2013-03-31"),)
MONTHS = (
    Month("ordinary", "February, judged against January and March", "2013-02-01", "2013-02-28", _WINTER),
    Month("faults", "eight days of this February with three faults", "2013-02-05", "2013-02-12", _WINTER, three_faults),
    Month("drift", "July, judged against January to March", "2013-07-01", "2013-07-31", _QUARTER),
)


def play(month: Month, folder: Path, progress: Callable[[str], None]) -> tuple[Storage, int]:
    """Captures and judges a month below `folder`. Returns the storage with all results, and the number of requests."""
    rows = data.flights()
    seen = pd.concat([rows[rows["date"].between(*days)] for days in month.trained])
    seen = seen[seen["late"].notna()]
    held_out = seen[seen["date"].isin(data.held_out_days())]
    model = train_on(seen.drop(held_out.index))
    write_reference(model, seen.drop(held_out.index), folder / "baseline.parquet")
    write_reference(model, held_out, folder / "held_out.parquet")
    baseline = Baseline.from_training(
        str(folder / "baseline.parquet"), id_column=REQUEST, time_column=TIME, label=LABEL
    )
    requests = month.faults(requests_of(model, rows[rows["date"].between(month.first, month.last)]))
    captured = capture(requests, folder)
    labels = write_labels(requests, folder)
    progress(f"{month.name}: {len(requests):,} requests captured")
    storage = open_storage(str(folder / "history"))
    _judge_hours_and_days(month, baseline, captured, storage, progress)
    _judge_quality(month, QualityBaseline.load(str(folder / "held_out.parquet"), _QUESTION), captured, labels, storage)
    return storage, len(requests)


def _judge_hours_and_days(
    month: Month, baseline: Baseline, captured: str, storage: Storage, progress: Callable[[str], None]
) -> None:
    """Judges each hour and each day as it ends, by the same code as `monitoring watch`."""
    clock = {"now": _time(month.first)}
    now = lambda: clock["now"]  # noqa: E731
    monitors = {
        schedule: Monitor(
            baseline,
            captured=captured,
            output=storage.uri,
            endpoint=ENDPOINT,
            name=schedule,
            shuffles=SHUFFLES,
            now=now,
        )
        for schedule in ("hourly", "daily")
    }
    first, end = _time(month.first), _time(month.last) + DAY
    while clock["now"] < end:
        clock["now"] += HOUR
        for schedule, monitor in monitors.items():
            for _ in CatchUp(monitor, storage, schedule=schedule, horizon=40 * DAY, now=now).run(first):  # type: ignore[arg-type]
                pass
        if clock["now"].hour == 0:
            progress(f"{month.name}: judged until {clock['now']:%b %d}")


def _judge_quality(month: Month, baseline: QualityBaseline, captured: str, labels: str, storage: Storage) -> None:
    """Judges the quality of each day when its labels are ripe."""
    day, end = _time(month.first), _time(month.last) + DAY
    while day < end:
        run = QualityRun(
            CapturedPredictions(captured, ENDPOINT, VARIANT),
            labels,
            Window(day, day + DAY),
            _QUESTION,
            baseline,
            monitor="quality",
        )
        result = judge_quality(run, day + DAY + LABELS_RIPE).result
        storage.put(f"quality/{day:%Y/%m/%d}/quality.json", encode_quality(result))
        day += DAY


def _time(date: str) -> dt.datetime:
    return dt.datetime.fromisoformat(date).replace(tzinfo=dt.UTC)


def summary(month: Month, requests: int, rehearsal: Rehearsal) -> dict[str, Any]:
    """Returns the counts and the lines of a month."""
    counts = rehearsal.counts()
    return {
        "title": month.title,
        "days": (_time(month.last) - _time(month.first)).days + 1,
        "requests": requests,
        "windows": rehearsal.runs,
        "pages": counts["page"],
        "budget": Policy().pages_per_month,
        "slack messages": counts["slack"],
        "days with a slack message": len({entry.at.date() for entry in rehearsal.sent if entry.kind == "slack"}),
        "incidents left open at the end": counts["page"] - counts["resolve"],
        "sent": [[f"{entry.at:%Y-%m-%d %H:%M}", entry.kind, entry.line] for entry in rehearsal.sent],
    }


def tables(found: dict[str, Any]) -> str:
    """Returns the Markdown of the results: sums by month, then every line of each month."""
    head = ["month", "days", "requests", "windows judged", "pages", "pages allowed", "Slack messages", "days with one"]
    rows = [
        [
            month["title"], month["days"], f"{month['requests']:,}", month["windows"], month["pages"], month["budget"],
            month["slack messages"], month["days with a slack message"],
        ]
        for month in found["months"].values()
    ]  # fmt: skip
    parts = [markdown(head, rows)]
    for month in found["months"].values():
        sent = [[at, kind, line.replace("|", "/")] for at, kind, line in month["sent"]]
        parts.append(
            f"{month['title'][0].upper()}{month['title'][1:]}:\n\n" + markdown(["until", "what", "first line"], sent)
        )
    return "\n\n".join(parts)


def main() -> None:
    """Plays the months and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[month.name for month in MONTHS], help="one month, merged into the result")
    parser.add_argument("--short", action="store_true", help="three days with a fault; writes nothing")
    options = parser.parse_args()
    short = options.short
    months = [month for month in MONTHS if options.only in (None, month.name)]
    if short:
        months = [replace(MONTHS[1], last="2013-02-07")]
    found: dict[str, Any] = {"machine": machine(), "months": {}}
    kept = RESULTS / "month.json"
    if options.only and kept.exists():
        found["months"] = json.loads(kept.read_text())["months"]
    for month in months:
        with tempfile.TemporaryDirectory(prefix="month-") as folder:
            storage, requests = play(month, Path(folder), partial(print, flush=True))
            rehearsal = rehearse(history(storage), Policy(), _NOTIFY)
        found["months"][month.name] = summary(month, requests, rehearsal)
        print(Counter(kind for _, kind, _ in found["months"][month.name]["sent"]), flush=True)
    if short:
        print(tables(found))
    else:
        write_results("month", found, tables(found))


if __name__ == "__main__":
    main()
