"""Makes a line of text for a person of each JSON log line: `serve --log text`.

    12:34:05.123 WARNING worker 4711 event=0195521c-8400-7a63-b0e1-6c7e0d5d2f10  weather has no JFK

A traceback follows, each line indented. Times are UTC, as in the captured data. Metrics in CloudWatch's format are left out.
Text that a client may have sent is shown with its terminal escapes as text.
"""

from __future__ import annotations

import msgspec

from capture.commands.visible import visible

_HEAD = ("time", "level", "source", "pid", "message", "traceback", "logger", "stream", "event_id", "model", "type")


def as_text(line: bytes) -> bytes:
    """Returns a JSON log line as text, newline included; nothing for metrics; a line that is not an object as it is."""
    try:
        entry = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return line
    if not isinstance(entry, dict):
        return line
    if "_aws" in entry:
        return b""
    head = [str(entry.get("time", ""))[11:23], str(entry.get("level", "INFO")), str(entry.get("source", ""))]
    if entry.get("pid") is not None:
        head.append(str(entry["pid"]))
    if entry.get("event_id"):
        head.append(f"event={entry['event_id']}")
    head += [f"{name}={value}" for name, value in entry.items() if name not in _HEAD]
    text = visible(" ".join(head)) + "  " + _indented(str(entry.get("message", "")), first=True)
    if entry.get("traceback"):
        text += "\n" + _indented(str(entry["traceback"]))
    return (text + "\n").encode("utf-8", "backslashreplace")


def _indented(text: str, *, first: bool = False) -> str:
    """Returns the lines of `text`, made visible, each indented but the first one where `first` is set."""
    lines = [visible(line.replace("\t", "    ")) for line in text.rstrip("\n").split("\n")]
    return ("" if first else "    ") + "\n    ".join(lines)
