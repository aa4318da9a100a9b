"""Named arrays as bytes and back: an Arrow IPC file, compressed, with plain values as JSON in its metadata.

Layout: one row for each array with its name, its type, its shape, and its bytes (little endian). The schema's metadata has
`monitoring.format` (what the file holds), `monitoring.version` and `monitoring.content`. Nothing is executed when a file is
read: no pickle. A file of a newer version is refused.
"""

from __future__ import annotations

import io
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitoring.errors import MonitoringError

VERSION = 1

Arrays = dict[str, npt.NDArray[Any]]

_SCHEMA = pa.schema(
    [("name", pa.string()), ("type", pa.string()), ("shape", pa.list_(pa.int64())), ("data", pa.large_binary())]
)
_INTEGERS = (np.uint8, np.uint16, np.uint32)


def write_arrays(form: str, arrays: Arrays, content: Any) -> bytes:
    """Returns named arrays and plain content as bytes. `form` names what they are."""
    metadata = {
        "monitoring.format": form,
        "monitoring.version": str(VERSION),
        "monitoring.content": msgspec.json.encode(content),
    }
    narrow = {name: _narrow(array) for name, array in arrays.items()}
    table = pa.table(
        [
            pa.array(list(narrow), pa.string()),
            pa.array([array.dtype.str for array in narrow.values()], pa.string()),
            pa.array([list(array.shape) for array in narrow.values()], pa.list_(pa.int64())),
            pa.array([array.tobytes() for array in narrow.values()], pa.large_binary()),
        ],
        schema=_SCHEMA.with_metadata(metadata),
    )
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return sink.getvalue()


def read_arrays(form: str, data: bytes) -> tuple[Arrays, Any]:
    """Returns the named arrays and the content of `data`.

    Raises MonitoringError where `data` is damaged, holds something else, or was written by a newer version.
    """
    try:
        table = pa.ipc.open_file(pa.py_buffer(data)).read_all()
        metadata = table.schema.metadata or {}
        found = metadata.get(b"monitoring.format", b"").decode()
        version = int(metadata.get(b"monitoring.version", b"0"))
        content = msgspec.json.decode(metadata.get(b"monitoring.content", b"null"))
    except (pa.ArrowException, OSError, ValueError, msgspec.DecodeError) as error:
        raise MonitoringError(f"the {form} cannot be read: {error}") from error
    if found != form:
        raise MonitoringError(f"this is not a {form} file: it holds {found or 'something unknown'}")
    if version > VERSION:
        raise MonitoringError(f"the {form} is of version {version} and this program reads up to {VERSION}: upgrade it")
    arrays = {}
    for row in range(table.num_rows):
        shape = table["shape"][row].as_py()
        array = np.frombuffer(table["data"][row].as_buffer(), np.dtype(table["type"][row].as_py()))
        arrays[table["name"][row].as_py()] = array.reshape(shape)
    return arrays, content


def _narrow(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns whole numbers of at most 32 bits in the narrowest type that holds them; other arrays as they are."""
    array = np.ascontiguousarray(array)
    if not array.size or array.dtype.kind not in "fiu" or array.dtype == np.uint8:
        return array
    low, high = array.min(), array.max()
    if not 0 <= low <= high < 2**32 or (array.dtype.kind == "f" and (array != np.floor(array)).any()):
        return array
    kind = next(kind for kind in _INTEGERS if high <= np.iinfo(kind).max)
    return array.astype(kind)
