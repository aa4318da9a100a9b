"""Arrow IPC streams: `application/vnd.apache.arrow.stream`."""

import io
from typing import Any

import pyarrow
import pyarrow.ipc

from serialization.errors import DecodeError, EncodeError
from serialization.limits import Limits
from serialization.media import MediaType
from serialization.payload import Payload

from .batches import extent
from .safety import FAILURES, check_schema, one_batch
from .table import table_of

_FILE_MAGIC = b"ARROW1"
_KINDS = frozenset({"schema", "dictionary", "record batch"})


class ArrowStreamCodec:
    """Codec of Arrow streams."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def decode(self, body: memoryview, media: MediaType) -> Payload:
        """All batches of the stream as one `pyarrow.RecordBatch`."""
        if body[:6] == _FILE_MAGIC:
            raise DecodeError("the body is an Arrow file; send the stream format, which RecordBatchStreamWriter writes")
        buffer = pyarrow.py_buffer(bytes(body))
        try:
            self._measure(buffer)
            with pyarrow.ipc.open_stream(buffer) as reader:
                check_schema(reader.schema, self._limits)
                table = reader.read_all()
            return Payload(one_batch(table, self._limits), media.name)
        except FAILURES as error:
            raise DecodeError(
                f"the body is not a valid Arrow stream: {str(error)[:200]}; send the whole stream"
            ) from None

    def encode(self, prediction: object, media: MediaType, request: Payload | None) -> tuple[bytes, MediaType]:
        """The prediction as a stream of one batch, not compressed."""
        table = table_of(prediction).combine_chunks()
        out = io.BytesIO()
        try:
            with pyarrow.ipc.new_stream(out, table.schema) as writer:
                writer.write_table(table)
        except FAILURES as error:
            raise EncodeError(f"the prediction cannot be written as Arrow: {str(error)[:200]}") from None
        return out.getvalue(), media.with_parameters()

    def _measure(self, buffer: Any) -> None:
        """Refuse a stream that would become too large, before it does."""
        items = size = 0
        for message in pyarrow.ipc.MessageReader.open_stream(buffer):
            if message.type not in _KINDS:
                raise ValueError(f"it holds a {message.type}")
            part = extent(message)
            items += part.items
            size += part.bytes
            if items > self._limits.max_items or size > self._limits.max_expanded_bytes:
                raise DecodeError(
                    f"the stream unfolds to more than {self._limits.max_items} values or "
                    f"{self._limits.max_expanded_bytes} bytes; send fewer rows in one request"
                )
