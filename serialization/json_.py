"""JSON, strict: `application/json` to plain Python and back.

A body is refused, with what to change, for what readers of JSON disagree about: repeated keys, NaN and Infinity,
integers beyond 64 bits, numbers beyond a double, bytes that are not UTF-8, nesting or sizes beyond the limits.
`{"instances": [...]}`, SageMaker's request envelope, gives its list.

How repeated keys are found at the speed of a C parser: the parser keeps one of each, so there are repeated keys exactly
where the body has more colons outside strings than the result has members. Both are counted in C; only a body with
odd strings pays for a slower count, and only a refused one for a parser that names the key.
"""

import json
import re
from collections.abc import Iterable

import msgspec

from .charset import from_text, to_utf8
from .errors import DecodeError, EncodeError
from .limits import Limits
from .media import MediaType
from .payload import Payload
from .plain import to_plain

_ENVELOPE = "instances"
_RESPONSE_ENVELOPE = "predictions"
# The closing quote may be missing: if it were required, each quote of a cut-off string would scan to the end again.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_JSON = re.compile(rb"(?:^|[\s\[:,])(-?(?:NaN|nan|Infinity|inf))")
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)(?:\\\\)*(\\u[dD][89abAB][0-9a-fA-F]{2})(?!\\u[dD][c-fC-F])"  # a high one without a low one
)
_NOT_SPACE = re.compile(r"[^ \t\r\n]")
_MAX_INTEGER = 2**64 - 1
_MIN_INTEGER = -(2**63)
_CONTAINERS = frozenset({dict, list})
_DIGITS = bytes(
    ord("0") if chr(byte).isdigit() and byte < 128 else byte if byte == ord(".") else 32 for byte in range(256)
)
_LONG = b"0" * 19

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class JsonCodec:
    """Codec of `application/json`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def decode(self, body: memoryview, media: MediaType) -> Payload:
        """The JSON value; `instances` unwrapped where it is the object's only member."""
        value = parse(bytes(to_utf8(body, media)), self._limits)
        if type(value) is dict and len(value) == 1 and isinstance(value.get(_ENVELOPE), list):
            return Payload(value[_ENVELOPE], media.name, envelope=_ENVELOPE)
        return Payload(value, media.name)

    def encode(self, prediction: object, media: MediaType, request: Payload | None) -> tuple[bytes, MediaType]:
        """The prediction as JSON; in `predictions` where the request came in `instances`. NaN and infinity: null."""
        value = to_plain(prediction)
        if (
            request is not None
            and request.envelope == _ENVELOPE
            and not (type(value) is dict and _RESPONSE_ENVELOPE in value)
        ):
            value = {_RESPONSE_ENVELOPE: value}
        return dump(value, media)


def dump(value: object, media: MediaType) -> tuple[bytes, MediaType]:
    """A plain value as JSON in the charset asked for."""
    try:
        body = _encode(value)
    except (UnicodeError, ValueError, TypeError, RecursionError) as error:
        raise EncodeError(f"the prediction cannot be written as JSON: {error}") from None
    if "charset" not in media.parameters:
        return body, media.with_parameters()
    encoded, parameters = from_text(body.decode("utf-8"), media)
    return encoded, media.with_parameters(**parameters)


def parse(raw: bytes, limits: Limits) -> object:
    """One JSON text in UTF-8 to plain Python. Raises DecodeError; see the module for what is refused."""
    refuse_too_many(raw, limits)
    try:
        value = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(explain(error, raw, limits)) from None
    refuse_ambiguous(value, raw, limits.max_depth)
    return value


def refuse_ambiguous(value: object, raw: bytes, max_depth: int) -> None:
    """Check what a parser let through: depth, repeated keys, integers beyond 64 bits. raw: the text of the value."""
    members = _survey(value, max_depth)
    if _repeats_keys(raw, members):
        raise DecodeError(f"the body repeats the key {_repeated_key(raw)!r} within one object; send each key once")
    digits = raw.translate(_DIGITS)
    if b" " + _LONG in digits or digits.startswith(_LONG):  # digits of a fraction have a point before them
        _refuse_big_integers(value)


def refuse_too_many(raw: bytes, limits: Limits) -> None:
    """Refuse a body with too many values. Commas and brackets bound their number, before any of them exists."""
    if len(raw) // 2 < min(limits.max_items, limits.max_objects) or not _too_many(raw, limits):
        return
    too_many = _too_many(_STRING.sub(b"", raw), limits)
    if too_many:
        raise DecodeError(f"the body has more than {too_many}; send fewer items in one request")


def _too_many(raw: bytes, limits: Limits) -> str | None:
    """What a text has too many of, its strings taken for structure."""
    containers = raw.count(b"{") + raw.count(b"[")
    if containers > limits.max_objects:
        return f"{limits.max_objects} objects and arrays"
    return f"{limits.max_items} values" if raw.count(b",") + containers >= limits.max_items else None


def _survey(value: object, max_depth: int) -> int:
    """The number of members of all objects. Raises DecodeError for nesting beyond the limit."""
    members = 0
    level: list[object] = [value] if type(value) in _CONTAINERS else []
    depth = 0
    while level:
        depth += 1
        if depth > max_depth:
            raise DecodeError(f"the body is nested more than {max_depth} levels deep; send flatter data")
        below: list[object] = []
        for container in level:
            values: Iterable[object]
            if type(container) is dict:
                members += len(container)
                values = container.values()
            else:
                values = container  # type: ignore[assignment]
            if not _CONTAINERS.isdisjoint(map(type, values)):
                below.extend(item for item in values if type(item) in _CONTAINERS)
        level = below
    return members


def _repeats_keys(raw: bytes, members: int) -> bool:
    """Whether the text has more keys than its value has members. Each step is slower and decides more."""
    if raw.count(b":") == members:
        return False
    if raw.count(b'":') == members and not any(space in raw for space in (b" :", b"\n:", b"\t:", b"\r:")):
        return False  # all keys touch their colon, and no string has a colon after a quote
    return _colons_outside_strings(raw) != members


def _colons_outside_strings(raw: bytes) -> int:
    """Count one match after the other: a copy of the text without its strings is made of pieces, of 100 bytes each."""
    count = at = 0
    for string in _STRING.finditer(raw):
        start = string.start()
        if start > at:
            count += raw.count(b":", at, start)
        at = string.end()
    return count + raw.count(b":", at)


def _refuse_big_integers(value: object) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if type(item) is dict:
            pending.extend(item.values())
        elif type(item) is list:
            pending.extend(item)
        elif type(item) is int and not _MIN_INTEGER <= item <= _MAX_INTEGER:
            raise DecodeError(f"the body has the integer {str(item)[:30]}, which does not fit 64 bits; send it as text")


def explain(error: Exception, raw: bytes, limits: Limits) -> str:
    """Why a text is not JSON, and what to change."""
    if isinstance(error, RecursionError):
        return f"the body is nested more than {limits.max_depth} levels deep; send flatter data"
    if isinstance(error, UnicodeDecodeError):
        return f"the body is not valid UTF-8 ({error.reason}); encode it so, or name its charset in the content type"
    if isinstance(error, msgspec.ValidationError):
        return "the body has a number that no double or 64-bit integer holds; send it as text"
    text = str(error)
    at = re.search(r"byte (\d+)", text)
    if at is not None:
        start = max(int(at[1]) - 5, 0)  # the parser may have read on, taking nan for null
        literal = _NOT_JSON.search(raw[start : start + 16])
        if literal is not None:
            place = start + literal.start(1)
            return (
                f"the body has {literal[1].decode()} at byte {place}, which is not JSON; send null for a missing value"
            )
    lone = _LONE_SURROGATE.search(raw)
    if lone is not None and text == "Input data was truncated":
        return f"the body has {lone[1].decode()}, half of a character, without its other half; send whole characters"
    if text == "Input data was truncated":
        return "the body is not JSON: it ends before its value does; send the whole document"
    detail = text.removeprefix("JSON is malformed: ")
    return f"the body is not JSON: {detail}; send a JSON document, or name its format in the content type"


def _repeated_key(raw: bytes) -> str:
    """The first key that an object repeats, shortened, in one JSON text or in lines of them."""
    repeated: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        if repeated or len(pairs) < 2:
            return
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                repeated.append(key)
                return
            seen.add(key)

    text, decoder, at = raw.decode("utf-8"), json.JSONDecoder(object_pairs_hook=look), 0
    while not repeated and (start := _NOT_SPACE.search(text, at)) is not None:
        _, at = decoder.raw_decode(text, start.start())
    return repeated[0][:60] if repeated else "?"
