"""The scene: what the shipper sees when it looks at the spool, and what it concludes.

A look maps new segments and accounts, forgets those that are gone, seals segments whose writer is dead, and finds the
records that can no longer arrive: a writer's numbers that are neither shipped nor lost nor in any segment were dropped
at the spool's limit (a note says so) or were in a segment that is damaged or gone.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capture.journal import segment
from capture.journal.account import MOST_LANES, Account
from capture.journal.segment import SegmentDamaged, SegmentReader
from capture.shipping import ranges, state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from capture.journal.spool import Spool
    from capture.ledger import WriterEntry
    from capture.record import Header
    from capture.shipping.state import Book, State

log = logging.getLogger("capture.shipper")


@dataclass(slots=True)
class Watched:
    """A segment, how far it is done (records, bytes of data), and since when something waits (monotonic seconds)."""

    reader: SegmentReader
    done: tuple[int, int]
    since: float | None = None

    @property
    def waiting(self) -> tuple[int, int]:
        """Committed records and bytes that are neither shipped nor given up."""
        records, length = self.reader.committed
        return max(records - self.done[0], 0), max(length - self.done[1], 0)

    @property
    def process(self) -> str:
        """The id of the process that wrote it."""
        return self.reader.writer[:24]


class Scene:
    """What is in a spool. `clock` gives nanoseconds since 1970 UTC, `monotonic` seconds.

    `used_notes` are the notes in `lost/` that the state has taken over and that may go once it is saved.
    """

    def __init__(
        self, spool: Spool, now_state: State, clock: Callable[[], int], monotonic: Callable[[], float]
    ) -> None:
        self.watched: dict[str, Watched] = {}
        self.accounts: dict[str, Account] = {}
        self.used_notes: list[str] = []
        self._spool = spool
        self._state = now_state
        self._clock = clock
        self._monotonic = monotonic
        self._forget_progress()

    def look(self) -> None:
        """Looks at the spool anew."""
        self._look_at_accounts()
        gone = self._look_at_segments()
        self._take_over_from_the_dead()
        if gone or self._notes():
            self.find_lost()
        now = self._monotonic()
        for watched in self.watched.values():
            if not watched.waiting[0]:
                watched.since = None
            elif watched.since is None:
                watched.since = now - self._age(watched)

    def _look_at_accounts(self) -> None:
        names = {path.name: path for path in self._spool.accounts()}
        for name in set(self.accounts) - set(names):
            self.accounts.pop(name).let_go()
        for name in set(names) - set(self.accounts):
            found = Account.read(names[name])
            if found is not None:
                self.accounts[name] = found

    def _look_at_segments(self) -> bool:
        """Whether segments vanished since the last look."""
        paths = {path.stem: path for path in self._spool.segments()}
        gone = set(self.watched) - set(paths)
        for identity in gone:
            del self.watched[identity]
        for identity in sorted(set(paths) - set(self.watched)):
            try:
                reader = SegmentReader(paths[identity])
            except SegmentDamaged as damage:
                self.set_aside_segment(paths[identity], str(damage))
                gone.add(identity)
                continue
            except FileNotFoundError:
                continue
            self.watched[identity] = Watched(reader, self._state.progress.get(identity, (0, 0)))
            reader.set_taken(*self.watched[identity].done)
        return bool(gone)

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

    def alive(self, process: str) -> bool:
        """Whether a writing process can still write."""
        account = self.accounts.get(process)
        return account is not None and not account.closed and account.alive()

    def _take_over_from_the_dead(self) -> None:
        processes = {watched.process for watched in self.watched.values()}
        dead = {process for process in processes if not self.alive(process)}
        unused: list[str] = []
        for identity, watched in self.watched.items():
            if watched.process not in dead:
                continue
            if watched.reader.state == segment.PREPARED:
                unused.append(identity)
                continue
            self._correct(watched)
            if watched.reader.state == segment.OPEN:
                watched.reader.seal()
        self.recycle(unused)

    def _correct(self, watched: Watched) -> None:
        """A dead writer's counter learns of the record that was committed and not counted."""
        account = self.accounts.get(watched.process)
        index = int(watched.reader.writer[24:] or "0", 16) if account else MOST_LANES
        if account is not None and index < MOST_LANES:
            last = watched.reader.first_number - 1 + watched.reader.committed[0]
            if last <= account.lane(index).records + 1:
                account.lane(index).correct(last)

    def recycle(self, identities: list[str]) -> None:
        """Frees the files of segments of which nothing is needed any more."""
        if not identities:
            return
        with self._spool.locked():
            for identity in identities:
                self._spool.recycle(identity)
        for identity in identities:
            del self.watched[identity]

    def set_aside_segment(self, path: Path, why: str) -> None:
        """Moves a segment that cannot be read out of the way, whole."""
        log.error("capture: a segment is set aside: %s", why)
        with self._spool.locked(), contextlib.suppress(FileNotFoundError):
            path.rename(self._spool.path("set-aside") / path.name)
        self._state.totals.damaged_segments += 1
        self.trim_aside()

    def trim_aside(self) -> None:
        """Keeps what is set aside within its share of the spool; the oldest goes."""
        files = sorted(self._spool.path("set-aside").iterdir(), key=lambda path: path.stat().st_mtime)
        size = sum(path.stat().st_size for path in files)
        while files and size > self._spool.aside_bytes:
            oldest = files.pop(0)
            size -= oldest.stat().st_size
            oldest.unlink(missing_ok=True)

    def lanes(self) -> Iterator[tuple[str, Account, int]]:
        """Writer, account and number of every lane that was used."""
        for process, account in self.accounts.items():
            for index in range(MOST_LANES):
                if account.lane(index).used:
                    yield f"{process}{index:08x}", account, index

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
        for writer, account, index in list(self.lanes()):
            lane = account.lane(index)
            found = self.entry(writer)
            if found is not None:
                state.count_in(found[1], lane.reading(), lane.records)
                found[1].open = self.alive(writer[:24])
                lane.settle(state.settled(found[1]))

    def _notes(self) -> list[Path]:
        return [path for path in self._spool.path("lost").iterdir() if path.name.count(".") == 3]

    def find_lost(self) -> None:
        """Enters into the books the records that can no longer arrive.

        The counters are read before the directory: whatever they count is in a segment that stands there, or is lost.
        """
        kept = {writer: account.lane(index).records for writer, account, index in self.lanes()}
        self._look_at_segments()
        present: dict[str, list[ranges.Range]] = {}
        for watched in self.watched.values():
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
                reason = "corrupt" if self._state.totals.damaged_segments else "missing"
                state.lose(found[1], reason, first, last)
        self.used_notes = [note.name for note in notes]

    def drop_notes(self) -> None:
        """Removes the notes that a saved state has taken over."""
        for name in self.used_notes:
            (self._spool.path("lost") / name).unlink(missing_ok=True)
        self.used_notes = []

    def _forget_progress(self) -> None:
        names = {path.stem for path in self._spool.segments()}
        self._state.progress = {name: done for name, done in self._state.progress.items() if name in names}
