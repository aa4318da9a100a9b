"""Bytes to values and back, by media type: what an endpoint reads from a request and writes into a response.

    >>> from serialization import Codecs
    >>> codecs = Codecs()
    >>> codecs.decode(b'{"instances": [[1, 2]]}', "application/json")
    [[1, 2]]
    >>> codecs.encode([0.5], "text/csv")
    (b'0.5\\n', 'text/csv')

Importing this package imports neither NumPy nor Arrow nor protobuf; the codec that needs one does, when it is used.
`docs/serialization.md` has the media types, their parameters and the form of each value.
"""

from .errors import (
    DecodeError,
    EncodeError,
    NotAcceptable,
    PayloadTooLarge,
    SchemaError,
    SerializationError,
    UnsupportedMediaType,
)
from .limits import Limits
from .media import MediaType
from .payload import Payload
from .protobuf.descriptors import ProtobufSchema
from .protobuf.flatten import flatten, split
from .protobuf.message import Message
from .registry import Codec, Codecs

__all__ = [
    "Codec",
    "Codecs",
    "DecodeError",
    "EncodeError",
    "Limits",
    "MediaType",
    "Message",
    "NotAcceptable",
    "Payload",
    "PayloadTooLarge",
    "ProtobufSchema",
    "SchemaError",
    "SerializationError",
    "UnsupportedMediaType",
    "flatten",
    "split",
]
