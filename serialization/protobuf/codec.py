"""`application/x-protobuf` and its other names: messages of the descriptor set, `messageType=` naming which."""

from serialization.errors import NotAcceptable
from serialization.limits import Limits
from serialization.media import MediaType, shown
from serialization.payload import Payload

from .descriptors import ProtobufSchema
from .message import Message

_MESSAGE_TYPE = "messagetype"


class ProtobufCodec:
    """Codec of protobuf by descriptor set. columns: repeated messages as dicts of columns."""

    def __init__(self, limits: Limits, schema: ProtobufSchema, columns: bool = False) -> None:
        self._limits = limits
        self._schema = schema
        self._columns = columns

    def decode(self, body: memoryview, media: MediaType) -> Payload:
        """A `Message`: the one that `messageType=` names, else the request message of the settings."""
        name = media.parameters.get(_MESSAGE_TYPE)
        value = self._schema.decode(body, name, columns=self._columns, limits=self._limits)
        return Payload(value, media.name, unknown_fields=value.unknown_fields if isinstance(value, Message) else 0)

    def encode(self, prediction: object, media: MediaType, request: Payload | None) -> tuple[bytes, MediaType]:
        """The response message, or the one that the Accept header's `messageType=` names."""
        name = media.parameters.get(_MESSAGE_TYPE)
        if name is not None and not self._schema.has(name):
            raise NotAcceptable(f"messageType={shown(name)} is not in the descriptor set")
        body = self._schema.encode(prediction, name)
        return body, media.with_parameters(**({"messageType": name} if name else {}))
