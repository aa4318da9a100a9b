"""Random appends, rotations, seals, deaths, recoveries, outages, ships and drops, against a model in plain memory.

After every step the model and the spool agree: what was acknowledged is at the sink once, or waits in a segment, or is
counted as lost with a reason that the model allows; and the counters say so exactly.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from capture import CaptureBuffer
from capture.journal.segment import SegmentReader
from capture.shipping.daemon_executor import DaemonExecutor
from capture.shipping.shipper import Shipper
from tests.capture.shipping.crash import Killed, Switch
from tests.capture.shipping.stage import Stage, down
from tests.faults.results import note
from tests.memory_directory import memory_directory

LARGE, SMALL = "x" * 20_000, "x" * 100


def at_once(thread: DaemonExecutor, job: Callable[..., Any], *args: Any) -> Future[Any]:
    """A job done in the caller's thread, so that a history that failed fails again."""
    future: Future[Any] = Future()
    try:
        future.set_result(job(*args))
    except BaseException as error:
        future.set_exception(error)
    return future


class Journal(RuleBasedStateMachine):
    """The spool's limit is 14 segments of 64 KiB, and a large record takes a third of one."""

    writers = Bundle("writers")

    def __init__(self) -> None:
        super().__init__()
        self._after = ExitStack()

    @initialize(target=writers)
    def begin(self) -> Any:
        patches = self._after.enter_context(pytest.MonkeyPatch.context())
        patches.setattr("gc.collect", lambda *_: 0)
        patches.setattr(DaemonExecutor, "submit", at_once)
        root = Path(
            self._after.enter_context(tempfile.TemporaryDirectory(prefix="capture-model-", dir=memory_directory()))
        )
        self.stage = Stage(root, limit=1 << 20, segment_bytes=64 << 10, max_records=60, max_age_seconds=100.0)
        self._after.callback(self.stage.close)
        self.stage.spool.prepare()
        self.shipper: Shipper | None = self.stage.shipper()
        self.acknowledged: set[int] = set()
        self.refused = 0
        self.shipped: set[int] = set()
        return multiple(self.stage.writer(), self.stage.writer(model_version="2"))

    def teardown(self) -> None:
        with self._after:
            if hasattr(self, "stage"):
                self._everything_is_told_in_the_end()

    @rule(target=writers, version=st.sampled_from([None, None, None, "2"]))
    def a_writer_begins(self, version: str | None) -> Any:
        if len(self.stage.writers) >= 4:
            return multiple()
        return self.stage.writer(model_version=version)

    @rule(writer=writers, count=st.integers(1, 12), padding=st.sampled_from([SMALL, LARGE]))
    def append(self, writer: CaptureBuffer, count: int, padding: str) -> None:
        accepted = self.stage.append(writer, count, padding=padding)
        self.acknowledged.update(accepted)
        self.refused += count - len(accepted)

    @rule(writer=writers, seconds=st.sampled_from([1.0, 101.0]))
    def much_is_appended(self, writer: CaptureBuffer, seconds: float) -> None:
        self.append(writer, 30, LARGE)
        self.time_passes(seconds)
        if self.shipper is not None:
            self.the_shipper_ships()

    @rule(writer=consumes(writers))
    def a_writer_is_killed(self, writer: CaptureBuffer) -> None:
        self.stage.kill(writer)

    @rule(writer=consumes(writers))
    def a_writer_closes(self, writer: CaptureBuffer) -> None:
        self.stage.close_writer(writer)

    @rule()
    def a_shipper_begins(self) -> None:
        if self.shipper is None:
            self.shipper = self.stage.shipper()

    @rule(steps=st.integers(1, 4), wait=st.booleans())
    def the_shipper_steps(self, steps: int, wait: bool) -> None:
        shipper = self.shipper
        for _ in range(steps):
            if shipper is not None:
                shipper.step()
            if shipper is not None and wait:
                shipper.wait(60)

    @rule()
    def the_shipper_ships(self) -> None:
        if self.shipper is not None:
            self.stage.run(self.shipper)

    @rule()
    def the_shipper_dies(self) -> None:
        """Between two steps."""
        if self.shipper is not None:
            self.shipper.close()
            self.shipper = None

    @rule(at=st.integers(1, 60))
    def the_shipper_dies_at_a_call(self, at: int) -> None:
        if self.shipper is None:
            return
        try:
            with Switch(at):
                self.stage.run(self.shipper)
        except Killed:
            self.shipper.close()
            self.shipper = None

    @rule(seconds=st.sampled_from([0.1, 40.0, 101.0, 3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.stage.clock.pass_(seconds)

    @rule(seconds=st.sampled_from([-100_000.0, -10.0, 10.0, 100_000.0]))
    def the_clock_jumps(self, seconds: float) -> None:
        self.stage.clock.jump(seconds)

    @rule()
    def the_sink_fails(self) -> None:
        self.stage.sink.fails = down

    @rule()
    def the_sink_is_mended(self) -> None:
        self.stage.sink.fails = lambda key: None

    @invariant()
    def spool_and_model_agree(self) -> None:
        if not hasattr(self, "stage"):
            return
        stage = self.stage
        arrived = stage.arrived()
        assert set(arrived.values()) <= {1}, "a record is at the sink twice"
        assert arrived.keys() <= self.acknowledged, "what nobody acknowledged is at the sink"
        assert arrived.keys() >= self.shipped, "what was there is gone"
        self.shipped = set(arrived)
        stats = stage.stats
        assert stats.balanced, stats
        assert stats.appended == len(self.acknowledged) + self.refused, stats
        assert set(stats.dropped) <= {"spool_limit", "spool_full"}, stats
        assert stats.dropped.get("spool_full", 0) == self.refused
        assert stats.shipped <= len(arrived)
        counted = stats.dropped.get("spool_limit", 0)
        assert counted <= len(self.acknowledged) - len(arrived) + self._standing(), "more is called lost than is gone"
        assert sum(path.stat().st_size for path in stage.directory.rglob("*.seg")) <= stage.limit

    def _standing(self) -> int:
        """Records that a segment holds, whatever was done with them."""
        total = 0
        for path in self.stage.segments():
            total += SegmentReader(path).committed[0]
        return total

    def _everything_is_told_in_the_end(self) -> None:
        stage = self.stage
        stage.sink.fails = lambda key: None
        if self.shipper is not None:
            self.shipper.close()
        stage.clock.pass_(31)
        shipper = stage.finish()
        stats = stage.stats
        arrived = stage.arrived()
        lost = len(self.acknowledged) - len(arrived)
        assert set(arrived.values()) <= {1}
        assert stats.balanced
        assert (stats.shipped, stats.waiting) == (len(arrived), 0)
        assert stats.dropped.get("spool_limit", 0) == lost, stats
        assert shipper.idle()
        assert not list((stage.directory / "batches").iterdir())
        assert not list((stage.directory / "lost").iterdir())
        if lost:
            assert stats.dropped_segments > 0


TestJournal = Journal.TestCase
TestJournal.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.long
def test_the_model_holds_over_many_histories() -> None:
    """The same, for longer."""
    for_long = settings(
        max_examples=1500, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Journal, settings=for_long)
    note(
        "random histories against a model in memory",
        histories=for_long.max_examples,
        steps=for_long.stateful_step_count,
    )
