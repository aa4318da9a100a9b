"""Tells an exception that comes from outside from one that the caller's data caused.

A signal handler (Celery's soft time limit), `KeyboardInterrupt`, a greenlet's timeout or `PyThreadState_SetAsyncExc` can
raise between any two steps of `append`. Such an exception is for the caller; one that the data caused is a refused record.
"""

from __future__ import annotations

from types import FrameType

_OF_DATA = {"builtins", "capture", "msgspec", "numpy", "pandas", "pyarrow", "decimal", "_decimal", "json", "crc32c"}
_HERE = __name__.partition(".")[0]


def comes_from_outside(error: BaseException) -> bool:
    """Returns whether an exception was raised by a signal handler, or put into the thread by another.

    A handler is known by its second argument, which is the frame that it interrupted. An exception that was put into the
    thread comes from no call: the innermost frame is ours, and the class is of neither Python's nor a data library's.
    """
    if not isinstance(error, Exception):
        return True
    trace = error.__traceback__
    if trace is None:
        return False
    while True:
        frame = trace.tb_frame
        if _is_handler(frame):
            return True
        if trace.tb_next is None:
            break
        trace = trace.tb_next
    ours = str(frame.f_globals.get("__name__", "")).partition(".")[0] == _HERE
    return ours and type(error).__module__.partition(".")[0] not in _OF_DATA


def _is_handler(frame: FrameType) -> bool:
    code = frame.f_code
    if code.co_argcount < 2 or frame.f_back is None:
        return False
    names = code.co_varnames[: code.co_argcount]
    return any(frame.f_locals.get(name) is frame.f_back for name in names)
