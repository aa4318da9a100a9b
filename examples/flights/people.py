"""PagerDuty and Slack of the example: what they would receive, printed as a person would see it."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from rich.console import Console

from monitoring.notify.settings import Slack

WIDTH = 96


class PrintedIncidents:
    """Stands where PagerDuty's client stands: an incident is printed instead of opened."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def trigger(self, base_url: str, routing_key: str, incident: str, event: dict[str, Any]) -> None:
        """Prints an incident."""
        payload = event["payload"]
        self._console.print(f"\n[bold]PagerDuty[/] incident {incident}", highlight=False)
        _print(self._console, f"{payload['summary']}   severity {payload['severity']}")
        for name, text in payload.get("custom_details", {}).items():
            _print(self._console, f"{name}: {text}")

    def resolve(self, base_url: str, routing_key: str, incident: str) -> None:
        """Prints that an incident is closed."""
        self._console.print(f"\n[bold]PagerDuty[/] closes incident {incident}", highlight=False)


class PrintedPosts:
    """Stands where Slack's client stands: a post is printed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._posts = 0

    def post(self, target: Slack, secret: str, text: str, blocks: tuple[dict[str, Any], ...]) -> tuple[str, str]:
        """Prints a post, and returns a channel and a number for it."""
        self._posts += 1
        self._console.print("\n[bold]Slack[/]", highlight=False)
        for line in _lines(blocks):
            _print(self._console, line)
        return "C-flights", str(self._posts)

    def update(
        self, target: Slack, secret: str, channel: str, ts: str, text: str, blocks: tuple[dict[str, Any], ...]
    ) -> None:
        """Prints what a post becomes."""
        self._console.print(f"\n[bold]Slack[/] post {ts} now reads", highlight=False)
        for line in _lines(blocks):
            _print(self._console, line)


def _lines(blocks: tuple[dict[str, Any], ...]) -> list[str]:
    """Returns the text of blocks without mark-up. Buttons stand in brackets."""
    lines = []
    for block in blocks:
        if block["type"] == "actions":
            lines.append("  ".join(f"[{element['text']['text']}]" for element in block["elements"]))
            continue
        parts = [block["text"]] if "text" in block else block.get("elements", [])
        text = " · ".join(part["text"] for part in parts if "text" in part)
        lines += _plain(text).split("\n")
    return lines


def _plain(text: str) -> str:
    text = re.sub(r"<([^|>]+)\|([^>]+)>", r"\2", text)
    text = text.replace("*", "").replace("`", "")
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _print(console: Console, text: str) -> None:
    for line in textwrap.wrap(text, WIDTH) or [""]:
        console.print(f"  {line}", markup=False, highlight=False)
