"""Plans: write a record of a known shape into an open segment, through few functions.

`SegmentWriter.write` takes blocks of every kind. What a server appends has the same names request after request, and no arrays:
then all that depends on the segment and on the names is looked up once, and kept by closures. A request runs three functions
instead of a dozen. That matters less for the instructions than for the caches, which the request has filled with other code.

Bytes are those of the general way (`tests/capture/test_plans.py`). A plan returns False, with nothing committed and nothing counted,
for whatever is not its shape; the general way takes it then, and says what is wrong with it.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from crc32c import crc32c

from capture.asynchronous import comes_from_outside
from capture.event_id import event_id_bytes, event_time_of
from capture.journal import values
from capture.journal.frame import EVENT, PREFIX, ROW, pack_checksum, pack_prefix
from capture.journal.segment import COMMIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture.journal.counters import WriterCounters
    from capture.journal.segment import SegmentWriter
    from capture.writing.block_encoder import EncodedBlock
    from capture.writing.column_names import Shape

    Commit = Callable[[bytes, int, bool, int], bool]
    BlocksPlan = Callable[[tuple[Any, ...], EncodedBlock | None, EncodedBlock, EncodedBlock, int], bool]
    RowPlan = Callable[[int, dict[Any, Any], Any, str | None, str | None, str | None, str | None], bool]

PLAIN = frozenset((float, int, bool, str))
"""Types of a prediction that is one value, and of a first feature that is no column of several rows."""


def committer(segment: SegmentWriter, counters: WriterCounters) -> Commit:
    """Returns a function that commits an event's head, without buffers, and counts it.

    The function's arguments are the head, the rows, whether the number of predictions is another one, and when the append began
    (`perf_counter_ns`). It returns False where the segment has no room.
    """
    data, words, seed, capacity, count = segment.data, segment.words, segment.seed, segment.capacity(), counters.count

    def commit(head: bytes, rows: int, mismatch: bool, begun: int) -> bool:
        size, start = len(head), segment.position
        end = start + size + (PREFIX + 7) & -8
        if end > capacity:
            return False
        at = start + PREFIX
        data[at : at + size] = head
        pack_prefix(data, start, end - start, 0, size, EVENT)
        pack_checksum(data, start + 4, crc32c(data[start + 8 : end], seed, 0))
        segment.position = end
        segment.records = records = segment.records + 1
        words[COMMIT] = records << 32 | end
        count(rows, end - start, mismatch, perf_counter_ns() - begun)
        return True

    return commit


def blocks_plan(segment: SegmentWriter, commit: Commit) -> BlocksPlan:
    """Returns a function that writes blocks whose names the segment holds.

    The function's arguments are the head's beginning (id to missing), the three blocks, and when the append began.
    """
    numbers, encode = segment.shape_ids, values.encode_plain

    def write(
        about: tuple[Any, ...], request: EncodedBlock | None, items: EncodedBlock, predictions: EncodedBlock, begun: int
    ) -> bool:
        if items.buffers or predictions.buffers:
            return False
        try:
            first = None if request is None else (request.kind, numbers[request.shape]) + request.fields  # noqa: RUF005
            second = (items.kind, numbers[items.shape]) + items.fields  # noqa: RUF005
            third = (predictions.kind, numbers[predictions.shape]) + predictions.fields  # noqa: RUF005
            head = encode((*about, first, second, third))
        except Exception as error:
            if comes_from_outside(error):
                raise
            return False
        return commit(head, items.rows, items.rows != predictions.rows, begun)

    return write


def row_plan(segment: SegmentWriter, commit: Commit, shape: Shape, output: Shape, clock: Callable[[], int]) -> RowPlan:
    """Returns a function that takes one row of known names and one plain prediction.

    The function's arguments are when the append began, the features, the prediction, the event id, the inference id, the custom
    attributes and the model's name. `segment` holds the names of `shape`, the row's, and of `output`.
    """
    take, row_number, output_number = shape.take, segment.shape_ids[shape], segment.shape_ids[output]
    encode = values.encode_plain

    def write(
        begun: int,
        features: dict[Any, Any],
        prediction: Any,
        event_id: str | None,
        inference_id: str | None,
        attributes: str | None,
        model: str | None,
    ) -> bool:
        now = clock() // 1000
        event: str | bytes
        if event_id is None:
            event = event_id_bytes(now)
        elif type(event_id) is str:
            event, now = event_id, event_time_of(event_id) or now
        else:
            return False
        try:
            row = take(features)
            if type(row[0]) not in PLAIN:
                return False
            head = encode(
                (
                    event, now, inference_id, attributes, model, None, None, None,
                    (ROW, row_number, row), (ROW, output_number, (prediction,)),
                )
            )  # fmt: skip
        except Exception as error:
            if comes_from_outside(error):
                raise
            return False
        return commit(head, 1, False, begun)

    return write
