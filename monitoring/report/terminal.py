"""A run as a table for a terminal.

The verdict stands before the table, only what drifted in it; glyph and word say the same as the colour. Bars and the strip
of the last hours need 110 columns. A narrow terminal loses "Since", then p, then "Null"; names keep 18 characters. Control
characters and marks of direction in names and values are shown as escapes, so that no name can move the cursor.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from monitoring.findings import wording
from monitoring.findings.columns import not_judged_reason, recent_heading
from monitoring.findings.moved import missing_share
from monitoring.findings.severity import gravest
from monitoring.findings.visible import ELLIPSIS, visible
from monitoring.result import CauseKind, ColumnResult, Grade, Outcome, RunResult, Status

NARROWEST, WIDE = 40, 110
NAME_WIDTH = 18
SENTENCES = 4
"""Causes of drift below the table, besides the first."""
GLYPHS = {Grade.LARGE: "▂▅█", Grade.MEDIUM: "▂▅ ", Grade.SMALL: "▂  ", Grade.NONE: " — "}
_STRIP = {Grade.LARGE: "█", Grade.MEDIUM: "▅", Grade.SMALL: "▂", Grade.NONE: "·", None: "?"}
_COLOURS = {Grade.LARGE: "38;5;166", Grade.MEDIUM: "38;5;172", Grade.SMALL: "38;5;178"}
_OTHER = "38;5;245"
_Paint = Callable[[str, str], str]


def _paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if text.strip() else text


def _plain(text: str, code: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column of the table: its heading, its width, and whether numbers make it right-aligned."""

    heading: str
    width: int
    right: bool = False


def render(result: RunResult, width: int = 80, *, everything: bool = False, colour: bool = False) -> str:
    """Returns the run as text whose lines have at most `width` characters (at least 40).

    `everything` lists the columns without drift too. `colour` adds escape sequences of the 256-colour set; the text between
    them is the same.
    """
    width = max(width, NARROWEST)
    paint = _paint if colour else _plain
    lines = [*_head(result, width, paint), "", *_verdict(result, width, paint)]
    shown = [column for column in result.columns if everything or column.status is Status.DRIFT]
    if shown:
        lines += ["", *_table(shown, width, paint)]
    rest = _rest(result, width, paint, everything)
    return "\n".join(line.rstrip() for line in [*lines, *([""] if rest else []), *rest]) + "\n"


def plain(text: str) -> str:
    """Returns a sentence without its backticks."""
    return visible(text.replace("`", ""))


def _head(result: RunResult, width: int, paint: _Paint) -> list[str]:
    subject, held = result.subject, result.completeness
    version = f" v{subject.model_version}" if subject.model_version else ""
    place = f"{visible(subject.endpoint)} / {visible(subject.variant)}"
    window = wording.span(result.start, result.end, result.created)
    first = [place, f"{visible(subject.model_name)}{visible(version)}".strip(), window]
    word = {True: "complete", False: "not complete", None: "completeness unknown"}[held.proved]
    if held.proved is None:
        records = f"{wording.counted(held.found, 'record')} found"
    else:
        expected = held.found if held.expected is None else held.expected
        records = f"{wording.count(held.found)} of {wording.counted(expected, 'record')} proved"
    lines = _joined([part for part in first if part], width)
    lines[0] = lines[0].replace(place, paint(place, "1"), 1)
    second = _joined([word, records, wording.counted(result.rows, "row")], width)
    second[0] = second[0].replace(word, paint(word, "32" if held.proved else "33"), 1)
    return lines + second


def _verdict(result: RunResult, width: int, paint: _Paint) -> list[str]:
    grade = gravest([cause.grade for cause in result.causes])
    judged = result.outcome is not Outcome.NOT_JUDGED
    glyph = GLYPHS[grade] if judged or result.causes else " ? "
    lines = textwrap.wrap(plain(result.verdict), width - 4) or [""]
    head = [paint(glyph, _COLOURS.get(grade, _OTHER)) + " " + paint(lines[0], "1")]
    head += ["    " + paint(line, "1") for line in lines[1:]]
    promise = result.method.promise if result.method is not None and judged else ""
    body = [f"{plain(result.lead)} {plain(result.action)}".strip(), plain(promise)]
    return head + ["    " + line for text in body for line in textwrap.wrap(text, width - 4)]


def _table(columns: Sequence[ColumnResult], width: int, paint: _Paint) -> list[str]:
    fields = _fields(columns, width)
    lines = [paint(_line(fields, {name: field.heading for name, field in fields.items()}), _OTHER)]
    groups = ([c for c in columns if c.is_prediction], [c for c in columns if not c.is_prediction])
    for group in groups:
        if not group:
            continue
        lines += [""] if len(lines) > 1 else []
        lines += [_row(column, fields, width, paint) for column in sorted(group, key=_order)]
    return lines


def _fields(columns: Sequence[ColumnResult], width: int) -> dict[str, TextColumn]:
    wide = width >= WIDE
    longest = max(cell_len(visible(column.name)) for column in columns)
    nulls = max(4, *(len(_null(column, wide)) for column in columns))
    since = max(11, *(len(column.since) for column in columns))
    optional = [
        ("linf", TextColumn("L∞", 5, right=True)),
        ("null", TextColumn("Null", nulls, right=True)),
        ("p", TextColumn("p", 7, right=True)),
        ("since", TextColumn("Since (UTC)", since)),
    ]
    if wide:
        types = max(4, *(len(column.type_name[:16]) for column in columns))
        optional += [("type", TextColumn("Type", types)), ("bar", TextColumn("", 6))]
        if heading := recent_heading(columns):
            optional.append(("strip", TextColumn(heading, 24)))
    status = 10 if all(column.status is not Status.NOT_JUDGED for column in columns) else 14
    left = width - status - 2 - NAME_WIDTH
    kept = {}
    for name, field in optional:
        if left >= field.width + 2:
            kept[name] = field
            left -= field.width + 2
    name_width = min(max(longest, 6), NAME_WIDTH + max(0, left))
    order = ("status", "name", "type", "null", "linf", "bar", "p", "strip", "since")
    kept |= {"status": TextColumn("Status", status), "name": TextColumn("Column", name_width)}
    return {name: kept[name] for name in order if name in kept}


def _row(column: ColumnResult, fields: dict[str, TextColumn], width: int, paint: _Paint) -> str:
    colour = _COLOURS.get(column.grade, _OTHER)
    judged = column.status is not Status.NOT_JUDGED
    glyph = GLYPHS[column.grade] if judged else " ? "
    word = str(column.grade) if judged else "not judged"
    cells = {
        "status": f"{glyph} {word}",
        "name": _cut(visible(column.name), fields["name"].width),
        "type": column.type_name[:16],
        "null": _null(column, width >= WIDE),
        "linf": wording.distance(column.linf),
        "bar": _bar(column.linf),
        "p": wording.p_value(column.p_value),
        "strip": "".join(_STRIP[grade] for grade in column.recent[-24:]),
        "since": column.since,
    }
    codes = {"status": colour, "name": "1", "bar": colour, "strip": colour, "type": _OTHER}
    return _line(fields, cells, codes, paint)


def _rest(result: RunResult, width: int, paint: _Paint, everything: bool) -> list[str]:
    lines = []
    not_judged = [column for column in result.columns if column.status is Status.NOT_JUDGED]
    if not_judged and not everything:
        reasons = [f"{visible(column.name)}: {column.reason or not_judged_reason(column)}" for column in not_judged]
        more = [f"and {len(reasons) - 6} more (--all lists them)"] if len(reasons) > 6 else []
        lines += _listed(" ? ", "not judged", reasons[:6] + more, width, paint)
    quiet = sum(column.status is Status.NO_DRIFT for column in result.columns)
    if quiet and not everything:
        lines += _listed(" — ", "no drift", [f"{wording.counted(quiet, 'column')} (--all lists them)"], width, paint)
    moved = [f"{plain(c.title)}. {plain(c.sentence)}" for c in result.causes[1:] if c.kind is CauseKind.DRIFT]
    if moved:  # The first cause is the verdict above the table.
        more = [f"and {len(moved) - SENTENCES} more in the report"] if len(moved) > SENTENCES else []
        lines += _listed(" ~ ", "drift", moved[:SENTENCES] + more, width, paint)
    checks = [cause for cause in result.causes if cause.kind is not CauseKind.DRIFT]
    if checks:
        texts = [f"{plain(cause.title)}. {plain(cause.sentence)}" for cause in checks]
        lines += _listed(" ! ", "checks", texts, width, paint)
    if result.notes:
        lines += _listed(" i ", "notes", [visible(note) for note in result.notes[:5]], width, paint)
    return lines


def _listed(glyph: str, word: str, texts: Sequence[str], width: int, paint: _Paint) -> list[str]:
    lines: list[str] = []
    for text in texts:
        lines += textwrap.wrap(text, width - 17, break_on_hyphens=False) or [""]
    head = paint(f"{glyph} {word:<12} ", _OTHER)
    return [(head if not at else " " * 17) + line for at, line in enumerate(lines)]


def _line(
    fields: dict[str, TextColumn], cells: dict[str, str], codes: dict[str, str] | None = None, paint: _Paint = _plain
) -> str:
    parts = []
    for name, field in fields.items():
        text = cells[name]
        space = " " * max(0, field.width - cell_len(text))
        shown = paint(text, codes[name]) if codes and name in codes else text
        parts.append(space + shown if field.right else shown + space)
    return "  ".join(parts).rstrip()


def _null(column: ColumnResult, wide: bool) -> str:
    before, after = missing_share(column.baseline), missing_share(column.window)
    first, second = (wording.percent(share) if wide else _whole_percent(share) for share in (before, after))
    return first if first == second else f"{first} → {second}"


def _whole_percent(share: float) -> str:
    if 0 < share < 0.005:
        return "< 1 %"
    return f"{100 * share:.0f} %" if share < 0.995 or share == 1 else "> 99 %"


def _bar(linf: float | None) -> str:
    if not linf:
        return ""
    return "█" * int(linf * 6) or "▏"


def _cut(text: str, width: int) -> str:
    """Returns a name with at most `width` terminal cells: its start and its end, an ellipsis between them."""
    if cell_len(text) <= width:
        return text
    tail = ""
    for character in reversed(text):
        if cell_len(character + tail) > (width - 1) // 3:
            break
        tail = character + tail
    head = ""
    for character in text:
        if cell_len(head + character) > width - 1 - cell_len(tail):
            break
        head += character
    return head + ELLIPSIS + tail


def _joined(parts: Sequence[str], width: int) -> list[str]:
    one = "   ".join(parts)
    if cell_len(one) <= width:
        return [one]
    return [line for part in parts for line in textwrap.wrap(part, width)]


def _order(column: ColumnResult) -> tuple[int, float]:
    order = [Grade.LARGE, Grade.MEDIUM, Grade.SMALL, Grade.NONE]
    unjudged = column.status is Status.NOT_JUDGED
    return (3 if unjudged else order.index(column.grade) + (column.grade is Grade.NONE)), -(column.linf or 0.0)
