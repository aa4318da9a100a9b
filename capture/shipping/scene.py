"""The scene: what the shipper sees when it looks at the spool, and what it concludes.

A look maps new segments and accounts, forgets those that are gone, seals segments whose writer is dead, and finds the
records that can no longer arrive: a writer's numbers that are neither shipped nor lost nor in any segment were dropped
at the spool's limit (a note says so) or were in a segment that is damaged or gone.

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
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capture.journal import segment
from capture.journal.account import MOST_LANES, Account, is_abandoned
from capture.journal.segment import SegmentDamaged, SegmentReader
from capture.shipping import ranges, state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from capture.journal.account import Lane
    from capture.journal.spool import Spool
    from capture.ledger import WriterEntry
    from capture.record import Header
    from capture.shipping.state import Book, State

log = logging.getLogger("capture.shipper")
_LEAST_FRAME = 32


@dataclass(slots=True)
class Watched:
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
        return max(records - self.done[0], int(size > 0)) if size else 0, size

    @property
    def process(self) -> str:
        """The id of the process that wrote it."""
        return self.reader.writer[:24]


class Scene:
    """What is in a spool. `clock` gives nanoseconds since 1970 UTC, `monotonic` seconds.

    `used_notes` are the notes in `lost/` that the state has taken over and that may go once it is saved; `strangers`
    says that a process writes here whose account this version cannot read.
    """

    def __init__(
        self, spool: Spool, now_state: State, clock: Callable[[], int], monotonic: Callable[[], float]
    ) -> None:
        self.watched: dict[str, Watched] = {}
        self.accounts: dict[str, Account] = {}
        self.used_notes: list[str] = []
        self.strangers = False
        self._spool = spool
        self._state = now_state
        self._clock = clock
        self._monotonic = monotonic
        names = {path.stem for path in spool.segments()}
        now_state.progress = {name: done for name, done in now_state.progress.items() if name in names}
        accounts = {path.name for path in spool.accounts()}
        now_state.ended = [process for process in now_state.ended if process in accounts]

    def look(self) -> None:
        """Looks at the spool anew."""
        gone = self.look_at_segments()
        self._look_at_accounts()
        self._take_over_from_the_dead()
        if gone or self._notes():
            self.find_lost()
        now = self._monotonic()
        for watched in self.watched.values():
            watched.sealed = watched.reader.state == segment.SEALED
            if not watched.waiting[0]:
                watched.since = None
            elif watched.since is None:
                watched.since = now - self._age(watched)

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
            self.watched[identity] = Watched(reader, self._state.progress.get(identity, known))
            reader.set_taken(*self.watched[identity].done)
        return bool(gone)

    def _look_at_accounts(self) -> None:
        names = {path.name: path for path in self._spool.accounts()}
        self.strangers = False
        for name in set(self.accounts) - set(names):
            self.accounts.pop(name).let_go()
        for name in set(names) - set(self.accounts):
            found = Account.read(names[name])
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

    def _age(self, watched: Watched) -> float:
        """Seconds that a segment's first waiting record has waited, as far as the wall clock can be believed."""
        time = self.first_waiting_time(watched)
        return 0.0 if time is None else min(max(self._clock() / 1e9 - time / 1e6, 0.0), 86_400.0)

    @staticmethod
    def first_waiting_time(watched: Watched) -> int | None:
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

    def _correct(self, watched: Watched) -> None:
        """A dead writer's counter learns of the record that was committed and not counted."""
        lane = self._lane_of(watched.reader.writer)
        if lane is not None:
            last = watched.reader.first_number - 1 + watched.reader.committed[0]
            if last <= lane.records + 1:
                lane.correct(last)

    def _lane_of(self, writer: str) -> Lane | None:
        account = self.accounts.get(writer[:24])
        try:
            index = int(writer[24:], 16)
        except ValueError:
            return None
        return account.lane(index) if account is not None and 0 <= index < MOST_LANES else None

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

    def give_up(self, watched: Watched) -> bool:
        """Sets aside and counts what stands behind the first damage of a segment that nobody writes any more; False
        where there is no damage, or the file is not that segment's any more."""
        reader, (done, start) = watched.reader, watched.done
        with self._spool.locked():
            records, length = reader.committed
            if not reader.path.exists() or next(iter(reader.frames(start, length)), None) is not None:
                return False
            data = reader.frame_bytes(start, length)
            writer, first, opened = reader.writer, reader.first_number, reader.opened_at
        log.error("capture: %d bytes of segment %s are damaged and set aside", len(data), reader.identity)
        with contextlib.suppress(OSError):
            self._spool.set_aside(f"{reader.identity}.{start}.data", data)
        watched.done = (max(records, done), length)
        watched.given_up = True
        self._state.progress[reader.identity] = watched.done
        self._state.totals.damaged_segments += 1
        times = (opened, self._clock() // 1000)
        account = self.accounts.get(writer[:24])
        if (
            account is None
        ):  # nobody counted: the segment itself is all that there is to go by, as far as it can be true
            found = self.entry(writer)
            last = first + min(records, done + len(data) // _LEAST_FRAME) - 1
            if found is not None and first > 0 and last < 2**48:
                state.lose(found[1], "corrupt", first + done, last, times)
        elif not account.began_at <= opened <= times[1]:
            times = (account.began_at, times[1])
        self.find_lost({writer: times})
        return True

    def lanes(self) -> Iterator[tuple[str, Account, Lane]]:
        """Writer, account and counters of every lane that was used."""
        for process, account in self.accounts.items():
            for index, lane in account.lanes():
                yield f"{process}{index:08x}", account, lane

    def entry(self, writer: str) -> tuple[Book, WriterEntry] | None:
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
        book = self._state.book(state.Place.of(header), header.kms_key_id, self._clock() // 1000)
        return book, book.writers.setdefault(writer, state.new_entry())

    def count_in(self) -> None:
        """Takes over into the books what the accounts say, and tells the accounts what is settled."""
        for writer, account, lane in self.lanes():
            found = self.entry(writer)
            if found is not None:
                state.count_in(found[1], lane.reading(), lane.records)
                found[1].open = not account.closed and account.alive()
                lane.settle(state.settled(found[1]))

    def _notes(self) -> list[Path]:
        return [path for path in self._spool.path("lost").iterdir() if path.name.count(".") == 3]

    def find_lost(self, times: Mapping[str, tuple[int, int]] | None = None) -> None:
        """Enters into the books the records that can no longer arrive; `times` are those of a writer's, where known.

        The counters are read before the directory: whatever they count is in a segment that stands there, or is lost.
        """
        kept = {writer: lane.records for writer, _, lane in self.lanes()}
        self.look_at_segments()
        present: dict[str, list[ranges.Range]] = {}
        for watched in self.watched.values():
            if not watched.given_up:
                first, records = watched.reader.first_number, watched.reader.committed[0]
                present.setdefault(watched.reader.writer, []).append((first, first + records - 1))
        notes = self._notes()
        now = self._clock() // 1000
        for note in notes:
            writer, *texts = note.name.split(".")
            found = self.entry(writer)
            if found is not None and all(text.isdigit() for text in texts):
                begin, end, opened = map(int, texts)
                state.lose(found[1], "spool_limit", begin, end, (opened, now))
        for writer, records in kept.items():
            found = self.entry(writer)
            if found is None:
                continue
            known = [*found[1].shipped, *((item.first, item.last) for item in found[1].lost), *present.get(writer, [])]
            for first, last in ranges.subtract((1, records), known):
                state.lose(found[1], self._reason(), first, last, times.get(writer) if times else None)
        self.used_notes = [note.name for note in notes]

    def _reason(self) -> str:
        if self._state.fresh:
            return "unknown"
        return "corrupt" if self._state.totals.damaged_segments else "missing"

    def drop_notes(self) -> None:
        """Removes the notes that a saved state has taken over."""
        for name in self.used_notes:
            (self._spool.path("lost") / name).unlink(missing_ok=True)
        self.used_notes = []
