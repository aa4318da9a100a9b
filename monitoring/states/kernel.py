"""The kernel: Arrow batches of one file in, one profile out. Every engine runs this code, so engines give equal results.

Counts are kept apart by slice. A batch may hold any number of rows and may split an event. The caller decides what a duplicate
is: the kernel collects a key for each row (event and item) and leaves out the keys it is given.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitoring.states.events import NO_TIME, Events, find_events, slices_of
from monitoring.states.hashing import hash_names, mix
from monitoring.states.layout import FileFacts
from monitoring.states.plan import CountingPlan
from monitoring.states.profile import Profile, SliceKey
from monitoring.states.slice_counter import SliceCounter

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]


class Kernel:
    """Counts the batches of one file.

    `name` seeds the hashes of rows that have no event id. `excluded` are the sorted keys of rows that were counted before;
    with `exact` the kernel leaves out these and every repetition within the file.
    """

    def __init__(
        self, plan: CountingPlan, facts: FileFacts, name: str, excluded: Hashes | None = None, exact: bool = False
    ) -> None:
        self._plan = plan
        self._facts = facts
        self._seed = hash_names([name])[0]
        self._seen = np.zeros(0, np.uint64) if excluded is None else excluded
        self._exact = exact
        self._row = 0
        self._keys: list[Hashes] = []
        self._slices: dict[SliceKey, SliceCounter] = {}
        self._timeless = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Counts a batch."""
        numbers = mix(np.arange(self._row, self._row + batch.num_rows, dtype=np.uint64) ^ self._seed)
        self._row += batch.num_rows
        for key, rows in slices_of(batch, self._plan.layout):
            part = batch if rows is None else batch.take(pa.array(rows))
            self._add_slice(key, part, numbers if rows is None else numbers[rows])

    def _add_slice(self, key: SliceKey, batch: pa.RecordBatch, numbers: Hashes) -> None:
        events = find_events(batch, self._plan.layout, numbers)
        kept = self._inside(events)
        if not kept.all():
            numbers, batch = numbers[kept], batch.filter(pa.array(kept))
            events = find_events(batch, self._plan.layout, numbers)
        repeated = 0
        if events.keys is not None and not self._exact:
            self._keys.append(events.keys)
        elif events.keys is not None:
            fresh = self._fresh(events.keys)
            repeated = int(np.count_nonzero(~fresh))
            if repeated:
                numbers, batch = numbers[fresh], batch.filter(pa.array(fresh))
                events = find_events(batch, self._plan.layout, numbers)
        if key not in self._slices:
            self._slices[key] = SliceCounter(self._plan, self._facts)
        counter = self._slices[key]
        counter.state.duplicates += repeated
        if batch.num_rows:
            counter.add(batch, events)
            if self._plan.sampler is not None:
                self._plan.sampler(batch, events.hashes.take(events.group))

    def keys(self) -> Hashes:
        """Returns the sorted keys of all rows; with `exact` those of all files that were excluded as well."""
        return self._seen if self._exact else np.sort(np.concatenate(self._keys or [self._seen[:0]]))

    def profile(self) -> Profile:
        """Returns the profile of all batches."""
        facts = self._facts
        notes: tuple[str, ...] = ()
        if self._timeless:
            notes = (f"{self._timeless:,} rows have no time in {self._plan.layout.time}: they belong to no window",)
        return Profile(
            self._plan.baseline_id,
            {key: counter.finished() for key, counter in self._slices.items()},
            facts.predictions,
            facts.hashed,
            facts.json,
            dict(facts.renamed),
            notes=notes,
        )

    def _inside(self, events: Events) -> npt.NDArray[np.bool_]:
        """Returns True for the rows of the window."""
        inside = np.ones(len(events), np.bool_)
        start, end = self._plan.start, self._plan.end
        if events.times is None or (start is None and end is None):
            return inside
        timed = events.times != NO_TIME
        self._timeless += int(np.count_nonzero(~timed))
        inside &= timed
        if start is not None:
            inside &= events.times >= start
        if end is not None:
            inside &= events.times < end
        return inside

    def _fresh(self, keys: Hashes) -> npt.NDArray[np.bool_]:
        """Returns True for the first row of each key that was not seen before, and notes the keys as seen."""
        fresh = np.zeros(len(keys), np.bool_)
        distinct, index = np.unique(keys, return_index=True)
        place = np.searchsorted(self._seen, distinct)
        known = np.zeros(len(distinct), np.bool_)
        inside = place < len(self._seen)
        known[inside] = self._seen[place[inside]] == distinct[inside]
        fresh[index[~known]] = True
        self._seen = np.union1d(self._seen, distinct[~known])
        return fresh
