"""Random histories of runs, duplicates, swaps, kills and failing services: every cause heard, no page twice, none left open.

`make test-long` plays 2,000 of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring.alarms.message import Page
from tests.monitoring.notify.histories import History, episodes, unmarked_posts


def check(history: History) -> None:
    account = history.services.account
    heard = history.heard_text()
    unheard = [name for name, sentences in episodes(history).items() if not any(text in heard for text in sentences)]
    assert unheard == [], f"seed {history.seed}: causes unheard"
    counted = {(key, number) for key, last in history.state().episodes.items() for number in range(1, last + 1)}
    assert counted == set(episodes(history)), f"seed {history.seed}: an episode without a message"
    twice = {key: pages for key, pages in account.pages().items() if pages > 1}
    assert twice == {}, f"seed {history.seed}: paged twice"
    assert account.still_open() == [], f"seed {history.seed}: left open"
    doubled = {run: count for run, count in unmarked_posts(history).items() if count > 1}
    assert doubled == {}, f"seed {history.seed}: posted twice without a mark"


def test_random_histories_deliver_every_cause_once(tmp_path: Path) -> None:
    histories = [History(seed, tmp_path / str(seed)) for seed in range(40)]
    for history in histories:
        history.play()
        check(history)
    assert sum(history.dice.kills for history in histories) > 100
    assert sum(history.services.lost_answers for history in histories) > 10


@pytest.mark.long
def test_two_thousand_histories_deliver_every_cause_once(tmp_path: Path) -> None:
    pages = 0
    for seed in range(1_000, 3_000):
        history = History(seed, tmp_path / str(seed))
        history.play()
        check(history)
        pages += len(history.services.account.incidents)
    assert pages > 2_000


def test_a_history_without_faults_pages_what_asked_for_it_and_no_more(tmp_path: Path) -> None:
    history = History(7, tmp_path)
    history.dice.calm = True
    history.play()
    check(history)
    asked = {
        item.page_key for message in history.queue.published for item in message.items if item.page is not Page.NONE
    }
    assert set(history.services.account.pages()) <= asked
