"""Headers, both ways: names without regard to case on the way in, nothing that breaks a response on the way out.

Multi Model Server writes response headers as it gets them: a line break in a value is a new header, and a value that
is no string, or not ASCII, ends the worker. So all that a handler sets passes `safe` before it leaves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
TARGET_MODEL = "X-Amzn-SageMaker-Target-Model"
HANDLER_HEADER = "x-endpoint-handler"
"""Response header by which the proxy knows that a handler made the response, an error included."""
MAX_CUSTOM_ATTRIBUTES = 1024
"""SageMaker's limit for the value, in characters."""
MAX_TOTAL = 7680
"""Bytes that a handler's headers may have together: what proxy and server can pass on, less what they add."""
MAX_HEADERS = 64
"""Headers that a handler may set: HAProxy answers 502 past 101, and some hundreds end the worker."""

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FIRST_TYPE = re.compile(r"\s*([\w.+*-]+/[\w.+*-]+)\s*(?=[;,]|$)((?:\"[^\"]*\"|[^,\"])*)", re.ASCII)
_PARAMETER = re.compile(r";\s*([\w.-]+=[\w.-]+)\s*(?=;|$)", re.ASCII)
_RUNS = re.compile(r"html|xml|svg|script|pdf|flash", re.IGNORECASE)
"""What browsers may run, or show as a page, in the name of a media type."""
_UNSAFE = re.compile(r"[^\x20-\x7e]+")
_FRAMING = frozenset(
    ("connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection")
)
"""Headers that say how the message is framed; they are the server's."""


class AnyCase(dict[str, object]):
    """A request's properties as Multi Model Server hands them over, whose names are found in any case.

    HAProxy writes header names in lower case, and the context of Multi Model Server compares them exactly, while modules
    ask for names as they are documented (`X-Amzn-SageMaker-Custom-Attributes`). The names that are listed are those that
    arrived.
    """

    def __init__(self, properties: Mapping[str, object]) -> None:
        super().__init__(properties)
        self._names = {name.lower(): name for name in properties}

    def __missing__(self, name: object) -> object:
        actual = self._names.get(name.lower()) if isinstance(name, str) else None
        if actual is None or not super().__contains__(actual):
            raise KeyError(name)
        return super().__getitem__(actual)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and name.lower() in self._names)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a header, `default` where there is none."""
        try:
            return self[name]
        except KeyError:
            return default


class RequestHeaders:
    """A request's headers; `get` takes a name in any case."""

    def __init__(self, properties: Mapping[str, object]) -> None:
        """Args: properties: what Multi Model Server hands over; entries that are no strings are its own notes."""
        self._values = {name.lower(): value for name, value in properties.items() if isinstance(value, str)}

    def get(self, name: str) -> str | None:
        """The header's value, None where it is absent or empty."""
        return self._values.get(name.lower()) or None


def safe(value: object) -> str:
    """A header value that can be sent: printable ASCII, one line."""
    return _UNSAFE.sub(" ", str(value)).strip()


def media_type(value: object) -> str:
    """A content type that can be sent."""
    return safe(value) or "application/octet-stream"


def answered_type(accept: str, default: str, *, named: bool = False) -> str:
    """Returns the content type of an answer whose function has named none, or has handed back `accept` itself.

    That is the first media type in `accept`, with parameters of plain words alone. It is `default` where `accept` is
    malformed or a wildcard, and where a browser would run the body (HTML, SVG, XML, scripts) although the function did
    not name such a type: what a caller wrote into a header must not decide that.

    Args:
        named: the function has handed back `accept` as its own content type.
    """
    if accept == default:
        return default
    found = _FIRST_TYPE.match(accept)
    if found is None or "*" in found[1] or (_RUNS.search(found[1]) and not named):
        return default
    words = [word for word in _PARAMETER.findall(found[2]) if not word.lower().startswith("q=")]
    return "; ".join((found[1], *words))


def clean(headers: MutableMapping[str, str]) -> list[str]:
    """Make the headers that a handler has set safe, in place. Returns the names of those that were dropped.

    Dropped are names that are none, headers that say how the message is framed, and what goes past `MAX_TOTAL` or
    `MAX_HEADERS`.
    """
    wanted = {str(name): safe(value) for name, value in headers.items()}
    headers.clear()
    room = MAX_TOTAL
    for name, value in wanted.items():
        room -= len(name) + len(value)
        fits = room >= 0 and len(headers) < MAX_HEADERS
        if fits and _NAME.fullmatch(name) and name.lower() not in _FRAMING:
            headers[name] = value
    return [name for name in wanted if name not in headers]


def add_event_id(headers: MutableMapping[str, str], event_id: str) -> None:
    """Append `event-id=…` to the custom attributes that the handler set, if SageMaker would still pass them on."""
    name = next((name for name in headers if name.lower() == CUSTOM_ATTRIBUTES.lower()), CUSTOM_ATTRIBUTES)
    value = "; ".join(part for part in (headers.get(name, ""), f"event-id={event_id}") if part)
    if len(value) <= MAX_CUSTOM_ATTRIBUTES:
        headers[name] = value
