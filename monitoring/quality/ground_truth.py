"""A prefix of label files to one Parquet file in the common form of labels, in the order of their arrival.

A file arrived in the hour that its key names (`…/yyyy/mm/dd/hh/…`, the hour of the label's upload), else when it was
written. `.jsonl` and `.json` are Model Monitor's lines, `.parquet` and `.csv` tables.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from monitoring.quality.label_lines import Label, LabelLineError, parse_line
from monitoring.quality.label_tables import label_schema, table_of_columns, table_of_labels
from monitoring.quality.set_aside import ExclusionReason

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from monitoring.quality.objects import Files, StoredFile
    from monitoring.quality.problem import Question
    from monitoring.quality.set_aside import SetAside

_LINES, _TABLES = (".jsonl", ".json"), (".parquet", ".csv")
_CHUNK = 50_000
_BATCH_ROWS = 262_144


def collect_labels(
    source: Files,
    target: Path,
    question: Question,
    aside: SetAside,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Writes the labels below `source` to the Parquet file `target` and returns how many there are.

    Files that arrived before `since` or after `until` are not read: a label cannot be older than its event. What cannot
    be used is counted in `aside`; a file that cannot be read does not stop the others.
    """
    files = sorted(
        _files(source, since, until), key=lambda entry: (entry.hour or entry.modified, entry.modified, entry.key)
    )
    schema, seq = label_schema(question.text_labels), 0
    with pq.ParquetWriter(target, schema, compression="snappy") as writer:
        for number, entry in enumerate(files):
            progress(number, len(files))
            for batch in _batches(source, entry, seq, question, aside):
                seq = max(seq, *_ends(batch)) if batch.num_rows else seq
                if until is not None:
                    batch = batch.filter(
                        pc.less_equal(batch.column("arrived"), pa.scalar(until, schema.field("arrived").type))
                    )
                if batch.num_rows:
                    writer.write_batch(batch)
    return int(pq.read_metadata(target).num_rows)


def _ends(batch: pa.RecordBatch) -> tuple[int, int]:
    last = batch.num_rows - 1
    return batch.column("seq")[last].as_py() + 1, batch.column("line")[last].as_py() + 1


def _files(source: Files, since: dt.datetime | None, until: dt.datetime | None) -> Iterator[StoredFile]:
    for entry in source.list():
        name = entry.key.rpartition("/")[2]
        if not name.endswith((*_LINES, *_TABLES)) or name.startswith((".", "_")):
            continue
        arrived = entry.hour or entry.modified
        hour = None if since is None else since.replace(minute=0, second=0, microsecond=0)
        if (hour is None or arrived >= hour) and (until is None or arrived <= until):
            yield entry


def _batches(
    source: Files, entry: StoredFile, seq: int, question: Question, aside: SetAside
) -> Iterator[pa.RecordBatch]:
    arrived = entry.hour or entry.modified
    body = source.get(entry.key)
    if entry.key.endswith(_LINES):
        yield from _line_batches(body, entry.key, seq, arrived, question, aside)
        return
    try:
        for table in _tables(body, entry.key):
            yield table_of_columns(table, entry.key, seq, arrived, question, aside)
            seq += table.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        aside.add(ExclusionReason.UNREADABLE, f"{entry.key}: {error}")


def _tables(body: bytes, key: str) -> Iterator[pa.RecordBatch | pa.Table]:
    if key.endswith(".csv"):
        strings = pa_csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""])
        yield pa_csv.read_csv(io.BytesIO(body), convert_options=strings)
    else:
        yield from pq.ParquetFile(io.BytesIO(body)).iter_batches(batch_size=_BATCH_ROWS)


def _line_batches(
    body: bytes, key: str, seq: int, arrived: dt.datetime, question: Question, aside: SetAside
) -> Iterator[pa.RecordBatch]:
    labels: list[Label] = []
    lines: list[int] = []
    for number, text in enumerate(body.splitlines()):
        if not text.strip():
            continue
        try:
            found = parse_line(text, question.label, question.item_key)
        except LabelLineError as error:
            aside.add(error.reason, f"{key} line {number + 1}: {error}")
            continue
        labels += found
        lines += [number] * len(found)
        if len(labels) >= _CHUNK:
            yield table_of_labels(labels, lines, seq, arrived, question, aside)
            seq += max(len(labels), lines[-1] + 1)
            labels, lines = [], []
    if labels:
        yield table_of_labels(labels, lines, seq, arrived, question, aside)
