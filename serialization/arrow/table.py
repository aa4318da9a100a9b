"""A prediction of any kind as an Arrow table, NumPy and pandas types kept."""

from collections.abc import Mapping
from typing import Any

import numpy
import pyarrow

from serialization.errors import EncodeError
from serialization.tables import tabulate

_FAILURES = (pyarrow.ArrowException, ValueError, TypeError, OverflowError)


def table_of(prediction: object) -> Any:
    """The prediction as a `pyarrow.Table`; outputs without names are `prediction`, or `prediction_0` and on.

    Raises EncodeError where a column has values of no one type.
    """
    try:
        return _table(prediction)
    except _FAILURES as error:
        raise EncodeError(f"the prediction is no table of typed columns: {str(error)[:200]}") from None


def _table(prediction: object) -> Any:
    if isinstance(prediction, pyarrow.Table):
        return prediction
    if isinstance(prediction, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([prediction])
    if isinstance(prediction, (pyarrow.Array, pyarrow.ChunkedArray)):
        return pyarrow.table({"prediction": prediction})
    root = type(prediction).__module__.partition(".")[0]
    if root == "pandas" and hasattr(prediction, "columns"):
        return pyarrow.Table.from_pandas(prediction, preserve_index=False).replace_schema_metadata(None)
    if root == "polars" and hasattr(prediction, "to_arrow") and hasattr(prediction, "columns"):
        return prediction.to_arrow()
    if isinstance(prediction, numpy.ndarray) and 0 < prediction.ndim <= 2:
        return _of_array(prediction)
    if isinstance(prediction, Mapping) and _are_arrays(prediction):
        return pyarrow.table({str(name): column for name, column in prediction.items()})
    table = tabulate(prediction)
    columns = list(zip(*table.rows, strict=True)) if table.rows else [()] * len(table.names or ())
    names = table.names or _names(len(columns))
    return pyarrow.table([pyarrow.array(column) for column in columns], names=list(names))


def _of_array(array: "numpy.ndarray[Any, Any]") -> Any:
    if array.dtype.names is not None:
        return pyarrow.table({name: numpy.ascontiguousarray(array[name]) for name in array.dtype.names})
    columns = [array] if array.ndim == 1 else list(array.T)
    arrays = [pyarrow.array(numpy.ascontiguousarray(column)) for column in columns]
    return pyarrow.table(arrays, names=_names(len(columns) if array.ndim == 2 else 1))


def _names(width: int) -> list[str]:
    return ["prediction"] if width == 1 else [f"prediction_{at}" for at in range(width)]


def _are_arrays(value: Mapping[object, object]) -> bool:
    return bool(value) and all(isinstance(column, numpy.ndarray) and column.ndim == 1 for column in value.values())
