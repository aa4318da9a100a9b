"""Counts on Spark: the same kernel under `mapInArrow`, over the names of parts. The workers read the objects themselves.

A task is a group of parts, or a share of a group with many. A worker sends back states, not rows, and states merge in a tree on
the cluster. So the result equals that of `local`: counts exactly, sums of floats but for the order of addition.

The workers need this package, PyArrow, and access to the data: install them in the cluster's image, or send them with
`--py-files`. PYSPARK_PYTHON names the Python of the workers; without it a local master uses this one.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial, reduce
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from monitoring.engines.counting import GroupMerger, count_part, fetch, plan_of_group, repeats
from monitoring.errors import UsageError
from monitoring.source.captured import CapturedPart
from monitoring.source.files import FilePart
from monitoring.source.managed_source import ManagedPart
from monitoring.states.array_file import Arrays, read_arrays, write_arrays
from monitoring.states.codec import decode_profile, encode_profile, pack_binning, unpack_binning
from monitoring.states.groupings import LevelGrouper
from monitoring.states.layout import Layout
from monitoring.states.plan import CountingPlan
from monitoring.states.profile import Profile, merge_profiles

if TYPE_CHECKING:
    from monitoring.source.part import PartGroup

WHOLE_GROUP = 8
"""Parts of a group that one task reads; a larger group is shared by several."""
TASKS_PER_CORE = 4
MERGED_AT_ONCE = 8

_COUNTED = pa.schema([("number", pa.int64()), ("state", pa.binary()), ("keys", pa.binary())])
_COUNTED_TYPE = "number bigint, state binary, keys binary"
_MERGED_TYPE = "state binary"


class Task(msgspec.Struct, frozen=True):
    """What one task reads: parts of the group of this number, within bounds in microseconds since 1970 UTC.

    `shared`: other tasks read further parts of the group, so the driver must compare row keys.
    """

    group: int
    parts: tuple[CapturedPart | FilePart | ManagedPart, ...]
    start: int | None
    end: int | None
    shared: bool = False


@dataclass
class SparkEngine:
    """A Spark session: the given one, or one for a master URL (the default is `local[*]`), which `close` ends.

    Raises UsageError where PySpark is not installed.
    """

    master: str | None = None
    session: Any = None

    def __post_init__(self) -> None:
        self._own = self.session is None
        if self._own:
            self.session = _session(self.master)

    def __enter__(self) -> SparkEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session if this engine began it, and its Java process."""
        if not self._own:
            return
        end_session(self.session)

    def count(
        self,
        groups: Iterable[PartGroup],
        plan: CountingPlan,
        progress: Callable[[PartGroup], None] = lambda group: None,
    ) -> Iterator[tuple[PartGroup, Profile]]:
        """Yields the profile of each group, in order."""
        found = list(groups)
        if not found:
            return
        tasks = _tasks(found, plan)
        counted = self._counted(tasks, plan).toLocalIterator(prefetchPartitions=True)
        for number, rows in groupby(zip(tasks, counted, strict=True), key=lambda entry: entry[0].group):
            states = [row for _, row in rows]
            profile = reduce(merge_profiles, (decode_profile(bytes(row.state)) for row in states))
            if len(states) > 1 and repeats(_keys(states)):
                profile = self._counted_whole(found[number], plan)
            progress(found[number])
            yield found[number], profile

    def total(
        self,
        groups: Iterable[PartGroup],
        plan: CountingPlan,
        progress: Callable[[PartGroup], None] = lambda group: None,
    ) -> Profile:
        """Returns the profile of all groups, merged in a tree on the cluster."""
        found = list(groups)
        if not found:
            return Profile(plan.baseline_id)
        tasks = _tasks(found, plan)
        counted = self._counted(tasks, plan).persist()
        try:
            again = self._repeated(tasks, counted)
            kept = [number for number, task in enumerate(tasks) if task.group not in again]
            states = counted.where(counted.number.isin(kept)) if again else counted
            profile = self._merged(states.select("state"), plan.baseline_id)
        finally:
            counted.unpersist()
        profile = reduce(
            merge_profiles, (self._counted_whole(found[number], plan) for number in sorted(again)), profile
        )
        for group in found:
            progress(group)
        return profile

    def _counted(self, tasks: list[Task], plan: CountingPlan) -> Any:
        """Returns a data frame with the state and the row keys of each task, in their order."""
        context = self.session.sparkContext
        slices = max(1, min(len(tasks), context.defaultParallelism * TASKS_PER_CORE))
        rows = [(number, msgspec.json.encode(task).decode()) for number, task in enumerate(tasks)]
        frame = self.session.createDataFrame(context.parallelize(rows, slices), "number bigint, task string")
        return _mapped(frame, partial(count_tasks, encode_plan(plan)), _COUNTED_TYPE)

    def _counted_whole(self, group: PartGroup, plan: CountingPlan) -> Profile:
        """Returns the profile of a group that repeats rows between its parts, counted by one task."""
        task = _tasks([group], plan, whole=True)
        (row,) = self._counted(task, plan).collect()
        return decode_profile(bytes(row.state))

    def _repeated(self, tasks: list[Task], counted: Any) -> set[int]:
        """Returns the groups of several tasks in which a row key stands twice."""
        numbers = [number for number, task in enumerate(tasks) if task.shared]
        if not numbers:
            return set()
        rows = counted.where(counted.number.isin(numbers)).select("number", "keys").collect()
        by_group: dict[int, list[Any]] = {}
        for row in rows:
            by_group.setdefault(tasks[row.number].group, []).append(row)
        return {group for group, found in by_group.items() if repeats(_keys(found))}

    def _merged(self, states: Any, baseline_id: str) -> Profile:
        """Merges states in a tree: MERGED_AT_ONCE partitions into one, until few are left."""
        partitions = states.rdd.getNumPartitions()
        while True:
            states = _mapped(states, merge_states, _MERGED_TYPE)
            if partitions <= MERGED_AT_ONCE:
                break
            partitions = -(-partitions // MERGED_AT_ONCE)
            states = states.coalesce(partitions)
        found = (decode_profile(bytes(row.state)) for row in states.collect())
        return reduce(merge_profiles, found, Profile(baseline_id))


def count_tasks(plan_data: bytes, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Counts tasks on a worker. Yields the number, the state and the sorted row keys of each."""
    plan = decode_plan(plan_data)
    for batch in batches:
        for number, text in zip(batch["number"].to_pylist(), batch["task"].to_pylist(), strict=True):
            task = msgspec.json.decode(text, type=Task)
            bounded = CountingPlan(plan.baseline_id, plan.binning, plan.layout, plan.levels, task.start, task.end)
            merger = GroupMerger(bounded)
            for part in task.parts:
                merger.add(count_part(part, fetch(part), bounded))
            state = encode_profile(merger.profile)
            keys = merger.keys.tobytes() if task.shared else b""
            yield pa.RecordBatch.from_pydict({"number": [number], "state": [state], "keys": [keys]}, _COUNTED)


def merge_states(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Merges the states of a partition on a worker. Yields one state, or none of an empty partition."""
    states = (decode_profile(state) for batch in batches for state in batch["state"].to_pylist())
    first = next(states, None)
    if first is not None:
        merged = reduce(merge_profiles, states, first)
        yield pa.RecordBatch.from_pydict({"state": pa.array([encode_profile(merged)], pa.binary())})


def encode_plan(plan: CountingPlan) -> bytes:
    """Returns a plan as bytes for the workers. Raises UsageError for a plan that samples rows."""
    if plan.sampler is not None:
        raise UsageError("a baseline is made with the local engine: leave --engine spark out")
    arrays: Arrays = {}
    content = {
        "baseline_id": plan.baseline_id,
        "binning": pack_binning(plan.binning, arrays),
        "layout": asdict(plan.layout),
        "levels": [asdict(level) for level in plan.levels],
    }
    return write_arrays("plan", arrays, content)


def decode_plan(data: bytes) -> CountingPlan:
    """Returns the plan that `encode_plan` encoded."""
    arrays, content = read_arrays("plan", data)
    layout = {**content["layout"], "ignored": tuple(content["layout"]["ignored"])}
    return CountingPlan(
        content["baseline_id"],
        unpack_binning(content["binning"], arrays),
        Layout(**layout),
        tuple(LevelGrouper(**level) for level in content["levels"]),
    )


def _tasks(groups: list[PartGroup], plan: CountingPlan, *, whole: bool = False) -> list[Task]:
    """Returns the tasks of the groups in order. Raises UsageError for a table in memory."""
    tasks = []
    for number, group in enumerate(groups):
        bounded = plan_of_group(plan, group)
        parts = [part for part in group.parts if isinstance(part, CapturedPart | FilePart | ManagedPart)]
        if len(parts) < len(group.parts):
            raise UsageError("a table in memory is counted with the local engine: leave --engine spark out")
        size = len(parts) if whole else WHOLE_GROUP
        shares = [tuple(parts[start : start + size]) for start in range(0, len(parts), size)]
        tasks += [Task(number, share, bounded.start, bounded.end, len(shares) > 1) for share in shares]
    return tasks


def _keys(rows: Iterable[Any]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Returns the sorted row keys of several tasks."""
    return np.sort(np.concatenate([np.frombuffer(bytes(row.keys), np.uint64) for row in rows]))


def _mapped(frame: Any, function: Callable[..., Any], schema: str) -> Any:
    """Returns `frame.mapInArrow(...)`. PySpark warns of a new pandas, which this path does not use."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        return frame.mapInArrow(function, schema)


def _session(master: str | None) -> Any:
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise UsageError("the Spark engine needs PySpark: pip install 'endpoint-capture[spark]'") from error
    master = master or "local[*]"
    builder = SparkSession.builder.appName("monitoring").master(master)
    builder = builder.config("spark.sql.session.timeZone", "UTC")
    if master.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        for name, value in (
            ("spark.ui.enabled", "false"),
            ("spark.driver.host", "127.0.0.1"),
            ("spark.driver.bindAddress", "127.0.0.1"),
        ):
            builder = builder.config(name, value)
    return builder.getOrCreate()


def end_session(session: Any) -> None:
    """Ends a session and its Java process, so that the next session of this Python process starts its own."""
    context = session.sparkContext
    gateway, kind = context._gateway, type(context)
    session.stop()
    process = getattr(gateway, "proc", None)
    gateway.shutdown()
    if process is not None:
        process.stdin.close()
        process.wait(timeout=60)
    kind._gateway = kind._jvm = None  # else PySpark goes on to use the process that has ended
