"""The scene: what the shipper sees when it looks at the spool, and what it concludes.

A look maps new segments and accounts, forgets those that are gone, and seals segments whose writer is dead.

Invariants
- Segments are looked at first and accounts second, so that a segment's process has its account in the scene; and a
  segment is taken from a writer only under the spool's lock, while its file still has its name: before, its memory may
  be another writer's.
- A segment is recycled only if it was seen sealed in an earlier look than its length: its writer's last store is then
  visible, on every processor.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capture.journal import segment
from capture.journal.counters import MAX_WRITERS, ProcessCounters, is_abandoned
from capture.journal.segment import SegmentDamaged, SegmentReader
from capture.shipping import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from capture.journal.counters import WriterCounters
    from capture.journal.spool import Spool
    from capture.ledger import WriterEntry
    from capture.record import Header
    from capture.shipping.checkpoint import Checkpoint, LedgerState

log = logging.getLogger("capture.shipper")
_MAX_GROWTH = 512


@dataclass(slots=True)
class TrackedSegment:
    """A segment, how far it is done (records, bytes of data), and since when something waits (monotonic seconds).

    `sealed` says that it was seen sealed, `given_up` that what it still holds is damaged.
    """

    reader: SegmentReader
    done: tuple[int, int]
    since: float | None = None
    sealed: bool = False
    given_up: bool = False

    @property
    def waiting(self) -> tuple[int, int]:
        """Committed records and bytes that are neither shipped nor given up. Bytes that no record explains (damage)
        count as one record: somebody must look at them."""
        records, length = self.reader.committed
        size = max(length - self.done[1], 0)
        return max(records - self.done[0], int(size > 0)), size

    @property
    def process(self) -> str:
        """The id of the process that wrote it."""
        return self.reader.writer[:24]


class SpoolWatcher:
    """What is in a spool. `clock` gives nanoseconds since 1970 UTC, `monotonic` seconds.

    `strangers` says that a process writes here whose account this version cannot read.
    """

    def __init__(
        self, spool: Spool, restored: Checkpoint, clock: Callable[[], int], monotonic: Callable[[], float]
    ) -> None:
        self.watched: dict[str, TrackedSegment] = {}
        self.accounts: dict[str, ProcessCounters] = {}
        self.strangers = False
        self._growth: dict[str, deque[tuple[int, int]]] = {}
        self._spool = spool
        self._state = restored
        self._clock = clock
        self._monotonic = monotonic
        names = {path.stem for path in spool.segments()}
        restored.progress = {name: done for name, done in restored.progress.items() if name in names}
        accounts = {path.name for path in spool.accounts()}
        restored.ended = [process for process in restored.ended if process in accounts]

    def look(self) -> bool:
        """Looks at the spool anew; whether records may have been lost since (`losses.py`)."""
        gone = self.look_at_segments()
        self._look_at_accounts()
        self._take_over_from_the_dead()
        self._note_rows()
        now = self._monotonic()
        for watched in self.watched.values():
            watched.sealed = watched.reader.state == segment.SEALED
            if not watched.waiting[0]:
                watched.since = None
            elif watched.since is None:
                watched.since = now - self._age(watched)
        return gone or bool(self.notes())

    def look_at_segments(self) -> bool:
        """Whether segments vanished since the last look."""
        paths = {path.stem: path for path in self._spool.segments()}
        gone = set(self.watched) - set(paths)
        for identity in gone:
            self._forget(identity)
        for identity in sorted(set(paths) - set(self.watched)):
            try:
                reader = SegmentReader(paths[identity])
            except SegmentDamaged as damage:
                log.error("capture: a segment is set aside: %s", damage)
                self._spool.move_aside(paths[identity])
                self._state.totals.damaged_segments += 1
                gone.add(identity)
                continue
            except FileNotFoundError:
                continue
            known = reader.taken if self._state.fresh else (0, 0)
            self.watched[identity] = TrackedSegment(reader, self._state.progress.get(identity, known))
            reader.set_taken(*self.watched[identity].done)
        return bool(gone)

    def _look_at_accounts(self) -> None:
        names = {path.name: path for path in self._spool.accounts()}
        self.strangers = False
        for name in set(self.accounts) - set(names):
            self.accounts.pop(name).let_go()
        for name in set(names) - set(self.accounts):
            found = ProcessCounters.read(names[name])
            if found is not None:
                self.accounts[name] = found
            else:
                self._look_at_stranger(names[name])

    def _look_at_stranger(self, path: Path) -> None:
        """An account that is not finished, or not of this version; one that nobody holds is out of the way then."""
        with self._spool.locked():
            if not is_abandoned(path):
                self.strangers = True
                return
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                if not file.read(8).strip(b"\0"):
                    path.unlink()
                    return
        log.error("capture: the account of writer %s is not of this version: set aside", path.name)
        self._spool.move_aside(path)

    def _age(self, watched: TrackedSegment) -> float:
        """Seconds that a segment's first waiting record has waited, as far as the wall clock can be believed."""
        time = self.first_waiting_time(watched)
        return 0.0 if time is None else min(max(self._clock() / 1e9 - time / 1e6, 0.0), 86_400.0)

    @staticmethod
    def first_waiting_time(watched: TrackedSegment) -> int | None:
        """The event time of a segment's first waiting record, microseconds since 1970 UTC."""
        for at, _, head in watched.reader.frames(watched.done[1], watched.reader.committed[1]):
            with contextlib.suppress(Exception):  # a head that no decoder reads has no time
                return watched.reader.event_time(at, head)
        return None

    def opened_at(self, identity: str, otherwise: int) -> int:
        """When a segment was opened, microseconds since 1970 UTC; `otherwise` where it is gone."""
        watched = self.watched.get(identity)
        return otherwise if watched is None else watched.reader.opened_at

    def alive(self, process: str) -> bool:
        """Whether a writing process can still write."""
        account = self.accounts.get(process)
        return account is not None and not account.closed and account.alive()

    def _take_over_from_the_dead(self) -> None:
        dead = {
            process for process in {watched.process for watched in self.watched.values()} if not self.alive(process)
        }
        taken = [watched for watched in self.watched.values() if watched.process in dead and not watched.sealed]
        if not taken:
            return
        unused: list[str] = []
        with self._spool.locked():
            there = {path.stem for path in self._spool.segments()}
            for watched in taken:
                if watched.reader.identity not in there or watched.process not in dead:
                    continue
                if watched.reader.state == segment.PREPARED and not watched.reader.committed[1]:
                    unused.append(watched.reader.identity)
                    continue
                self._correct(watched)
                if watched.reader.state != segment.SEALED:
                    watched.reader.seal()
        self.recycle(unused)

    def _correct(self, watched: TrackedSegment) -> None:
        """A dead writer's counter learns of the record that was committed and not counted, if it is really there."""
        lane, reader = self._lane_of(watched.reader.writer), watched.reader
        records, length = reader.committed
        one_more = lane is not None and reader.first_number + records == lane.records + 2
        if lane is not None and one_more and sum(1 for _ in reader.frames(0, length)) == records:
            lane.correct(lane.records + 1)

    def _lane_of(self, writer: str) -> WriterCounters | None:
        account = self.accounts.get(writer[:24])
        try:
            index = int(writer[24:], 16)
        except ValueError:
            return None
        return account.lane(index) if account is not None and 0 <= index < MAX_WRITERS else None

    def rows_a_record(self, watched: TrackedSegment) -> float:
        """How many rows a record that waits has on average, of the segment's writer from the segment's first on; 1 where
        it is not known. Nothing but decoding would tell it of each record."""
        lane = self._lane_of(watched.reader.writer)
        if lane is None:
            return 1.0
        first = watched.reader.first_number + watched.done[0]
        earlier = (note for note in reversed(self._growth.get(watched.reader.writer, ())) if note[0] < first)
        records, rows = next(earlier, (0, 0))
        return (lane.rows - rows) / (lane.records - records) if lane.records > records else 1.0

    def _note_rows(self) -> None:
        """Notes how far each writer's records and rows are now."""
        found = {writer: lane for writer, _, lane in self.lanes()}
        self._growth = {writer: self._growth.get(writer, deque(maxlen=_MAX_GROWTH)) for writer in found}
        for writer, lane in found.items():
            notes = self._growth[writer]
            if not notes or notes[-1][0] != lane.records:
                notes.append((lane.records, lane.rows))

    def recycle(self, identities: list[str]) -> None:
        """Frees the files of segments of which nothing is needed any more."""
        if not identities:
            return
        with self._spool.locked():
            for identity in identities:
                self._spool.recycle(identity)
        for identity in identities:
            self._forget(identity)

    def _forget(self, identity: str) -> None:
        del self.watched[identity]
        self._state.progress.pop(identity, None)

    def let_go(self) -> None:
        """Gives up the accounts' files; the scene is not looked at again."""
        for account in self.accounts.values():
            account.let_go()

    def notes(self) -> list[Path]:
        """The notes of segments that were dropped."""
        return [path for path in self._spool.path("lost").iterdir() if path.name.count(".") == 3]

    def lanes(self) -> Iterator[tuple[str, ProcessCounters, WriterCounters]]:
        """Writer, account and counters of every lane that was used."""
        for process, account in self.accounts.items():
            for index, lane in account.lanes():
                yield f"{process}{index:08x}", account, lane

    def entry(self, writer: str) -> tuple[LedgerState, WriterEntry] | None:
        """The book and the entry of a writer of which anything is known."""
        for book in self._state.books:
            if writer in book.writers:
                return book, book.writers[writer]
        account = self.accounts.get(writer[:24])
        header: Header | None = None if account is None else segment.header_of(account.header_text)
        if header is None:
            found = next((w for w in self.watched.values() if w.reader.writer == writer), None)
            header = None if found is None else found.reader.header
        if header is None:
            return None
        book = self._state.book(checkpoint.Stream.of(header), header.kms_key_id, self._clock() // 1000)
        return book, book.writers.setdefault(writer, checkpoint.new_entry())

    def count_in(self) -> None:
        """Takes over into the books what the accounts say, and tells the accounts what is settled."""
        for writer, account, lane in self.lanes():
            found = self.entry(writer)
            if found is not None:
                checkpoint.count_in(found[1], lane.reading(), lane.records)
                found[1].open = not account.closed and account.alive()
                lane.settle(checkpoint.settled(found[1]))
