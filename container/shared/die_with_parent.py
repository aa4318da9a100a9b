"""Run a program that dies with the process that started it.

    python -I -S die_with_parent.py SIGNAL PARENT_PID PROGRAM [ARGUMENT ...]

The kernel sends SIGNAL to the program when its parent's main thread ends (`PR_SET_PDEATHSIG`, which survives exec), so
that `kill -9` of the supervisor leaves no process behind. It is a program of its own because the setting must be made
between fork and exec, and running Python there is not safe in a process that has threads. It imports two modules and
costs about 10 ms.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(signal_number: int, parent: int) -> None:
    """Ask for `signal_number` when our parent ends; where it has ended already, end here and now.

    Args:
        parent: the process id our parent had when it started us.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal_number)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]), int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606
