"""The handler's time limit: a request that takes longer ends its worker, at once and from the kernel.

Multi Model Server's own limit only stops waiting: it starts another worker, and the stuck one lives on, a process
leaked each time. Here an interval timer sends SIGALRM, for which no interpreter and no lock is needed, so that a
handler that hangs in C code with the interpreter's lock held is ended too. On its way out the process writes what every
thread was doing (`faulthandler`). The caller gets 500, and the replacement is there within a second or two.
"""

from __future__ import annotations

import faulthandler
import signal


class TimeLimit:
    """A limit of some seconds for each request of this process. Two system calls a request."""

    def __init__(self, seconds: float, log: int) -> None:
        """Args: log: descriptor to which the threads' stacks are written when time is up."""
        self._seconds = seconds
        # The stacks first, then what the signal did before: end the process.
        faulthandler.register(signal.SIGALRM, file=log, all_threads=True, chain=True)

    def begin(self) -> None:
        """A request begins."""
        signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def end(self) -> None:
        """It is answered."""
        signal.setitimer(signal.ITIMER_REAL, 0)
