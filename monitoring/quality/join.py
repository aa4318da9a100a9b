"""Labels to predictions: an Ibis expression, on DuckDB or Spark.

A label finds its row by (inference id, item), else by (event id, item), else by its id as written where that ends in
`#number`. The latest label of a row wins: by arrival, then by order in its file. Everything else is counted.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.quality.set_aside import ExclusionReason, SetAside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import ibis.expr.types as ir

    from monitoring.window import Window

_MATCHED = ("seq", "line", "array", "whole", "label", "arrived", "row", "item_count")
MEMORY = "600MB"
"""What DuckDB may keep in memory; it spills the rest to `directory`."""


@dataclass(frozen=True, slots=True)
class JoinCounts:
    """What the join found: labels read, rows that have one, rows whose label was corrected, equal copies, and ids that
    name several events (their label counts for each)."""

    labels: int
    labelled: int
    corrected: int
    copies: int
    shared_ids: int


class LabelJoin:
    """The join of one window. `directory` holds both Parquet files and DuckDB's spill; the caller removes it."""

    def __init__(self, directory: Path, backend: Any = None) -> None:
        """Opens DuckDB in `directory`, or uses `backend`, an Ibis backend such as `ibis.pyspark.connect(session)`."""
        self._directory, self._parts = directory, 0
        self._backend = backend if backend is not None else _duckdb(directory)
        self._predictions = self._backend.read_parquet(str(directory / "predictions.parquet"), table_name="predictions")
        self._labels = self._backend.read_parquet(str(directory / "labels.parquet"), table_name="labels")
        self._best: Any = None

    def run(self, window: Window, aside: SetAside) -> JoinCounts:
        """Joins, counts what fits nowhere in `aside`, and keeps the label of each row for `batches`."""
        matched, left = self._match()
        matched = self._without_wrong_arrays(matched, left, window, aside)
        counted = matched.group_by("row").aggregate(copies=matched.count())
        repeated = self._kept(counted.filter(counted.copies > 1).select("row"))
        self._best = self._latest(matched, repeated)
        totals = self._best.aggregate(
            rows=self._best.count(),
            corrected=(self._best.lowest != self._best.highest).sum(),
            extra=(self._best.copies - 1).sum(),
            labels=self._best.copies.sum(),
        ).to_pyarrow().to_pylist()[0]  # fmt: skip
        copies = 0
        if totals["extra"]:
            of_repeated = matched.semi_join(repeated, "row")
            distinct = of_repeated.select("row", "label", hour=of_repeated.arrived.truncate("h")).distinct()
            copies = _count(of_repeated) - _count(distinct)
        used = _count(matched.select("seq").distinct()) if totals["labels"] else 0
        return JoinCounts(
            labels=_count(self._labels),
            labelled=totals["rows"],
            corrected=int(totals["corrected"] or 0),
            copies=copies,
            shared_ids=int(totals["labels"] or 0) - used,
        )

    def _latest(self, matched: ir.Table, repeated: ir.Table) -> ir.Table:
        """Returns one label for each row: the latest. Only the labels of `repeated` rows are grouped, for most have one."""
        single = matched.select(
            "row", "label", first_arrived="arrived", arrived="arrived", copies=ibis.literal(1, "int64"), lowest="label", highest="label"
        )  # fmt: skip
        if not _count(repeated):
            return single
        several = matched.semi_join(repeated, "row")
        grouped = several.group_by("row").aggregate(
            label=several.label.argmax(ibis.struct({"at": several.arrived, "seq": several.seq})),
            first_arrived=several.arrived.min(),
            arrived=several.arrived.max(),
            copies=several.count(),
            lowest=several.label.min(),
            highest=several.label.max(),
        )
        return self._kept(single.anti_join(repeated, "row").union(grouped))

    def batches(self, columns: Sequence[str], where: Any = None) -> Iterator[pa.RecordBatch]:
        """Returns the labelled rows: these columns of the predictions, then `label`, `first_arrived` and `arrived`."""
        rows = self._predictions if where is None else self._predictions.filter(where(self._predictions))
        joined = rows.select("row", *columns).inner_join(self._best, "row")
        chosen = joined.select(*columns, "label", "first_arrived", "arrived")
        for file in _parquet_files(Path(self._write(chosen))):
            yield from pq.ParquetFile(file).iter_batches(batch_size=262_144)
        pa.default_memory_pool().release_unused()

    def rows_by_hour(self) -> dict[dt.datetime, tuple[int, int]]:
        """Returns (rows, events) of each hour of the window, labelled or not."""
        rows = self._predictions
        found = rows.group_by(hour=rows.event_time.truncate("h")).aggregate(
            rows=rows.count(), events=(rows.item == 0).sum()
        )
        return {
            entry["hour"].astimezone(dt.UTC): (entry["rows"], int(entry["events"] or 0))
            for entry in found.to_pyarrow().to_pylist()
        }

    def close(self) -> None:
        """Closes the connection to DuckDB; a Spark session stays its owner's."""
        if self._backend.name == "duckdb":
            self._backend.disconnect()

    def _match(self) -> tuple[ir.Table, ir.Table]:
        """Returns matched labels, and labels that matched no row."""
        rows, labels = self._predictions, self._labels
        by_item = labels.filter(labels.item_key.isnull())
        found = by_item.inner_join(rows, [by_item.id == rows.key, by_item.item == rows.item])
        matched = self._kept(found.select(*_MATCHED))
        left = self._kept(labels.anti_join(matched, "seq"))
        if not _count(left):
            return matched, left
        parts = [matched]
        with_both = rows.filter(rows.inference_id.notnull())
        plain = left.filter(left.item_key.isnull())
        parts.append(
            plain.inner_join(with_both, [plain.id == with_both.event_id, plain.item == with_both.item]).select(
                *_MATCHED
            )
        )
        raw = left.filter(left.raw_id.notnull()).mutate(whole=ibis.literal(True))
        first = rows.filter(rows.item == 0)
        parts.append(raw.inner_join(first, [raw.raw_id == first.key]).select(*_MATCHED))
        keyed = left.filter(left.item_key.notnull())
        for id_column in ("key", "event_id"):
            part = keyed.inner_join(rows, [keyed.id == rows[id_column], keyed.item_key == rows.item_key])
            parts.append(part.select(*_MATCHED))
        every = self._kept(ibis.union(*parts, distinct=True))
        return every, self._kept(left.anti_join(every, "seq"))

    def _kept(self, table: ir.Table) -> ir.Table:
        """Computes a table once, into Parquet below `directory`: both engines keep intermediate results so."""
        folder = self._write(table)
        return self._backend.read_parquet(folder, table_name=f"part_{self._parts}")

    def _write(self, table: ir.Table) -> str:
        self._parts += 1
        target = str(self._directory / f"part_{self._parts}.parquet")
        table.to_parquet(target)
        return target

    def _without_wrong_arrays(self, matched: ir.Table, left: ir.Table, window: Window, aside: SetAside) -> ir.Table:
        """Returns matched labels that name one row of their event, and counts all others by reason."""
        every = matched
        wrong = matched.filter(matched.array.notnull() & (matched.array != matched.item_count))
        lines = self._kept(wrong.select("line").distinct())
        count = _count(lines)
        if count:
            for entry in wrong.order_by("line").limit(200).to_pyarrow().to_pylist()[:5]:
                aside.add(
                    ExclusionReason.WRONG_LENGTH, f"{entry['array']} labels for an event of {entry['item_count']} items"
                )
            aside.counts[ExclusionReason.WRONG_LENGTH] = count
            matched = matched.anti_join(lines, "line")
            left = left.anti_join(lines, "line")
        whole = matched.filter(matched.whole & (matched.item_count > 1))
        if self._set_aside(whole, ExclusionReason.NO_ITEM, aside):
            matched = matched.filter(~(matched.whole & (matched.item_count > 1)))
        keyed = self._labels.filter(self._labels.item_key.notnull()).select("seq")
        if _count(keyed):
            several = matched.semi_join(keyed, "seq").group_by(["seq"]).aggregate(rows=matched.row.nunique())
            several = several.filter(several.rows > 1)
            if self._set_aside(several, ExclusionReason.AMBIGUOUS_KEY, aside):
                matched = matched.anti_join(several, "seq")
        self._explain(left, window, aside)
        return matched if matched is every else self._kept(matched)

    def _explain(self, left: ir.Table, window: Window, aside: SetAside) -> None:
        """Counts labels that matched no row: the item is unknown, the event is of another window, or it is unknown."""
        if not _count(left):
            return
        rows = self._predictions
        events = rows.select(id=rows.key).union(rows.select(id=rows.event_id), distinct=True)
        self._set_aside(left.semi_join(events, "id"), ExclusionReason.UNKNOWN_ITEM, aside, "id")
        unknown = left.anti_join(events, "id")
        ours = (unknown.id.length() == 36) & (unknown.id.substr(14, 1) == "7")
        first, end = (_uuid7_prefix(time) for time in (window.start, window.end))
        outside = ours & ((unknown.id < first) | (unknown.id >= end))
        self._set_aside(unknown.filter(outside), ExclusionReason.OTHER_WINDOW, aside, "id")
        self._set_aside(unknown.filter(~outside), ExclusionReason.UNKNOWN_EVENT, aside, "id")

    def _set_aside(self, table: ir.Table, reason: ExclusionReason, aside: SetAside, shown: str = "seq") -> int:
        """Counts the labels of a table in `aside` and returns how many they are."""
        count = _count(table)
        if count:
            for entry in table.order_by(shown).limit(5).to_pyarrow().to_pylist():
                aside.add(reason, f"{'label' if shown == 'seq' else 'id'} {entry[shown]}", 1)
            aside.counts[reason] += count - min(count, 5)
        return count


def _duckdb(directory: Path) -> Any:
    spill = directory / "spill"
    backend = ibis.duckdb.connect(
        str(directory / "join.duckdb"), memory_limit=MEMORY, temp_directory=str(spill), preserve_insertion_order=False
    )
    backend.con.execute("SET TimeZone = 'UTC'")
    return backend


def _parquet_files(written: Path) -> list[Path]:
    """Returns the files of a table: DuckDB writes one, Spark a directory of them."""
    return sorted(written.glob("*.parquet")) if written.is_dir() else [written]


def _count(table: ir.Table) -> int:
    return int(table.count().to_pyarrow().as_py())


def _uuid7_prefix(time: dt.datetime) -> str:
    """Returns the smallest UUIDv7 text of this millisecond: ids of ours sort by their time."""
    return str(uuid.UUID(int=int(time.timestamp() * 1000) << 80 | 7 << 76))
