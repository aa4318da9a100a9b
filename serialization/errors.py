"""What can go wrong between bytes and values, as exceptions that a caller can act on.

Every exception that leaves this package is a `SerializationError`. Each class stands for one HTTP status, so that a
server maps classes to statuses without reading messages; each message says what is wrong, where, and what to change,
and never repeats more than a short excerpt of the body.
"""


class SerializationError(Exception):
    """Root of everything this package raises."""

    status = 500


class DecodeError(SerializationError):
    """The body is not what its content type says, or is beyond a limit on depth, items or expansion (400)."""

    status = 400


class PayloadTooLarge(SerializationError):
    """The body has more bytes than `Limits.max_bytes` (413)."""

    status = 413


class UnsupportedMediaType(SerializationError):
    """No codec reads this content type or one of its parameters; the message lists what is read (415)."""

    status = 415


class NotAcceptable(SerializationError):
    """No codec writes anything that the Accept header allows; the message lists what is written (406)."""

    status = 406


class EncodeError(SerializationError):
    """The prediction does not fit the response format; the message names the field (500)."""

    status = 500


class SchemaError(SerializationError):
    """The protobuf descriptor set cannot be used: unreadable, incomplete, or without the named message (at start)."""

    status = 500
