"""Names and values from strangers, made visible and short.

A column name or a value can hold terminal escapes, marks that reverse the direction of text, line breaks, lone surrogates
or thousands of characters. What a person reads shows such a character as its escape (`\\u202e`) and cuts what is too long.
HTML is escaped by the templates, not here.
"""

from __future__ import annotations

NAME_LENGTH = 60
VALUE_LENGTH = 40
ELLIPSIS = "…"
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """Returns `text` with every character that is not printable as its escape.

    These are control, format and unassigned characters, lone surrogates, and spaces other than the ordinary one.
    """
    if text.isprintable():
        return text
    return "".join(_escape(character) for character in text)


def visible_name(name: str, length: int = NAME_LENGTH) -> str:
    """Returns a column's name as people read it, cut in the middle to `length` characters."""
    return cut_middle(visible(cut_middle(name, 4 * length)), length)


def visible_value(value: str, length: int = VALUE_LENGTH) -> str:
    """Returns a value as people read it, cut at its end to `length` characters."""
    shown = visible(value[: length + 1])
    return shown if len(shown) <= length else shown[: length - 1] + ELLIPSIS


def cut_middle(text: str, length: int) -> str:
    """Returns `text` with at most `length` characters: its start and its end, an ellipsis between them."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 3
    return text[: length - 1 - tail] + ELLIPSIS + text[len(text) - tail :]


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
