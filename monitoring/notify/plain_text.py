"""Slack messages and incidents as plain text, for a terminal: what a person would see, without the services."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

WIDTH = 100


def slack_lines(text: str, blocks: Sequence[dict[str, Any]], width: int = WIDTH) -> Iterator[str]:
    """Yields a Slack message as lines: its blocks, or its text where it has none."""
    if not blocks:
        yield from _wrapped(_unescaped(text), width)
    for block in blocks:
        kind = block["type"]
        if kind == "actions":
            yield " ".join(f"[{entry['text']['text']}]" for entry in block["elements"])
        elif kind == "context":
            for entry in block["elements"]:
                yield from _wrapped(_unescaped(entry["text"]), width)
        else:
            yield from _wrapped(_unescaped(block["text"]["text"]), width)
            if kind == "header":
                continue
        yield ""


def incident_lines(event: dict[str, Any], width: int = WIDTH) -> Iterator[str]:
    """Yields an incident as lines: its title, its severity, and its fields in the order of the body."""
    payload = event["payload"]
    yield from _wrapped(payload["summary"], width)
    yield f"severity {payload['severity']} · source {payload['source']} · class {payload.get('class', '')}"
    yield ""
    details = payload.get("custom_details", {})
    label = max(map(len, details), default=0)
    for name, value in details.items():
        for entry in value if isinstance(value, list) else [value]:
            yield from textwrap.wrap(
                str(entry), width, initial_indent=f"{name:<{label}}  ", subsequent_indent=" " * (label + 2)
            )
            name = ""


def _wrapped(text: str, width: int) -> Iterator[str]:
    for line in text.split("\n"):
        yield from textwrap.wrap(line, width) or [""]


def _unescaped(text: str) -> str:
    """Returns mrkdwn as plain text: no stars, no backticks, and the three escaped characters back."""
    text = text.replace("*", "").replace("`", "")
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
