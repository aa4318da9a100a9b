"""The bookkeeper: enters what was shipped and lost into the books, and writes the ledgers.

A ledger is written after each batch, at start, at stop, and every `max_age_seconds` while nothing happens, so that a
reader can tell a quiet instance from a dead one. A ledger that cannot be delivered is tried again; the books stand in
the state meanwhile.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from capture import dataset, ledger
from capture.journal.account import Latency
from capture.shipping import state

if TYPE_CHECKING:
    from collections.abc import Callable

    from capture.shipping.delivery import Delivery, Sinks
    from capture.shipping.scene import Scene
    from capture.shipping.state import Book, State

log = logging.getLogger("capture.shipper")
DAY = 24 * dataset.HOUR
GRACE = 60_000_000
"""Microseconds that a request may take: what arrived so shortly ago may not have been appended yet."""
_MOST_OBJECTS = 20_000
_MOST_ENDED = 1_000
_RETRY = 5.0
_SAY_AGAIN = 60.0


class Bookkeeper:
    """Keeps the books of one spool's state."""

    def __init__(
        self, now_state: State, scene: Scene, sinks: Sinks, clock: Callable[[], int], monotonic: Callable[[], float]
    ) -> None:
        self._state = now_state
        self._scene = scene
        self._sinks = sinks
        self._clock = clock
        self._monotonic = monotonic
        self._due_at = monotonic()
        self._told: dict[tuple[str, int], tuple[int, int]] = {}
        self._said = -_SAY_AGAIN
        self._renamed: set[str] = set()

    def touch(self) -> None:
        """A ledger has something new to say."""
        self._due_at = self._monotonic()

    def say(self, what: str) -> None:
        """Logs trouble at most once a minute."""
        if self._monotonic() - self._said >= _SAY_AGAIN:
            self._said = self._monotonic()
            log.error("capture: %s", what)

    def enter(self, delivery: Delivery) -> None:
        """Enters a batch of which every object is uploaded."""
        manifest, made, totals = delivery.manifest, delivery.objects, self._state.totals
        if made is None:
            raise ValueError(f"batch {manifest.batch} is not encoded")
        place = state.Place.of(manifest.header)
        book = self._state.book(place, manifest.header.kms_key_id, self._clock() // 1000)
        for part in manifest.parts:
            entry = book.writers.setdefault(part.writer, state.new_entry())
            aside = {number for writer, number in manifest.aside if writer == part.writer}
            first = part.first
            for number in [*sorted(n for n in aside if part.first <= n < part.first + part.records), None]:
                last = part.first + part.records - 1 if number is None else number - 1
                if last >= first:
                    state.ship(entry, first, last)
                if number is not None:
                    state.lose(entry, "unencodable", number, number)
                    first = number + 1
        for item in made:
            day = item.event_times[0] // DAY * DAY
            objects = book.days.setdefault(day, {})
            objects[item.key] = ledger.ObjectEntry(item.rows, item.events, item.event_times)
            self._told.pop((_name(book), day), None)
            totals.objects += 1
            totals.records += item.events
            totals.rows += item.rows
            totals.bytes += len(item.body)
            totals.rescued_cells += item.counts.rescued_cells
            totals.refused_names += item.counts.refused_names
            totals.renamed_features += len(item.counts.renamed)
            totals.row_mismatches += item.counts.row_mismatches
            self._say_renamed(item.counts.renamed)
        totals.batches += 1
        self._prune(book)

    def _say_renamed(self, names: tuple[str, ...]) -> None:
        for name in sorted(set(names) - self._renamed):
            self._renamed.add(name)
            log.warning(
                "capture: the feature %r has a name of the dataset's own: it is captured as feature_%s", name, name
            )

    def _prune(self, book: Book) -> None:
        """Forgets the oldest days when the state becomes large; their ledgers are delivered."""
        while len(book.days) > 2 and sum(map(len, book.days.values())) > _MOST_OBJECTS:
            del book.days[min(book.days)]

    def lost(self) -> int:
        """Records that were accepted and will not arrive."""
        told = sum(self._state.totals.ended_lost.values())
        entries = [entry for book in self._state.books for entry in book.writers.values()]
        return told + sum(item.last - item.first + 1 for entry in entries if not entry.told for item in entry.lost)

    def end_writers(self, save: Callable[[], bool]) -> None:
        """Closes the accounts of processes that are dead and of whose records none waits."""
        scene, totals = self._scene, self._state.totals
        scene.count_in()
        busy = {watched.process for watched in scene.watched.values()}
        for process, account in list(scene.accounts.items()):
            if process in busy or account.alive():
                continue
            lanes = [(writer, index) for writer, owner, index in scene.lanes() if owner is account]
            found = [(scene.entry(writer), account.lane(index).reading()) for writer, index in lanes]
            if any(entry is None or entry[1].waiting for entry, _ in found):
                scene.find_lost()
                continue
            latency = Latency(*totals.ended_latency[:3], dict(totals.ended_latency[3]))
            for entry, counts in found:
                if entry is None or entry[1].told:
                    continue
                entry[1].open, entry[1].told = False, True
                totals.ended_appended += entry[1].appended
                totals.ended_sampled_out += counts.sampled_out
                totals.ended_shipped += sum(last - first + 1 for first, last in entry[1].shipped)
                totals.ended_rows += counts.rows
                totals.ended_bytes += counts.bytes
                _add(totals.ended_refused, counts.refused)
                for item in entry[1].lost:
                    _add(totals.ended_lost, {item.reason: item.last - item.first + 1})
                latency.add(counts.latency)
            totals.ended_latency = (latency.count, latency.total, latency.longest, latency.buckets)
            segments, size = account.drops
            totals.dropped_segments += segments
            totals.dropped_bytes += size
            if save():
                account.path.unlink(missing_ok=True)
                scene.accounts.pop(process).let_go()
                self.touch()

    def write_due(self, heartbeat: float, closed: bool) -> None:
        """Writes the ledgers if there is something to say, or if nothing was said for `heartbeat` seconds."""
        if self._monotonic() >= self._due_at:
            self._due_at = self._monotonic() + (heartbeat if self.write_all(closed) else _RETRY)

    def write_all(self, closed: bool) -> bool:
        """Writes the ledger of each day that has something new to say; False where one was not delivered."""
        now = self._clock() // 1000
        done = True
        for book in self._books():
            until = now if closed else self._complete_until(book, now)
            first = max(book.began // DAY * DAY, now // DAY * DAY - 7 * DAY)
            days = {*book.days, *range(first, now + 1, DAY)}
            for day in sorted(days):
                told = self._told.get((_name(book), day), (0, 0))
                objects = len(book.days.get(day, ()))
                if told[0] >= day + DAY and told[1] == objects:
                    continue
                key = str(dataset.LedgerKey(book.place.endpoint_name, book.place.variant_name, day, self._state.spool))
                body = ledger.encode(state.ledger_of(self._state, book, day, now, until, closed))
                if self._sinks.put(book.place.destination, book.kms_key_id, key, body, "application/json"):
                    self._told[_name(book), day] = (until, objects)
                else:
                    done = False
            if done:
                self._forget_told(book)
        return done

    def _books(self) -> list[Book]:
        for writer, _, _ in self._scene.lanes():
            self._scene.entry(writer)
        return self._state.books

    def _complete_until(self, book: Book, now: int) -> int:
        """Every record whose event time lies before this has been shipped or given up (DESIGN section 5)."""
        waiting = (watched for watched in self._scene.watched.values() if watched.waiting[0])
        times = (
            self._scene.first_waiting_time(watched) or watched.reader.opened_at
            for watched in waiting
            if state.Place.of(watched.reader.header) == book.place
        )
        return min([now, *times]) - GRACE

    @staticmethod
    def _forget_told(book: Book) -> None:
        """Of very many writers that ended, those that name no gap need not be told again."""
        whole = [writer for writer, entry in book.writers.items() if entry.told and not entry.lost and not entry.refused]
        for writer in whole[:-_MOST_ENDED]:
            del book.writers[writer]


def _name(book: Book) -> str:
    return "\0".join((book.place.destination, book.place.endpoint_name, book.place.variant_name))


def _add(into: dict[str, int], counts: dict[str, int]) -> None:
    for name, number in counts.items():
        into[name] = into.get(name, 0) + number
