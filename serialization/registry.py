"""Which codec reads and writes which media type, and the two calls that a server makes: decode and encode.

A codec's module is imported when its first body arrives, so a worker that speaks JSON never loads Arrow or protobuf.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from .errors import DecodeError, NotAcceptable, PayloadTooLarge, UnsupportedMediaType
from .limits import Limits
from .media import MediaType, choose, parse_content_type, shown
from .payload import Payload

if TYPE_CHECKING:
    from .protobuf.descriptors import ProtobufSchema

JSON = "application/json"
_JSON_LINES = (
    "application/jsonlines",
    "application/x-jsonlines",
    "application/jsonl",
    "application/x-ndjson",
)
_NPY = "application/x-npy"
_ARROW = "application/vnd.apache.arrow.stream"
_PARQUET = ("application/vnd.apache.parquet", "application/x-parquet")
_RECORDIO = "application/x-recordio-protobuf"
_PROTOBUF = ("application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf")


class Codec(Protocol):
    """One format, both directions. Errors are those of `errors`, and nothing else escapes."""

    def decode(self, body: memoryview, media: MediaType) -> Payload:
        """A body, not empty and within `max_bytes`, as a value."""
        ...

    def encode(self, prediction: object, media: MediaType, request: Payload | None) -> tuple[bytes, MediaType]:
        """A prediction as a body, and its content type. media: what was accepted, with parameters."""
        ...


class Codecs:
    """The formats of one endpoint. Cheap to make; holds no state but its codecs; safe to share between threads.

    protobuf: the descriptor set of the model, or None where it has none. feature_names: names for the columns of CSV
    and NPY bodies that bring none. limits: what one body may cost. text_columns: columns of CSV that are text in every body.
    """

    def __init__(
        self,
        protobuf: "ProtobufSchema | None" = None,
        feature_names: tuple[str, ...] | None = None,
        limits: Limits | None = None,
        text_columns: frozenset[str] = frozenset(),
    ) -> None:
        self.limits = limits or Limits()
        self._feature_names = feature_names
        self._text_columns = text_columns
        self._makers: dict[str, Callable[[], Codec]] = {
            JSON: self._json,
            "text/csv": self._csv,
            **dict.fromkeys(_JSON_LINES, self._json_lines),
            _NPY: self._npy,
            _ARROW: self._arrow,
            **dict.fromkeys(_PARQUET, self._parquet),
            _RECORDIO: self._recordio,
        }
        self._columnar: dict[str, Callable[[], Codec]] = {}
        if protobuf is not None:
            self._makers |= dict.fromkeys(_PROTOBUF, partial(_protobuf, self.limits, protobuf, columns=False))
            self._columnar = dict.fromkeys(_PROTOBUF, partial(_protobuf, self.limits, protobuf, columns=True))
        self._codecs: dict[Callable[[], Codec], Codec] = {}
        self.media_types: tuple[str, ...] = tuple(self._makers)

    def read(self, body: bytes | bytearray | memoryview, content_type: str | None, *, columns: bool = False) -> Payload:
        """A request body as a `Payload`: its value, and what else is known about it. See `decode`."""
        view = memoryview(body).cast("B")
        if len(view) > self.limits.max_bytes:
            raise PayloadTooLarge(f"the body has {len(view)} bytes; the limit is {self.limits.max_bytes}")
        media = parse_content_type(content_type or JSON)
        codec = self._codec(media.name, columns)
        if codec is None:
            hint = "; the model has no descriptor set for protobuf" if media.name in _PROTOBUF else ""
            raise UnsupportedMediaType(
                f"content type {shown(media.name)} is not supported; send {', '.join(self.media_types)}{hint}"
            )
        if not len(view):
            raise DecodeError(f"the body is empty; send {media.name}")
        return codec.decode(view, media)

    def decode(
        self, body: bytes | bytearray | memoryview, content_type: str | None, *, columns: bool = False
    ) -> object:
        """A request body as a plain Python, NumPy or Arrow object.

        content_type: the header; JSON where there is none. columns: repeated protobuf messages as dicts of columns,
        which is faster than lists of dicts; without meaning for other formats. Raises DecodeError,
        UnsupportedMediaType or PayloadTooLarge.
        """
        return self.read(body, content_type, columns=columns).value

    def choose(self, accept: str | None, default: str = JSON) -> MediaType:
        """What an answer would be written as; to be asked before the model runs. Raises NotAcceptable."""
        return choose(accept, self.media_types, default)

    def encode(
        self, prediction: object, accept: str | None, default: str = JSON, *, request: Payload | None = None
    ) -> tuple[bytes, str]:
        """A prediction as the best format that the caller accepts: body and content type.

        accept: the Accept header; default: the format where the caller leaves it open. request: what `read` gave, so
        that a JSON request in `instances` is answered in `predictions`. Raises NotAcceptable or EncodeError.
        """
        media = self.choose(accept, default)
        codec = self._codec(media.name)
        if codec is None:
            raise NotAcceptable(f"cannot write {shown(media.name)}; the answer can be {', '.join(self.media_types)}")
        body, written = codec.encode(prediction, media, request)
        return body, str(written)

    def _codec(self, name: str, columns: bool = False) -> Codec | None:
        make = (self._columnar.get(name) if columns else None) or self._makers.get(name)
        if make is None:
            return None
        codec = self._codecs.get(make)
        if codec is None:
            codec = self._codecs[make] = make()
        return codec

    def _json(self) -> Codec:
        from .json_ import JsonCodec

        return JsonCodec(self.limits)

    def _json_lines(self) -> Codec:
        from .jsonlines import JsonLinesCodec

        return JsonLinesCodec(self.limits)

    def _csv(self) -> Codec:
        from .csv_ import CsvCodec

        return CsvCodec(self.limits, self._feature_names, self._text_columns)

    def _npy(self) -> Codec:
        from .npy import NpyCodec

        return NpyCodec(self.limits)

    def _arrow(self) -> Codec:
        from .arrow.stream import ArrowStreamCodec

        return ArrowStreamCodec(self.limits)

    def _parquet(self) -> Codec:
        from .arrow.parquet import ParquetCodec

        return ParquetCodec(self.limits)

    def _recordio(self) -> Codec:
        from .recordio.codec import RecordIoCodec

        return RecordIoCodec(self.limits)


def _protobuf(limits: Limits, schema: "ProtobufSchema", columns: bool) -> Codec:
    from .protobuf.codec import ProtobufCodec

    return ProtobufCodec(limits, schema, columns)
