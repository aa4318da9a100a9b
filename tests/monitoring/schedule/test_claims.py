"""Of several monitors one judges a window; a monitor that died does not block it."""

from __future__ import annotations

import datetime as dt
import threading

import pytest

from monitoring.schedule.claims import LEASE, Claims
from monitoring.storage import open_storage

NOON = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(params=["directory", "s3"])
def storage(request, tmp_path):
    if request.param == "directory":
        return open_storage(str(tmp_path))
    return open_storage(f"s3://{request.getfixturevalue('s3_bucket')}/monitoring")


def test_of_eight_monitors_one_takes_a_window(storage):
    gate, takers = threading.Barrier(8), []

    def take():
        claims = Claims(storage)
        gate.wait(30)
        if claims.take("runs/w/"):
            takers.append(claims.owner)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(takers) == 1


def test_a_claim_of_a_dead_monitor_runs_out_and_one_takes_it_over(storage):
    dead = Claims(storage, now=lambda: NOON)
    assert dead.take("w/")
    early, late = Claims(storage, now=lambda: NOON + LEASE / 2), Claims(storage, now=lambda: NOON + 2 * LEASE)
    assert not early.take("w/")
    assert late.take("w/")
    assert not Claims(storage, now=lambda: NOON + 2 * LEASE).take("w/")


def test_a_released_window_is_free_at_once(storage):
    first, second = (Claims(storage, now=lambda: NOON) for _ in range(2))
    assert first.take("w/")
    second.release("w/")
    assert not second.take("w/")
    first.release("w/")
    assert second.take("w/")


def test_a_claim_that_cannot_be_read_does_not_block_a_window(storage):
    storage.put("w/claim.json", b"{half")
    assert Claims(storage).take("w/")
