"""Delivery and retraining under faults: random histories with kills, lost answers and swaps; kills of four monitors at once.

    python -m benchmarks.delivery            # 2,000 histories, over 200 kills of retraining: a few minutes
    python -m benchmarks.delivery --short

A history plays the alarm state, the message, the queue and the subscriber in one process on a directory; PagerDuty and Slack are
models of their documented behaviour. The guard of a retraining is tried on a directory with a starter that can be looked up, as a
pipeline can. Writes benchmarks/results/delivery.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, write_results
from monitoring.storage import open_storage
from tests.memory_directory import memory_directory
from tests.monitoring.notify.histories import History, episodes, unmarked_posts
from tests.monitoring.retraining.test_once import Noted, play


def histories(count: int, folder: Path) -> dict[str, int]:
    """Plays histories and counts what must not happen."""
    found: Counter[str] = Counter()
    for seed in range(count):
        history = History(seed, folder / str(seed))
        history.play()
        heard = history.heard_text()
        account = history.services.account
        known = episodes(history)
        found["causes"] += len(known)
        found["causes unheard"] += sum(not any(text in heard for text in sentences) for sentences in known.values())
        found["incidents"] += len(account.incidents)
        found["incidents opened twice"] += sum(pages - 1 for pages in account.pages().values())
        found["incidents left open"] += len(account.still_open())
        found["posts"] += len(history.services.workspace.posts)
        found["posts repeated with the mark"] += sum(
            posted.text.startswith("(may be a repeat)") for posted in history.services.workspace.posts
        )
        found["posts repeated without the mark"] += sum(times - 1 for times in unmarked_posts(history).values())
        found["kills"] += history.dice.kills
        found["answers lost"] += history.services.lost_answers
    return {"histories": count, **found}


def retraining(kills: int, folder: Path) -> dict[str, int]:
    """Kills four monitors at once until there were enough kills; counts starts of each cause."""
    killed, rounds, doubled, starts = 0, 0, 0, 0
    while killed < kills:
        starter = Noted()
        killed += play(open_storage(str(folder / str(rounds))), starter, rounds=20, seed=rounds)
        rounds += 20
        counted = Counter(request.key for request in starter.requests)
        starts += sum(counted.values())
        doubled += sum(times - 1 for times in counted.values())
    return {"monitors": 4, "kills": killed, "causes": rounds, "starts": starts, "started twice": doubled}


def main() -> None:
    """Runs both and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="100 histories and 30 kills; writes nothing")
    short = parser.parse_args().short
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(dir=memory_directory()) as folder:
        found: dict[str, Any] = {
            "machine": machine(),
            "delivery": histories(100 if short else 2_000, Path(folder) / "histories"),
            "retraining": retraining(30 if short else 200, Path(folder) / "retraining"),
        }
    table = "\n".join(
        ["| what | count |", "| --- | --- |"]
        + [
            f"| {part}: {name} | {value:,} |"
            for part in ("delivery", "retraining")
            for name, value in found[part].items()
        ]
    )
    if short:
        print(json.dumps(found, indent=1))
    else:
        write_results("delivery", found, table)


if __name__ == "__main__":
    main()
