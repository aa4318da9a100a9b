"""PagerDuty and Slack of the example: what they would receive, printed as a person would see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from monitoring.notify.plain_text import incident_lines, slack_lines
from monitoring.notify.settings import Slack


class PrintedIncidents:
    """Stands where PagerDuty's client stands: an incident is printed instead of opened."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def trigger(self, base_url: str, routing_key: str, incident: str, event: dict[str, Any]) -> None:
        """Prints an incident."""
        self._console.print(f"\n[bold]PagerDuty[/] incident {incident}", highlight=False)
        _print(self._console, incident_lines(event))

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
        _print(self._console, slack_lines(text, blocks))
        return "C-flights", str(self._posts)

    def update(
        self, target: Slack, secret: str, channel: str, ts: str, text: str, blocks: tuple[dict[str, Any], ...]
    ) -> None:
        """Prints what a post becomes."""
        self._console.print(f"\n[bold]Slack[/] post {ts} now reads", highlight=False)
        _print(self._console, slack_lines(text, blocks))


def _print(console: Console, lines: Iterator[str]) -> None:
    for line in lines:
        console.print(f"  {line}".rstrip(), markup=False, highlight=False)
