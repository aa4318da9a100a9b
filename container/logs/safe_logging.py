"""Makes logging raise nothing into its caller, whatever it is given.

A handler logs what a client sent: text that cannot be encoded, objects whose `__str__` fails. `described` gives any object
a text. `make_logging_safe` covers what Python's `logging` checks before a log handler is called.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

_RESERVED_IN_EXTRA = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""Names that `logging` refuses in `extra`."""


def described(value: object) -> str:
    """Return the text of any object, lone surrogates escaped. Never raises, also where `__str__` and `__repr__` do."""
    for text_of in (str, repr, object.__repr__):
        try:
            return text_of(value).encode("utf-8", "backslashreplace").decode()
        except Exception:  # noqa: S112 - the last one works for every object
            continue
    return "an object without a text"


def make_logging_safe() -> None:
    """Make `logging` of this process raise nothing that lies in the message, its arguments or `extra`.

    Python checks `extra` and `args` before a handler sees them: reserved names in `extra` are a KeyError in the caller.
    The check stands in `Logger.makeRecord`, which every logger that exists already shares.
    """
    make_record = logging.Logger.makeRecord
    if getattr(make_record, "safe", False):
        return

    def make_safe_record(
        self: logging.Logger,
        name: str,
        level: int,
        fn: str,
        lno: int,
        msg: object,
        args: Any,
        exc_info: Any,
        func: str | None = None,
        extra: Any = None,
        sinfo: str | None = None,
    ) -> logging.LogRecord:
        try:
            return make_record(self, name, level, fn, lno, msg, args, exc_info, func, extra, sinfo)
        except Exception:
            text = f"{described(msg)} % {described(args)}" if args else msg
            usable = _usable_extra(extra)
            return make_record(self, name, level, fn, lno, text, (), exc_info, func, usable, sinfo)

    make_safe_record.safe = True  # type: ignore[attr-defined]
    logging.Logger.makeRecord = make_safe_record  # type: ignore[method-assign]


def _usable_extra(extra: object) -> dict[str, object]:
    """Return the entries of `extra` that a log record can take."""
    if not isinstance(extra, Mapping):
        return {}
    try:
        return {key: extra[key] for key in extra if isinstance(key, str) and key not in _RESERVED_IN_EXTRA}
    except Exception:
        return {}
