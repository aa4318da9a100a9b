"""Text from strangers, as a terminal may print it: a client chooses feature names and values.

Terminal escapes, marks that reverse the direction of text, line breaks and lone surrogates are shown as their escapes.
"""

from __future__ import annotations


def visible(text: str) -> str:
    """Returns `text` with each character that is not printable as its escape (`\\x1b`, `\\u202e`).

    These are control, format and unassigned characters, lone surrogates, and spaces other than the ordinary one.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def visible_json(text: str) -> str:
    """Returns JSON text that means the same, with each character that is not printable as JSON's own escape."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _json_escape(one) for one in text)


def _json_escape(character: str) -> str:
    pairs = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{pairs[at]:02x}{pairs[at + 1]:02x}" for at in range(0, len(pairs), 2))
