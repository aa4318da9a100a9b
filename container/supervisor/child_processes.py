"""The processes below the supervisor: started, reaped, and at the end all gone.

Invariants
- Every child runs in a session of its own, so that a signal to the supervisor's group reaches it only through us, and
  the group can be killed as a whole.
- Every child dies with the supervisor (`death_signal`); so `kill -9` of the supervisor leaves nothing.
- Orphans come to us, also where we are not process 1 (`PR_SET_CHILD_SUBREAPER`), and are reaped.
- After `end_all` no process descends from us, except those that its caller spares.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
DIE_WITH_PARENT = Path(__file__).parents[1] / "shared" / "die_with_parent.py"


@dataclass(frozen=True)
class Child:
    """A program that was started here. `exited` becomes its exit code, negative for the signal that ended it."""

    name: str
    pid: int
    exited: asyncio.Future[int]

    @property
    def alive(self) -> bool:
        """Whether it has not been reaped yet."""
        return not self.exited.done()

    def signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def signal_group(self, number: int) -> None:
        """Send its whole session a signal, also after its own end."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def wait(self, timeout: float) -> bool:
        """Whether it ends within this many seconds."""
        done, _ = await asyncio.wait([self.exited], timeout=max(0.0, timeout))
        return bool(done)


def describe_exit(code: int) -> str:
    """`exit code 1` or `signal SIGKILL`."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"


class Children:
    """All children of this process. Make one, in the main thread, with the event loop running."""

    def __init__(self) -> None:
        self.orphan_ended: Callable[[int, int], None] | None = None
        """Called with process id and exit code of a process that ended here and was not started here."""
        self._known: dict[int, Child] = {}
        self._loop = asyncio.get_running_loop()
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._loop.add_signal_handler(signal.SIGCHLD, self.reap)

    def spawn(
        self,
        name: str,
        command: list[str],
        env: Mapping[str, str],
        *,
        stdin: int | None = None,
        output: int | None = None,
        inherit: Collection[int] = (),
        death_signal: signal.Signals | None = signal.SIGKILL,
    ) -> Child:
        """Start a program in a session of its own.

        Args:
            stdin: a descriptor for its standard input; None: `/dev/null`.
            output: a descriptor for its stdout and stderr; None: ours.
            inherit: descriptors it keeps under their numbers.
            death_signal: what the kernel sends it when the supervisor ends; None: it lives on.

        Raises:
            OSError: the program could not be started.
        """
        if death_signal is not None:
            command = [
                sys.executable,
                "-I",
                "-S",
                str(DIE_WITH_PARENT),
                str(int(death_signal)),
                str(os.getpid()),
                *command,
            ]
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = []
        if stdin is None:
            actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
        else:
            actions.append((os.POSIX_SPAWN_DUP2, stdin, 0))
        if output is not None:
            actions += [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
        for descriptor in inherit:
            os.set_inheritable(descriptor, True)
        try:
            pid = os.posix_spawnp(
                command[0],
                command,
                env,
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM),
            )
        finally:
            for descriptor in inherit:
                os.set_inheritable(descriptor, False)
        child = Child(name, pid, self._loop.create_future())
        self._known[pid] = child
        return child

    def reap(self) -> None:
        """Collect every process that has ended: our children, and orphans that came to us."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._known.pop(pid, None)
            code = os.waitstatus_to_exitcode(status)
            if child is not None and not child.exited.done():
                child.exited.set_result(code)
            elif child is None and self.orphan_ended is not None:
                self.orphan_ended(pid, code)

    async def end_all(self, spare: Collection[Child] = (), timeout: float = 5.0) -> None:
        """Kill all that descends from us but `spare`, generation after generation, until none is left."""
        spared = {child.pid for child in spare}
        deadline = self._loop.time() + timeout
        while self._loop.time() < deadline:
            self.reap()
            left = [pid for pid in _children_of(os.getpid()) if pid not in spared]
            if not left:
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.005)


def _children_of(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # The name of the program, in parentheses, may hold anything: the fields are counted from its end.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent:
                    found.append(int(entry.name))
    return found
