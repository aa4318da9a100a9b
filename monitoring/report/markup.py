"""Sentences with backticks to HTML: a name or value becomes code, the name of a column a link to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from markupsafe import Markup, escape

from monitoring.findings import wording
from monitoring.findings.visible import visible
from monitoring.report.anchors import anchor

_SPAN = re.compile("`([^`]*)`")
_UNIT = re.compile(r"(\d(?= %)|\b[≤≥p](?= \d)|[≤≥](?= \d)|\bp(?= [≤≥])|L∞(?= \d)) ")


def column_links(names: Iterable[str], page: str = "") -> Mapping[str, str]:
    """Returns the link of each column by its name as sentences write it. `page` is the URL of the report, "" for this one."""
    return {wording.column(name)[1:-1]: f"{page}#{anchor(name)}" for name in names}


def sentence(text: str, links: Mapping[str, str] | None = None) -> Markup:
    """Returns a sentence as HTML, without links in a title. Everything is escaped, hidden characters are made visible."""
    parts = []
    end = 0
    for match in _SPAN.finditer(text):
        parts.append(_prose(text[end : match.start()]))
        shown = Markup("<code>{}</code>").format(visible(match.group(1)))
        link = (links or {}).get(match.group(1))
        parts.append(Markup('<a href="{}">{}</a>').format(link, shown) if link else shown)
        end = match.end()
    parts.append(_prose(text[end:]))
    return Markup("").join(parts)


def _prose(text: str) -> Markup:
    """Returns text between names, escaped. A number is not separated from its unit at the end of a line."""
    return escape(_UNIT.sub("\\1\N{NO-BREAK SPACE}", visible(text)))


def lines(text: str) -> str:
    """Returns a text of several lines with its hidden characters made visible, line breaks kept."""
    return "\n".join(visible(line) for line in text.split("\n"))
