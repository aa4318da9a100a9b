"""Ended processes: moves the counts of a dead writing process into the checkpoint's totals and removes its counters file.

Order: the checkpoint that lists the process as ended is saved, then the file is removed, then the checkpoint forgets the
process. A crash between two steps repeats the later ones and counts nothing twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture.shipping.checkpoint import Checkpoint
    from capture.shipping.housekeeping import Housekeeping
    from capture.shipping.losses import Losses
    from capture.shipping.spool_watcher import SpoolWatcher


class EndedProcesses:
    """Ends the processes of one spool that are dead and of whose records none waits."""

    def __init__(
        self, checkpoint: Checkpoint, watcher: SpoolWatcher, housekeeping: Housekeeping, losses: Losses
    ) -> None:
        self._checkpoint = checkpoint
        self._watcher = watcher
        self._housekeeping = housekeeping
        self._losses = losses

    def end(self, save: Callable[[], bool]) -> bool:
        """Ends what can be ended. `save` saves the checkpoint. Returns True if a process was ended."""
        self._housekeeping.exchange_counts()
        dead = {process for process, counters in self._watcher.processes.items() if not counters.alive()}
        if not dead:
            return False
        self._housekeeping.scan_segments()  # a dead process opens no further segment: all it has are seen now
        busy = {tracked.process for tracked in self._watcher.segments.values()}
        ended = False
        for process in dead - busy:
            if not self._checkpoint.is_ended(process) and not self._enter(process):
                self._losses.find()
            elif save():
                self._watcher.processes[process].path.unlink(missing_ok=True)
                self._watcher.processes.pop(process).close()
                self._checkpoint.forget_ended(process)
                ended = True
        return ended

    def _enter(self, process: str) -> bool:
        """Adds a process's counts to the totals. Returns False if some of its records still wait."""
        process_counters = self._watcher.processes[process]
        found = [(writer, counters) for writer, owner, counters in self._watcher.writers() if owner is process_counters]
        states = [self._housekeeping.known_writer(writer) for writer, _ in found]
        if any(state is not None and state.waiting for state in states):
            return False
        counts = [(writer, counters.reading()) for writer, counters in found]
        self._checkpoint.end_process(process, counts, process_counters.drops)
        return True
