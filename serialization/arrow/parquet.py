"""Parquet files: `application/vnd.apache.parquet` and `application/x-parquet`.

Text is read as dictionaries first, so that a text which is stored once and meant a million times takes its memory once;
it is unfolded when its size is known. Row groups are read one by one, because each has dictionaries of its own.
"""

import io

import pyarrow
import pyarrow.parquet

from serialization.errors import DecodeError, EncodeError
from serialization.limits import Limits
from serialization.media import MediaType
from serialization.payload import Payload

from .pages import Footer
from .safety import FAILURES, check_schema, check_size, one_batch, without_views
from .table import table_of

_MAGIC = b"PAR1"


class ParquetCodec:
    """Codec of Parquet."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def decode(self, body: memoryview, media: MediaType) -> Payload:
        """All row groups of the file as one `pyarrow.RecordBatch`."""
        if body[:4] != _MAGIC or body[-4:] != _MAGIC:
            raise DecodeError("the body is not Parquet: it does not start and end with PAR1; send the whole file")
        content = bytes(body)
        source = pyarrow.py_buffer(content)
        try:
            footer = Footer(memoryview(content))
            self._measure(footer)
            plain = pyarrow.parquet.ParquetFile(source).schema_arrow
            check_schema(plain, self._limits)
            file = pyarrow.parquet.ParquetFile(source, read_dictionary=footer.texts(), pre_buffer=False)
            groups = [file.read_row_group(at, use_threads=False) for at in range(footer.groups)]
            table = pyarrow.concat_tables(groups) if groups else plain.empty_table()
            check_size(table, self._limits)
            return Payload(one_batch(table.cast(without_views(plain)), self._limits), media.name)
        except FAILURES as error:
            raise DecodeError(f"the body is not a valid Parquet file: {str(error)[:200]}") from None

    def encode(self, prediction: object, media: MediaType, request: Payload | None) -> tuple[bytes, MediaType]:
        """The prediction as a Parquet file of one row group, compressed with Snappy."""
        out = io.BytesIO()
        try:
            pyarrow.parquet.write_table(table_of(prediction), out)
        except FAILURES as error:
            raise EncodeError(f"the prediction cannot be written as Parquet: {str(error)[:200]}") from None
        return out.getvalue(), media.with_parameters()

    def _measure(self, footer: Footer) -> None:
        """Refuse a file that would become too large, before it does."""
        values, size = footer.rows, 0
        for part in footer.parts():
            values += part.values
            size += part.size
            if values > self._limits.max_items or size > self._limits.max_expanded_bytes:
                break
        if values > self._limits.max_items or size > self._limits.max_expanded_bytes:
            raise DecodeError(
                f"the file unfolds to more than {self._limits.max_items} values or {self._limits.max_expanded_bytes} bytes; "
                "send fewer rows in one request"
            )
