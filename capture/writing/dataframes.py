"""A DataFrame's memory, block by block, without a copy and without a Python object for each value.

pandas keeps columns of one dtype together in blocks. Reading them through `frame._mgr.blocks` costs a microsecond; the
public ways cost 100 to 400. The attribute is private, so everything here has a public fallback, and a test holds both
against each other for every dtype.

A *part* is a tuple for the frame's head: its tag, the positions of its columns, and
- `"m"`: dtype, bytes; the buffer is (columns, rows) in C order;
- `"s"`: width of an offset in bytes, bytes of validity (0: all valid), of offsets and of text, first row; Arrow's
  string buffers follow;
- `"l"`: a list of values;
- `"b"`: bytes of an Arrow IPC stream with one column.

A column whose type Arrow does not know, or knows only while pandas is imported (periods, intervals), is a list.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Part = tuple[Any, ...]


def frame_parts(frame: Any) -> tuple[list[Part], list[Any]]:
    """The parts of a DataFrame and the buffers that follow the head, in the parts' order."""
    parts: list[Part] = []
    buffers: list[Any] = []
    for positions, values in _blocks(frame):
        _add(parts, buffers, positions, values)
    return parts, buffers


def add_series(parts: list[Part], buffers: list[Any], position: int, series: Any) -> None:
    """Adds a pandas Series as the column at `position`."""
    _add(parts, buffers, [position], _plain(series.array))


def add_arrow(parts: list[Part], buffers: list[Any], position: int, array: Any) -> bool:
    """Adds an Arrow array, in chunks or not, as the column at `position`; False where it has a type of somebody's own."""
    arrow = sys.modules["pyarrow"]
    kind = array.type
    if arrow.types.is_dictionary(kind):
        kind = kind.value_type
    if isinstance(kind, arrow.BaseExtensionType):
        return False
    if isinstance(array, arrow.ChunkedArray):
        array = arrow.concat_arrays(array.chunks) if array.num_chunks else arrow.array([], array.type)
    batch = arrow.record_batch([array], names=["value"])
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write(batch)
    data = sink.getvalue()
    parts.append(("b", (position,), data.size))
    buffers.append(memoryview(data).cast("B"))
    return True


def known_values(series: Any) -> list[Any]:
    """The values of a Series as Python's, None where one is missing."""
    return [None if missing else value for value, missing in zip(series, series.isna(), strict=True)]


def _blocks(frame: Any) -> Iterator[tuple[list[int], Any]]:
    """Positions and values of each block: (columns, rows) arrays, or an extension array of one column."""
    try:
        found = [(block.mgr_locs.as_array.tolist(), block.values) for block in frame._mgr.blocks]
    except AttributeError:
        found = [([position], _plain(frame.iloc[:, position].array)) for position in range(frame.shape[1])]
    return iter(found)


def _plain(array: Any) -> Any:
    """One column's values, got by pandas' public means, as `_blocks` gives them."""
    plain = array.to_numpy() if type(array).__name__ == "NumpyExtensionArray" else array
    return plain.reshape(1, -1) if hasattr(plain, "flags") else plain


def _add(parts: list[Part], buffers: list[Any], positions: list[int], values: Any) -> None:
    kind = values.dtype.kind
    if kind in "mM" and not hasattr(values, "flags") and isinstance(values.dtype, sys.modules["numpy"].dtype):
        values = sys.modules["numpy"].asarray(values).reshape(len(positions), -1)
    if hasattr(values, "flags") and kind in "biufcmM":
        data = values.view("i8") if kind in "mM" else values
        if not data.flags.c_contiguous:
            data = data.copy(order="C")
        parts.append(("m", positions, values.dtype.str, data.nbytes))
        buffers.append(memoryview(data.reshape(-1).view("u1")) if data.size else memoryview(b""))
        return
    if hasattr(values, "flags"):
        unknown = sys.modules["pandas"].isna(values)
        for position, column, missing in zip(positions, values, unknown, strict=True):
            parts.append(
                ("l", [position], [None if gone else value for value, gone in zip(column, missing, strict=True)])
            )
        return
    if hasattr(values, "ndim") and values.ndim == 2:
        for position, column in zip(positions, values, strict=True):
            _add(parts, buffers, [position], column)
        return
    if hasattr(values, "to_dense"):
        _add(parts, buffers, positions, values.to_dense().reshape(1, -1))
        return
    if _strings(parts, buffers, positions, getattr(values, "_pa_array", None)):
        return
    array = _arrow_array(values)
    if array is None or not add_arrow(parts, buffers, positions[0], array):
        parts.append(("l", positions, known_values(values)))


def _arrow_array(values: Any) -> Any:
    """The Arrow array of an extension array; None where Arrow has none for its type or is not imported."""
    arrow = sys.modules.get("pyarrow")
    if arrow is None:
        return None
    try:
        return arrow.array(values, from_pandas=True)
    except (arrow.ArrowException, TypeError, ValueError):
        return None


def _strings(parts: list[Part], buffers: list[Any], positions: list[int], chunked: Any) -> bool:
    """Adds an Arrow-backed string column by its buffers; False where it is none, or stands in several chunks."""
    if chunked is None or chunked.num_chunks != 1 or str(chunked.type) not in ("string", "large_string"):
        return False
    chunk = chunked.chunk(0)
    validity, offsets, text = chunk.buffers()
    width = 4 if str(chunk.type) == "string" else 8
    views = [memoryview(b"" if part is None else part).cast("B") for part in (validity, offsets, text)]
    first, rows = chunk.offset, len(chunk)
    places = views[1].cast("i" if width == 4 else "q")
    # What a slice shows of its buffers. Arrow's own `nbytes` gives the GIL away, and getting it back takes milliseconds.
    used = (places[first + rows] - places[first] if rows else 0) + rows * width
    if sum(map(len, views)) > 4 * used + 1024:
        return False
    parts.append(("s", positions, width, *(len(view) for view in views), chunk.offset))
    buffers.extend(views)
    return True
