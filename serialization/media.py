"""Media types: parsing `Content-Type`, and choosing what to answer from `Accept` (RFC 9110, sections 8.3 and 12.5.1).

Pure functions of their text, cached, because an endpoint sees the same few headers all day.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from .errors import NotAcceptable, UnsupportedMediaType

_MAX_HEADER = 4096
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rf"\s*({_WORD}/{_WORD})\s*")
_PARAMETER = re.compile(rf'\s*;\s*(?:({_WORD})\s*=\s*({_WORD}(?:/{_WORD})?|"(?:[^"\\]|\\.)*"))?\s*')
_ELEMENT = re.compile(r'(?:[^,"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"?)++')
_STAR = re.compile(r"^\s*\*(?=\s*(;|$))")
_NOT_SHOWN = re.compile(r"[^ !#$%()*+,./0-9:;=A-Z^_`a-z|~-]")
_NO_PARAMETERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type in lower case, `application/json`, and its parameters, names in lower case: `{"charset": "utf-8"}`."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=lambda: _NO_PARAMETERS, hash=False)

    def __str__(self) -> str:
        return self.name + "".join(f"; {name}={_quoted(value)}" for name, value in self.parameters.items())

    def with_parameters(self, **parameters: str) -> "MediaType":
        """The same type with these parameters and no others."""
        return MediaType(self.name, MappingProxyType(dict(parameters)))


def _quoted(value: str) -> str:
    if re.fullmatch(_WORD, value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def shown(value: str, length: int = 100) -> str:
    """Returns what a caller sent in a header as an error may repeat it: short, and without quotes, `<`, `>` and `&`."""
    return _NOT_SHOWN.sub("?", value[:length])


def _parse(text: str) -> MediaType | None:
    found = _TYPE.match(text) if len(text) <= _MAX_HEADER else None
    if found is None:
        return None
    parameters: dict[str, str] = {}
    at = found.end()
    while at < len(text):
        parameter = _PARAMETER.match(text, at)
        if parameter is None:
            return None
        at = parameter.end()
        if parameter[1]:
            value = parameter[2]
            if value.startswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            parameters[parameter[1].lower()] = value
    return MediaType(found[1].lower(), MappingProxyType(parameters) if parameters else _NO_PARAMETERS)


@lru_cache(maxsize=256)
def parse_content_type(text: str) -> MediaType:
    """`Content-Type` as a media type. Raises UnsupportedMediaType if it is not one."""
    media = _parse(text)
    if media is None or "*" in media.name:
        raise UnsupportedMediaType(
            f"content type {shown(text)} is not a media type; write it like application/json or text/csv; charset=utf-8"
        )
    return media


def _quality(text: str) -> float:
    if not re.fullmatch(r"[01](\.[0-9]{0,6})?|\.[0-9]{1,6}", text):
        return -1.0
    return min(float(text), 1.0)


@lru_cache(maxsize=256)
def choose(accept: str | None, offers: tuple[str, ...], default: str) -> MediaType:
    """The media type to answer with.

    accept: the Accept header, or None. offers: what can be written, in the order preferred. default: what is written
    where the caller leaves it open, with its parameters. Highest quality wins, then the type that was named over one
    that a wildcard matched, then the default, then the caller's order, then ours. The parameters of the range that
    matched are kept, `q` apart. Raises NotAcceptable where nothing fits.
    """
    fallback = parse_content_type(default)
    if accept is None or not accept.strip():
        accept = "*/*"
    ranges = list(_ranges(accept))
    best: tuple[tuple[float, int, bool, int, int], MediaType] | None = None
    for order, offer in enumerate(offers):
        match = _most_specific(offer, ranges)
        if match is None:
            continue
        quality, specificity, position, media = match
        is_default = offer == fallback.name
        rank = (quality, specificity, is_default, -position, -order)
        if quality > 0 and (best is None or rank > best[0]):
            open_choice = is_default and specificity < 2
            best = (rank, fallback if open_choice else MediaType(offer, media.parameters))
    if best is None:
        raise NotAcceptable(f"cannot answer as Accept {shown(accept, 200)} asks; the answer can be {', '.join(offers)}")
    return best[1]


def _ranges(accept: str) -> list[tuple[float, int, MediaType]]:
    """Media ranges with their quality and position; what is malformed is left out."""
    found = []
    for position, element in enumerate(_ELEMENT.findall(accept[:_MAX_HEADER])):
        # `*` is how Java's old clients write `*/*`, with a quality of `.2`.
        media = _parse(_STAR.sub("*/*", element))
        if media is None or (media.name.startswith("*/") and media.name != "*/*"):
            continue
        parameters = dict(media.parameters)
        quality = _quality(parameters.pop("q", "1"))
        if quality >= 0:
            found.append((quality, position, MediaType(media.name, MappingProxyType(parameters))))
    return found


def _most_specific(
    offer: str, ranges: Sequence[tuple[float, int, MediaType]]
) -> tuple[float, int, int, MediaType] | None:
    """Of the ranges that match an offer the most specific; of equals the best quality, then the first."""
    best: tuple[tuple[int, float, int], MediaType] | None = None
    for quality, position, media in ranges:
        if media.name == offer:
            specificity = 2
        elif media.name == "*/*":
            specificity = 0
        elif media.name.endswith("/*") and offer.startswith(media.name[:-1]):
            specificity = 1
        else:
            continue
        rank = (specificity, quality, -position)
        if best is None or rank > best[0]:
            best = (rank, media)
    if best is None:
        return None
    (specificity, quality, position), media = best
    return quality, specificity, -position, media
