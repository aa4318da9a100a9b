"""A writer: one writer of a process, used by one thread at a time, with its open segment and its counters.

Threads do not share a lock, they share writers: `CaptureBuffer.append` takes a writer from a stack, uses it, puts it back.
Taking and putting are single calls of C, so a thread that is preempted in the middle of an append keeps only its own
writer from the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from capture.journal.counters import CLOSED, SPOOL_FULL, TOO_LARGE
from capture.writing.plans import blocks_plan, committer, row_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture.journal import counters
    from capture.journal.segment import SegmentWriter
    from capture.writing.block_encoder import EncodedBlock
    from capture.writing.plans import BlocksPlan, RowPlan
    from capture.writing.segment_pool import SegmentPool


MAX_PLANS = 64


class RecordRefused(Exception):
    """A record is refused; `reason` is an index of `process_counters.REFUSALS`."""

    def __init__(self, reason: int, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Writer:
    """One writer: its id is the process's, followed by the writer's number.

    `begun` is when the append that uses it began, in nanoseconds; 0 while none does. `closed` says that it writes no more.
    """

    __slots__ = (
        "_interrupted",
        "_segment",
        "_segment_pool",
        "begun",
        "closed",
        "counters",
        "identity",
        "index",
        "row_plans",
        "write_known",
    )

    def __init__(
        self, process: str, index: int, writer_counters: counters.WriterCounters, segment_pool: SegmentPool
    ) -> None:
        self.index = index
        self.identity = f"{process}{index:08x}"
        self.counters = writer_counters
        self._segment_pool = segment_pool
        self._segment: SegmentWriter | None = None
        self._interrupted: SegmentWriter | None = None
        self.begun = 0
        self.closed = False
        self.row_plans: dict[int, RowPlan] = {}
        self.write_known: BlocksPlan | None = None

    def write(
        self,
        about: tuple[Any, ...],
        request: EncodedBlock | None,
        items: EncodedBlock,
        predictions: EncodedBlock,
        now: int,
    ) -> None:
        """Commits one event; raises RecordRefused, or what encoding raises, with nothing committed."""
        segment = self._segment
        if segment is None and self._interrupted is not None:
            segment = self._restored(self._interrupted)
        size = 0 if segment is None else segment.write(about, request, items, predictions)
        if not size:
            if segment is None or segment.needed <= segment.capacity():
                segment = self._next(now)
                size = segment.write(about, request, items, predictions)
            if not size:
                most = segment.capacity()
                raise RecordRefused(TOO_LARGE, f"a record of {segment.needed} bytes is larger than a segment's {most}")
        self.counters.kept(items.rows, size, items.rows != predictions.rows)

    def write_open(
        self, about: tuple[Any, ...], request: EncodedBlock | None, items: EncodedBlock, predictions: EncodedBlock
    ) -> bool:
        """As `write`, into the open segment only: False where there is none or it has no room."""
        segment = self._segment
        size = 0 if segment is None else segment.write(about, request, items, predictions)
        if size:
            self.counters.kept(items.rows, size, items.rows != predictions.rows)
        return size > 0

    def learn(self, size: int, items: EncodedBlock, predictions: EncodedBlock, clock: Callable[[], int]) -> None:
        """Keeps a plan for rows of `size` names like the one that was just written, as long as its segment is open."""
        segment, row, output = self._segment, items.shape, predictions.shape
        if segment is None or row is None or output is None or len(self.row_plans) >= MAX_PLANS:
            return
        if (
            row in segment.shape_ids and output in segment.shape_ids
        ):  # they are in another segment where ours had no room
            self.row_plans[size] = row_plan(segment, committer(segment, self.counters), row, output, clock)

    def _next(self, now: int) -> SegmentWriter:
        """Seals the open segment, if it has records, and opens a prepared one."""
        segment = self._segment
        if self.closed:
            raise RecordRefused(CLOSED, "the buffer is closed")
        if segment is not None and not segment.records:
            return segment
        prepared = self._segment_pool.take()
        if prepared is None:
            raise RecordRefused(
                SPOOL_FULL, "no segment is free: the spool is at its limit, or filled faster than prepared"
            )
        if segment is not None:
            segment.seal()
            self._segment_pool.release(segment)
        self._forget_plans()
        prepared.open(self.identity, self.counters.records + 1, now)
        self._segment = prepared
        self.write_known = blocks_plan(prepared, committer(prepared, self.counters))
        return prepared

    def _forget_plans(self) -> None:
        self.row_plans, self.write_known = {}, None

    def interrupt(self) -> None:
        """Makes the writer whole again after an exception from outside, which may have come between any two steps.

        What the open segment's commit word covers is committed; the next append goes on behind it.
        """
        self._forget_plans()
        if self._segment is not None:
            self._interrupted = self._segment
            self._segment = None

    def _restored(self, segment: SegmentWriter) -> SegmentWriter:
        """The interrupted segment, as its commit word describes it. Each step may be repeated."""
        segment.restore()
        self.counters.resume(segment.last_number)
        self._segment = segment
        self._interrupted = None
        return segment

    def seal(self) -> None:
        """Seals the open segment: no further record comes from this writer."""
        self.closed = True
        self._forget_plans()
        if self._interrupted is not None:
            self._restored(self._interrupted)
        if self._segment is not None:
            self._segment.seal()
            self._segment_pool.release(self._segment)
            self._segment = None
