"""A thread that does one job after the other, and that never keeps its process from ending.

An executor of `concurrent.futures` waits at exit for what its threads still do; an upload into a black hole lasts 20
seconds, and the shipper is to end within its deadline. What such a thread leaves undone is what a crash would leave.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_T = TypeVar("_T")
_MAX_NICE = 19


class DaemonExecutor:
    """Starts with its first job. `calm` gives it the lowest priority: a thread's own, which it can never raise again.

    Not `SCHED_IDLE`, which leaves a busy machine more: such a thread can hold the interpreter's lock for seconds, and
    nothing of the shipper runs meanwhile.
    """

    def __init__(self, name: str, calm: bool = False) -> None:
        self._name = name
        self._calm = calm
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._last: ref[Future[Any]] | None = None

    def submit(self, job: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Has a job done; what it raises, of whatever kind, is raised by the future's `result`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        future = Future[_T]()
        self._last = ref(future)  # a result may be large: only who asked for it keeps it
        self._jobs.put((future, lambda: job(*args, **kwargs)))
        return future

    @property
    def busy(self) -> bool:
        """Whether it has a job that has not ended."""
        last = None if self._last is None else self._last()
        return last is not None and not last.done()

    def close(self) -> None:
        """Ends the thread after what it was given; does not wait."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread = None

    def _run(self) -> None:
        if self._calm:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _MAX_NICE)
        while (given := self._jobs.get()) is not None:
            future, job = given
            try:
                done = job()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(done)
                del done
            del given, future, job
