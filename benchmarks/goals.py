"""The goals of the loop next to what was measured: docs/goals.md, made of the files below benchmarks/results.

    python -m benchmarks.goals        # after a benchmark wrote new results

A goal without a result is listed as not measured. A test compares the page with what this module makes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS
from benchmarks.tables import markdown

PAGE = Path(__file__).resolve().parents[1] / "docs/goals.md"
_NOT_YET = "not measured"
_Row = tuple[str, str, str, str, str]


def document() -> str:
    """Returns docs/goals.md."""
    rows = [list(row) for row in _rows()]
    table = markdown(["what", "goal", "measured", "reached", "source"], rows)
    return _HEAD + table + "\n\n" + _LOSSES


def _rows() -> list[_Row]:
    return [
        _row("quality", "intervals hold the truth", '93–97 % in each cell, or "too few"', _intervals),
        _row("quality", "metrics equal scikit-learn", "to 1e-9", _exact),
        _row("quality", "bootstrap of 10,000 requests × 1,000 draws, one core", "under 2 s", _bootstrap),
        _row("quality", "concept: false alarms where only inputs move", "at most 5.5 % pooled", _false_concepts),
        _row("quality", "concept: 5 % flipped labels at 5,000 requests found", "80 % or more", _found_concepts),
        _row("quality", "quality of 10 M rows × 10 M labels, two cores", "60 s, 2 GB", _join),
        _row("time_travel", "backfill of 1 M requests × 3 groups", "60 s", _backfill),
        _row("replay", "replay of a million rows, beyond the model's own time", "60 s", _replay),
        _row(
            "delivery",
            "2,000 histories: causes unheard, incidents opened twice, incidents left open",
            "0, 0, 0",
            _delivery,
        ),
        _row("delivery", "2,000 histories: Slack messages doubled without the mark", "0", _doubled),
        _row("delivery", "retraining: starts for one cause, four monitors, 200 kills or more", "1", _starts),
        _row("month", "ordinary days of a month, hour by hour: pages", "8 a month at most", _ordinary),
    ]


def _row(name: str, what: str, goal: str, found: Callable[[dict[str, Any]], tuple[str, bool]]) -> _Row:
    path = RESULTS / f"{name}.json"
    try:
        measured, reached = found(json.loads(path.read_text()))
    except (FileNotFoundError, KeyError):
        return what, goal, _NOT_YET, "–", "–"
    return what, goal, measured, "yes" if reached else "**no**", f"[{name}](../benchmarks/results/{name}.md)"


def _intervals(found: dict[str, Any]) -> tuple[str, bool]:
    return found["intervals"]["summary"], _all_of(found["intervals"]["summary"])


def _all_of(summary: str) -> bool:
    """Returns True where a summary starts with "n of n"."""
    words = summary.replace(",", "").split()
    return words[0] == words[2]


def _exact(found: dict[str, Any]) -> tuple[str, bool]:
    largest = found["exact"]["largest difference"]
    return f"{largest:.1e}", largest <= 1e-9


def _bootstrap(found: dict[str, Any]) -> tuple[str, bool]:
    return f"{found['speed']['seconds']:.2f} s", found["speed"]["seconds"] < 2


def _false_concepts(found: dict[str, Any]) -> tuple[str, bool]:
    share = found["concept"]["false alarms"]
    return f"{share:.1%} of {found['concept']['false alarm runs']:,} runs", share <= 0.055


def _found_concepts(found: dict[str, Any]) -> tuple[str, bool]:
    return f"{found['concept']['flips at 5,000']:.0%}", found["concept"]["flips at 5,000"] >= 0.8


def _join(found: dict[str, Any]) -> tuple[str, bool]:
    join = found["join"]
    memory = join["peak MB"] / 1000
    return f"{join['seconds']:.0f} s, {memory:.2f} GB", join["seconds"] <= 60 and memory <= 2


def _backfill(found: dict[str, Any]) -> tuple[str, bool]:
    return f"{found['seconds']:.0f} s", found["requests"] >= 1_000_000 and found["seconds"] <= 60


def _replay(found: dict[str, Any]) -> tuple[str, bool]:
    return f"{found['seconds beyond the model']:.0f} s", found["seconds beyond the model"] <= 60


def _delivery(found: dict[str, Any]) -> tuple[str, bool]:
    part = found["delivery"]
    counts = [part[name] for name in ("causes unheard", "incidents opened twice", "incidents left open")]
    text = f"{', '.join(map(str, counts))} of {part['causes']:,} causes, with {part['kills']:,} kills"
    return f"{text} and {part['answers lost']:,} lost answers", counts == [0, 0, 0]


def _doubled(found: dict[str, Any]) -> tuple[str, bool]:
    part = found["delivery"]
    text = f"{part['posts repeated without the mark']} of {part['posts']:,}; {part['posts repeated with the mark']:,} with it"
    return text, part["posts repeated without the mark"] == 0


def _starts(found: dict[str, Any]) -> tuple[str, bool]:
    part = found["retraining"]
    text = f"{part['starts']} starts for {part['causes']} causes, {part['kills']} kills"
    return text, part["started twice"] == 0 and part["starts"] == part["causes"]


def _ordinary(found: dict[str, Any]) -> tuple[str, bool]:
    part = found["months"]["ordinary"]
    text = f"{part['pages']} on {part['days']} days ({part['windows']:,} windows); Slack on {part['days with a slack message']}"
    return text, part["pages"] <= part["budget"] * part["days"] / 28


_HEAD = """# Goals of the loop

What issue 13 asks of model quality, time travel, delivery and retraining, next to what was measured. `python -m benchmarks.goals` makes
this page of the files below [benchmarks/results](../benchmarks/results); each file names its machine. The goals of capture and of the
endpoint are in [performance.md](performance.md), those of the drift decision in
[drift_decision.md](../benchmarks/results/drift_decision.md).

"""

_LOSSES = """## Where we lose

- **Intervals of few positives.** With few requests and rare positives most windows get no interval, and say "too few".
- **Concept drift that is not captured.** A change that an input explains which nobody captured counts as a change of P(y|x).
- **A second incident.** A kill between PagerDuty's answer and our record, together with a person who closes the incident in that
  minute, opens a second one. PagerDuty has no call that opens an incident only once.
- **A second Slack message.** Slack has no idempotency key. A kill between post and record posts again, with "(may be a repeat)".
- **A second event.** EventBridge recognizes no repeats: after a crash the same event is put again, with the same id.
- **The season.** A month of another season is unlike training for weeks. It is one message and one line a day, not a page, but the
  drift decision's monthly promise does not hold there ([drift.md](drift.md)).
- **The month is not whole.** `month.md` holds the days that its titles name. `python -m benchmarks.month` plays the whole months.
- **The quality of single days.** A day's label rate moves with its weather, and intervals by request do not know days: of the pages
  of ordinary days most are the calibration of one day. Judge a week, or give `--unit day`, where days are the unit.
- **Slack on ordinary days.** In the measured run 16 of 17 ordinary days had a message, most of them about a weather value that was
  missing more often than on average. Such a value is now a note where the drift decision calls the day ordinary; the months were
  not measured again.
- **Terraform.** The Terraform module creates the CloudFormation stack; its own resources were not validated against a provider
  ([deploy.md](deploy.md)).

The months, line by line: [month.md](../benchmarks/results/month.md).
"""


def main() -> None:
    """Writes the page."""
    PAGE.write_text(document())
    print(PAGE)


if __name__ == "__main__":
    main()
