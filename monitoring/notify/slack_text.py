"""A message of a run as Slack blocks, and as the plain text that notifications and screen readers use.

Limits of Slack: 50 blocks, 150 characters in a header, 3,000 in a section, and about 13,200 in all blocks together, which is
not documented. At most five causes are shown; the report has the others. `&`, `<` and `>` are escaped, so that no name of a
column can call a channel.
"""

from __future__ import annotations

from typing import Any

from monitoring.alarms.message import Change, Item, RunMessage, clean
from monitoring.notify.record import Post
from monitoring.result import Grade, Urgency

MAX_CAUSES = 5
MAX_HEADER = 150
MAX_SECTION = 2_900
MAX_BLOCKS_TEXT = 12_000
MAX_TEXT = 3_000
REPEAT = "(may be a repeat)"

_GLYPHS = {Grade.LARGE: "▂▅█", Grade.MEDIUM: "▂▅", Grade.SMALL: "▂", Grade.NONE: "▂"}
_SECTIONS = (
    ("New", (Change.NEW,)),
    ("Worse", (Change.WORSE,)),
    ("Over before this message", (Change.LATE,)),
    ("Recovered", (Change.RECOVERED,)),
    ("Superseded", (Change.SUPERSEDED,)),
)
Blocks = tuple[dict[str, Any], ...]


def post_of(message: RunMessage, said: list[Item], lost: list[str], all_over: bool) -> tuple[str, str, Blocks]:
    """Returns title, plain text and blocks of a run's message.

    `said` holds the items to report, `lost` the titles of causes that a newer run no longer lists, `all_over` whether
    nothing is open any more.
    """
    subject = f"{message.subject.endpoint} / {message.subject.variant}"
    opening = [item for item in said if item.is_open and item.change is not Change.REMINDER]
    if all_over and not opening and all(item.change is not Change.LATE for item in said):
        return _ordinary(message, subject, said, lost)
    if not opening and not lost and all(item.change is Change.REMINDER for item in said):
        return _reminder(message, subject, said)
    gravest = opening[0] if opening else None
    title = message.verdict if gravest and message.verdict else _title(said, lost)
    glyph = f"{_GLYPHS[gravest.grade]} " if gravest else ""
    advice = _advice(message, said)
    text = clean(f"{title} {subject}. {advice}", MAX_TEXT)
    blocks = [
        _header(f"{glyph}{title}"),
        _context(_where(message, subject)),
        _section(f"*{escape(advice)}*" + (f" {escape(message.lead)}" if message.lead and gravest else "")),
        *_lists(said, lost),
        *_footer(message),
    ]
    return title, escape(text), _fit(blocks)


def announcement(message: RunMessage) -> tuple[str, Blocks]:
    """Returns text and blocks of a line about a retraining."""
    subject = f"{message.subject.endpoint} / {message.subject.variant}"
    text = escape(clean(f"{subject}: {message.retraining}", MAX_TEXT))
    return text, _fit([_section(text)])


def green_post(post: Post, message: RunMessage) -> tuple[str, Blocks]:
    """Returns text and blocks that replace a post whose causes are all over."""
    subject = f"{message.subject.endpoint} / {message.subject.variant}"
    text = f"✓ Over since {message.end:%b %-d %H:%M} UTC: {post.title}"
    blocks = [_header(f"✓ {post.title}"), _context(f"{escape(subject)} · over since {message.end:%b %-d %H:%M} UTC")]
    return escape(clean(text, MAX_TEXT)), _fit([*blocks, *_buttons(message)])


def mark_repeat(text: str, blocks: Blocks) -> tuple[str, Blocks]:
    """Returns text and blocks of a message that may have been posted before."""
    return f"{REPEAT} {text}", (_context(REPEAT), *blocks)


def escape(text: str) -> str:
    """Returns `text` with the three characters escaped that Slack interprets."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _ordinary(message: RunMessage, subject: str, said: list[Item], lost: list[str]) -> tuple[str, str, Blocks]:
    title = f"✓ {subject} is back to ordinary."
    closed = [_closed_text(item) for item in said] + [f"{entry}: over." for entry in lost]
    more = f" and {len(closed) - MAX_CAUSES} more." if len(closed) > MAX_CAUSES else ""
    sentences = " ".join(closed[:MAX_CAUSES]) + more
    blocks = [_section(f"*{escape(title)}* {escape(sentences)}"), *_buttons(message)]
    return title, escape(clean(f"{title} {sentences}", MAX_TEXT)), _fit(blocks)


def _closed_text(item: Item) -> str:
    hours = (item.seen - item.first).total_seconds() / 3600
    flapped = f" It flapped {item.falls} times." if item.falls > 1 else ""
    reason = " Another model version serves." if item.change is Change.SUPERSEDED else ""
    return f"{item.title}: over after {hours:.0f} h.{flapped}{reason}"


def _reminder(message: RunMessage, subject: str, said: list[Item]) -> tuple[str, str, Blocks]:
    title = f"Still open on {subject}"
    listed = "; ".join(f"{item.title} (since {item.first:%b %-d %H:%M})" for item in said[:MAX_CAUSES])
    more = f"; and {len(said) - MAX_CAUSES} more in the report" if len(said) > MAX_CAUSES else ""
    line = escape(f"{title}: {listed}{more}. It can wait until morning.")
    return title, clean(line, MAX_TEXT), _fit([_section(line)])


def _title(said: list[Item], lost: list[str]) -> str:
    titles = [item.title for item in said] + lost
    return titles[0] if len(titles) == 1 else f"{titles[0]}, and {len(titles) - 1} more"


def _advice(message: RunMessage, said: list[Item]) -> str:
    """Returns what to do tonight, or that it can wait until morning."""
    urgent = [item for item in said if item.is_open and item.urgency is Urgency.PAGE]
    if urgent:
        return f"Act tonight. {urgent[0].tonight}".strip()
    if any(item.is_open and item.urgency is Urgency.PAGE for item in message.items):
        return "An incident is open. What is new can wait until morning."
    return "Nothing is broken. It can wait until morning."


def _where(message: RunMessage, subject: str) -> str:
    version = f" {message.subject.model_version}" if message.subject.model_version else ""
    parts = [
        subject,
        f"{message.subject.model_name}{version}".strip(),
        f"{message.start:%b %-d %H:%M} to {message.end:%b %-d %H:%M} UTC",
        message.completeness,
    ]
    return escape(" · ".join(part for part in parts if part))


def _lists(said: list[Item], lost: list[str]) -> list[dict[str, Any]]:
    blocks = []
    left = MAX_CAUSES
    for heading, changes in _SECTIONS:
        items = [item for item in said if item.change in changes]
        shown = items[: max(0, left)]
        left -= len(shown)
        lines = [_line(item) for item in shown]
        if heading == "Recovered":
            lines += [f"✓ {escape(title)}" for title in lost[: max(0, left)]]
        if len(items) > len(shown):
            lines.append(f"and {len(items) - len(shown)} more in the report")
        if lines:
            blocks.append(_section("\n".join([f"*{heading}*", *lines])))
    return blocks


def _line(item: Item) -> str:
    if not item.is_open and item.change is not Change.LATE:
        return f"✓ {escape(_closed_text(item))}"
    columns = ", ".join(f"`{escape(name.replace('`', '’'))}`" for name in item.columns[:6])
    where = f" {escape(item.slice)}." if item.slice else ""
    since = f" Since {escape(item.since)}." if item.since else ""
    more = f" {columns}." if columns else ""
    return f"{_GLYPHS[item.grade]} *{escape(item.title)}.* {escape(clean(item.sentence, 500))}{where}{more}{since}"


def _footer(message: RunMessage) -> list[dict[str, Any]]:
    blocks = []
    if message.not_judged:
        names = ", ".join(f"`{escape(entry.name.replace('`', '’'))}`" for entry in message.not_judged[:8])
        more = f" and {len(message.not_judged) - 8} more" if len(message.not_judged) > 8 else ""
        blocks.append(_context(f"*Not judged* {names}{more}: {escape(message.not_judged[0].reason)}"))
    if message.retraining:
        blocks.append(_section(escape(message.retraining)))
    blocks += _buttons(message)
    budget = f"Pages of {message.budget.month}: {message.budget.pages} of {message.budget.allowed}."
    blocks.append(_context(escape(f"{message.promise} {budget}".strip())))
    return blocks


def _buttons(message: RunMessage) -> list[dict[str, Any]]:
    """Buttons for web addresses, a line for others: Slack takes only http and https in a button."""
    links = [(text, uri) for text, uri in (("Report", message.report), ("Trend", message.trend)) if uri]
    web = [(text, uri) for text, uri in links if uri.startswith(("https://", "http://")) and len(uri) <= 3_000]
    other = [(text, uri) for text, uri in links if (text, uri) not in web]
    blocks: list[dict[str, Any]] = []
    if web:
        elements = [
            {"type": "button", "text": {"type": "plain_text", "text": text}, "url": uri, "action_id": text.lower()}
            for text, uri in web
        ]
        blocks.append({"type": "actions", "elements": elements})
    if other:
        blocks.append(_context(" · ".join(f"{text}: {escape(uri)}" for text, uri in other)))
    return blocks


def _header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": clean(text, MAX_HEADER)}}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": clean(text, MAX_SECTION)}}


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": clean(text, 2_000)}]}


def _fit(blocks: list[dict[str, Any]]) -> Blocks:
    """Returns the blocks, with the longest sections cut until all their text together fits."""
    while _length(blocks) > MAX_BLOCKS_TEXT:
        longest = max(
            (block for block in blocks if block["type"] == "section"), key=lambda block: len(block["text"]["text"])
        )
        text = longest["text"]["text"]
        longest["text"] = {
            "type": "mrkdwn",
            "text": f"{text[: int(len(text) * 0.8)].rpartition(chr(10))[0] or text[:200]}…",
        }
    return tuple(blocks)


def _length(blocks: list[dict[str, Any]]) -> int:
    texts = [block["text"]["text"] for block in blocks if "text" in block]
    texts += [element["text"] for block in blocks if block["type"] == "context" for element in block["elements"]]
    return sum(map(len, texts))
