"""Text formats' `charset` parameter: bytes to text and back.

Only encodings that decode in linear time and are in real use are allowed; Python knows others (idna, unicode_escape,
utf-7) that are slow or mean something else to the sender.
"""

from .errors import DecodeError, EncodeError, NotAcceptable, UnsupportedMediaType
from .media import MediaType, shown

_ALLOWED = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin-1": "latin-1",
    "latin1": "latin-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "utf-32": "utf-32",
}
_NAMES = "utf-8, us-ascii, iso-8859-1, iso-8859-15, windows-1252, utf-16, utf-16le, utf-16be, utf-32"
_UTF8_BOM = b"\xef\xbb\xbf"


def _lookup(media: MediaType) -> str | None:
    return _ALLOWED.get(media.parameters.get("charset", "utf-8").lower())


def to_utf8(body: memoryview, media: MediaType) -> memoryview | bytes:
    """The body in UTF-8 without a byte order mark. UTF-8 is passed through unchecked: its parser checks it."""
    encoding = _lookup(media)
    if encoding == "utf-8":
        return body[3:] if body[:3] == _UTF8_BOM else body
    return to_text(body, media).encode("utf-8")


def to_text(body: memoryview, media: MediaType) -> str:
    """The body as text, without a byte order mark.

    Raises UnsupportedMediaType for a charset that is not read, DecodeError for bytes that are not of the charset.
    """
    encoding = _lookup(media)
    if encoding is None:
        raise UnsupportedMediaType(f"charset {shown(media.parameters['charset'], 40)} is not supported; send {_NAMES}")
    try:
        text = str(body, encoding)
        text.encode("utf-8")  # utf-16 and utf-32 let lone surrogates through on some platforms
    except UnicodeError as error:
        raise DecodeError(
            f"the body is not valid {encoding}: {getattr(error, 'reason', error)} at byte {getattr(error, 'start', 0)}; "
            "encode it so, or name its charset in the content type"
        ) from None
    return text.removeprefix("\ufeff")


def from_text(text: str, media: MediaType) -> tuple[bytes, dict[str, str]]:
    """Text in the charset that the caller accepts, and the parameter that says so (none for the default, UTF-8)."""
    asked = media.parameters.get("charset")
    encoding = _lookup(media)
    if encoding is None:
        raise NotAcceptable(f"cannot answer in charset {shown(str(asked), 40)}; accept one of {_NAMES}")
    try:
        return text.encode(encoding), ({"charset": asked} if asked else {})
    except UnicodeError as error:
        raise EncodeError(
            f"the prediction has a character that {encoding} cannot hold ({error}); accept charset=utf-8"
        ) from None
