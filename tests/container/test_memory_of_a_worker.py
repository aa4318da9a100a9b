"""Keys that a worker has never seen before, body after body: its memory does not grow for ever."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path

import pytest

from tests.container.artefacts import TINY
from tests.container.endpoint import running

SIZE = 6_291_000
MAX_GROWTH = 150 << 20
"""The memory of one such body; eight that were kept took 300 MB."""


def resident(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.mark.parametrize("bodies", [8, pytest.param(25, marks=pytest.mark.long)])
def test_bodies_of_keys_never_seen_before_leave_a_worker_small(tmp_path: Path, bodies: int) -> None:
    """Each has 370,000 keys of its own; caches of keys once kept them all, 968 MB after 25 bodies."""
    numbers = count()
    env = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "CAPTURE_DESTINATION": f"file://{tmp_path}/captured"}
    with running(tmp_path, TINY, env | {"CAPTURE_SPOOL_DIR": str(tmp_path / "spool")}) as endpoint:
        assert endpoint.invoke([1.0]).status == 200
        (worker,) = endpoint.workers
        before = resident(worker)
        for _ in range(bodies):
            keys = (b'"key%09d":0' % next(numbers) for _ in range(SIZE // 17 - 1))
            body = b"[{" + b",".join(keys) + b"}]"
            answer = endpoint.request("POST", "/invocations", body, {"Content-Type": "application/json"})
            assert answer.status in (200, 400), answer.body
        assert endpoint.workers == [worker]
        assert resident(worker) - before < MAX_GROWTH
