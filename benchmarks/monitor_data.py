"""The rows of `benchmarks.monitor`: captured data of 60 columns, by files, from a seed.

40 doubles (normal, exponential, Cauchy, log-normal; some with nulls, NaN, infinities), 10 integers, 10 texts of 3 to 200,000
values, and the columns of captured data. A request has 12 rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DOUBLES, INTEGERS = 40, 10
TEXTS = (3, 5, 10, 20, 50, 100, 1000, 10_000, 50_000, 200_000)
COLUMNS = DOUBLES + INTEGERS + len(TEXTS)
ROWS_OF_REQUEST = 12
FILE_ROWS = 208_000
START = 1_767_268_800_000_000


def write(folder: Path, rows: int, seed: int, *, infinities: bool = True) -> None:
    """Writes `rows` rows as Parquet files of at most FILE_ROWS rows, at least eight files."""
    folder.mkdir(parents=True)
    files = max(8, -(-rows // FILE_ROWS))
    for number in range(files):
        count = rows // files + (number < rows % files)
        table = table_of(np.random.default_rng([seed, number]), count, number, infinities=infinities)
        pq.write_table(table, folder / f"{number:04d}.parquet", compression="zstd", row_group_size=FILE_ROWS)


def table_of(generator: np.random.Generator, rows: int, number: int, *, infinities: bool = True) -> pa.Table:
    """Returns the rows of one file."""
    index = np.arange(rows)
    requests = index // ROWS_OF_REQUEST
    names = [f"{number:08x}-{request:027x}" for request in range(int(requests[-1]) + 1 if rows else 0)]
    columns: dict[str, pa.Array] = {
        "capture_event_id": pa.DictionaryArray.from_arrays(requests.astype(np.int32), names).cast(pa.string()),
        "capture_event_time": pa.array(START + (number * FILE_ROWS + index) * 1000, pa.timestamp("us", "UTC")),
        "capture_item_index": pa.array((index % ROWS_OF_REQUEST).astype(np.int32)),
        "capture_item_count": pa.array(np.full(rows, ROWS_OF_REQUEST, np.int32)),
    }
    for column in range(DOUBLES):
        columns[f"double_{column}"] = _double(generator, rows, column, infinities=infinities)
    for column in range(INTEGERS):
        columns[f"integer_{column}"] = pa.array(generator.poisson(3 * (column + 1), rows))
    for values in TEXTS:
        texts = pa.array([f"value-{value}" for value in range(values)])
        chosen = pa.array(generator.integers(0, values, rows).astype(np.int32))
        columns[f"text_{values}"] = pa.DictionaryArray.from_arrays(chosen, texts).cast(pa.string())
    return pa.table(columns)


def _double(generator: np.random.Generator, rows: int, column: int, *, infinities: bool) -> pa.Array:
    draw = (generator.standard_normal, generator.standard_exponential, generator.standard_cauchy)[column % 3]
    values = generator.lognormal(0, 2, rows) if column % 4 == 0 else draw(rows)
    if column % 5 == 0:
        values[generator.random(rows) < 0.1] = np.nan
    if infinities and column % 10 == 1:
        values[:3] = np.inf
    return pa.array(values, mask=generator.random(rows) < 0.1 if column % 5 == 2 else None)
