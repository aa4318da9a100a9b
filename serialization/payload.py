"""What a decoded body is: the value that the handler works with, and what is worth knowing about where it came from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Payload:
    """One decoded request.

    value: a plain Python, NumPy or Arrow object; see `docs/serialization.md` for the form that each media type gives.
    media_type: the media type that was read, without parameters.
    unknown_fields: protobuf fields in the body that the descriptor set does not know; 0 for other formats.
    envelope: the key that JSON wrapped its rows in (`instances`), else None. Pass the payload to `Codecs.encode` as
        `request`, and a wrapped request gets a wrapped response (`predictions`).
    remark: a likely mistake of the caller's, one line for the server's log; None where there is none.
    """

    value: object
    media_type: str
    unknown_fields: int = 0
    envelope: str | None = None
    remark: str | None = None
