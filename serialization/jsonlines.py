"""JSON Lines: `application/jsonlines` to a list of values, one for each line, and rows to lines.

As strict as JSON (see `json_`). Blank lines are skipped. A prediction is written as its rows: an item of a list or an
array, a row of a table, each on a line of its own.
"""

import msgspec

from .charset import from_text, to_utf8
from .errors import DecodeError, EncodeError
from .json_ import explain, refuse_ambiguous, refuse_too_many
from .limits import Limits
from .media import MediaType
from .payload import Payload
from .plain import to_plain

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


class JsonLinesCodec:
    """Codec of `application/jsonlines`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def decode(self, body: memoryview, media: MediaType) -> Payload:
        """A list of the lines' values."""
        raw = bytes(to_utf8(body, media))
        refuse_too_many(raw, self._limits)
        try:
            values = _decoder.decode_lines(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(self._explain(error, raw)) from None
        most = min(self._limits.max_items, self._limits.max_objects)
        if len(values) > most:
            raise DecodeError(f"the body has more than {most} lines; send fewer in one request")
        may_be_blank = any(begin in raw for begin in (b"\n\n", b"\n\r", b"\n ", b"\n\t"))
        if may_be_blank or len(values) != raw.strip().count(b"\n") + 1:
            lines = sum(1 for line in raw.split(b"\n") if line.strip())
            if len(values) != lines:
                raise DecodeError(f"the body has {len(values)} values on {lines} lines; send one value on each line")
        refuse_ambiguous(values, raw, self._limits.max_depth + 1)
        return Payload(values, media.name)

    def encode(self, prediction: object, media: MediaType, request: Payload | None) -> tuple[bytes, MediaType]:
        """A line of JSON for each row. NaN and infinity: null."""
        try:
            body = _encoder.encode_lines(_rows(to_plain(prediction)))
        except (UnicodeError, ValueError, TypeError, RecursionError) as error:
            raise EncodeError(f"the prediction cannot be written as JSON: {error}") from None
        if "charset" not in media.parameters:
            return body, media.with_parameters()
        encoded, parameters = from_text(body.decode("utf-8"), media)
        return encoded, media.with_parameters(**parameters)

    def _explain(self, error: Exception, raw: bytes) -> str:
        """The reason, with the line, found by parsing line by line up to the first that fails."""
        for number, line in enumerate(raw.split(b"\n"), start=1):
            try:
                if line.strip():
                    _decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
                return f"line {number}: {explain(reason, line, self._limits)}"
        return explain(error, raw, self._limits)


def _rows(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        columns = list(value.values())
        if columns and all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
            return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    return [value]
