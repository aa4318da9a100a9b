"""Whether a window of captured data is complete, and if not, what is missing: a judgement over ledgers, nothing else.

A window is complete when every instance that wrote then says so in its ledger (`complete_until` reaches the window's
end, or the instance has stopped with nothing waiting), every object that ledgers list is there with its rows, every
object that is there stands in a ledger, and no record of the window was dropped. Each thing that is not so is a `Gap`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from capture.dataset import to_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from capture.ledger import Ledger, Lost, WriterEntry


_USUAL_PAUSE = 660_000_000
"""Microseconds within which an instance with default settings, which names no time itself, writes its next ledger."""


class GapKind(StrEnum):
    """What makes a window incomplete."""

    MISSING_OBJECT = "missing object"
    ROW_COUNT = "row count"
    UNLISTED_OBJECT = "object in no ledger"
    LOST = "lost records"
    REFUSED = "refused records"
    WAITING = "waiting records"
    SILENT = "silent instance"
    PENDING = "not complete yet"
    NO_LEDGER = "no ledger"
    UNREADABLE_LEDGER = "unreadable ledger"


@dataclass(frozen=True, slots=True)
class Gap:
    """One reason why a window is not complete; `message` says it to a person.

    `records` is how many events are missing, None where nobody knows; `times` spans them in microseconds since 1970 UTC
    where known.
    """

    kind: GapKind
    message: str
    endpoint: str
    variant: str
    records: int | None = None
    times: tuple[int, int] | None = None
    key: str | None = None
    spool: str | None = None
    writer: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """One spool as its ledgers describe it: when it was last heard of, and until when its account is whole.

    `alive` says that it has not stopped, and that its next ledger is not overdue.
    """

    spool: str
    endpoint: str
    variant: str
    as_of: int
    complete_until: int
    closed: bool
    alive: bool = False


@dataclass(frozen=True, slots=True)
class Completeness:
    """The judgement over [start, end), in microseconds since 1970 UTC.

    `objects`, `rows` and `events` are those of the ledgers that are really there. Where objects reach beyond the window
    they count whole.
    """

    start: int
    end: int
    gaps: tuple[Gap, ...]
    instances: tuple[Instance, ...]
    objects: int
    rows: int
    events: int

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.gaps

    @property
    def share(self) -> float | None:
        """The share of the window's events that are there; None where a gap's size is unknown."""
        missing = 0
        for gap in self.gaps:
            if gap.records is None:
                return None
            missing += gap.records
        return self.events / (self.events + missing) if self.events + missing else 1.0


@dataclass(slots=True)
class VariantEvidence:
    """What is known of one endpoint's variant: its ledgers of the window's days (and of the day of its end), those of
    the day before the window, the keys that could not be read as ledgers, and the objects that are there with their
    bytes. `rows` counts the rows of objects by key, None for one that cannot be read."""

    endpoint: str
    variant: str
    ledgers: Sequence[Ledger]
    before: Sequence[Ledger]
    unreadable: Sequence[str]
    objects: Mapping[str, int]
    rows: Callable[[Iterable[str]], Mapping[str, int | None]]


def judge(start: int, end: int, evidence: Sequence[VariantEvidence], now: int | None = None) -> Completeness:
    """Judges [start, end) for all endpoints and variants of which there is evidence.

    `now` is the present, in microseconds since 1970 UTC. Without it no instance counts as alive.
    """
    judgements = [_Assessment(start, end, entry, now) for entry in evidence]
    for judgement in judgements:
        judgement.reach()
    gaps = tuple(gap for judgement in judgements for gap in judgement.gaps)
    if not judgements:
        gaps = (Gap(GapKind.NO_LEDGER, "there is neither an object nor a ledger in this window", "", ""),)
    return Completeness(
        start,
        end,
        gaps,
        tuple(instance for judgement in judgements for instance in judgement.instances),
        sum(judgement.objects for judgement in judgements),
        sum(judgement.rows for judgement in judgements),
        sum(judgement.events for judgement in judgements),
    )


@dataclass(slots=True)
class _Assessment:
    start: int
    end: int
    evidence: VariantEvidence
    now: int | None = None
    gaps: list[Gap] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    objects: int = 0
    rows: int = 0
    events: int = 0

    def reach(self) -> None:
        evidence = self.evidence
        for key in evidence.unreadable:
            self._gap(GapKind.UNREADABLE_LEDGER, f"the ledger {key} cannot be read", key=key)
        by_spool: dict[str, list[Ledger]] = defaultdict(list)
        for ledger in sorted(evidence.ledgers, key=lambda ledger: ledger.as_of):
            by_spool[ledger.spool].append(ledger)
        if not by_spool and not evidence.unreadable:
            self._gap(
                GapKind.NO_LEDGER, f"there is no ledger of {evidence.endpoint}/{evidence.variant} for this window"
            )
        self._judge_objects()
        for spool, ledgers in by_spool.items():
            self._judge_instance(spool, ledgers)

    def _judge_objects(self) -> None:
        listed = {key: entry for ledger in self.evidence.ledgers for key, entry in ledger.objects.items()}
        wanted = {
            key: entry
            for key, entry in listed.items()
            if entry.event_times[0] < self.end and entry.event_times[1] >= self.start
        }
        found = self.evidence.rows(key for key in sorted(wanted) if key in self.evidence.objects)
        for key, entry in sorted(wanted.items()):
            rows = found.get(key)
            if rows == entry.rows:
                self.objects, self.rows, self.events = self.objects + 1, self.rows + rows, self.events + entry.events
                continue
            times, lost = entry.event_times, f"{_records(entry.events)} of {_span(entry.event_times)}"
            if key not in self.evidence.objects:
                self._gap(GapKind.MISSING_OBJECT, f"{key} is missing: {lost}", entry.events, times, key=key)
            else:
                has = "cannot be read" if rows is None else f"has {rows} rows, its ledger says {entry.rows}"
                self._gap(GapKind.ROW_COUNT, f"{key} {has}: {lost}", None if rows else entry.events, times, key=key)
        for key in sorted(self.evidence.objects.keys() - listed.keys()):
            self._gap(GapKind.UNLISTED_OBJECT, f"{key} stands in no ledger", key=key)

    def _judge_instance(self, spool: str, ledgers: Sequence[Ledger]) -> None:
        last = ledgers[-1]
        until = max(ledger.complete_until for ledger in ledgers)
        evidence = self.evidence
        alive = not last.closed and self.now is not None and self.now <= (last.next_by or last.as_of + _USUAL_PAUSE)
        self.instances.append(
            Instance(spool, evidence.endpoint, evidence.variant, last.as_of, until, last.closed, alive)
        )
        waiting = sum(max(0, entry.waiting) for entry in last.writers.values())
        if last.closed and waiting:
            message = f"instance {spool} stopped at {_time(last.as_of)} with {_records(waiting)} waiting"
            self._gap(GapKind.WAITING, message, waiting, spool=spool)
        elif alive and until < self.end:
            message = f"instance {spool} is alive: its data is complete until {_time(until)}"
            self._gap(GapKind.PENDING, message, None, (max(until, self.start), self.end), spool=spool)
        elif not last.closed and until < self.end:
            message = (
                f"instance {spool} was last heard of at {_time(last.as_of)}: its data is whole until {_time(until)}"
            )
            self._gap(GapKind.SILENT, message, None, (max(until, self.start), self.end), spool=spool)
        then = next((ledger for ledger in ledgers if ledger.complete_until >= self.end), last)
        earlier = max(
            (ledger for ledger in evidence.before if ledger.spool == spool),
            key=lambda ledger: ledger.as_of,
            default=None,
        )
        for writer in sorted({writer for ledger in ledgers for writer in ledger.writers}):
            entry = next(ledger.writers[writer] for ledger in reversed(ledgers) if writer in ledger.writers)
            known = earlier.writers.get(writer) if earlier else None
            self._judge_lost(spool, writer, entry.lost, then.writers.get(writer), known)
            self._judge_refused(spool, writer, then.writers.get(writer), known, then.as_of)

    def _judge_lost(
        self, spool: str, writer: str, lost: Sequence[Lost], then: WriterEntry | None, known: WriterEntry | None
    ) -> None:
        for entry in lost:
            times = entry.event_times
            if times is None:
                if (known and entry in known.lost) or (then and entry not in then.lost):
                    continue
            elif times[0] >= self.end or times[1] < self.start:
                continue
            count = entry.last - entry.first + 1
            when = _span(times) if times else "a time that nobody knows"
            message = f"writer {writer} lost {_records(count)} of {when} ({entry.reason})"
            self._gap(GapKind.LOST, message, count, times, spool=spool, writer=writer, reason=entry.reason)

    def _judge_refused(
        self, spool: str, writer: str, then: WriterEntry | None, known: WriterEntry | None, as_of: int
    ) -> None:
        for reason, total in sorted(then.refused.items()) if then else ():
            count = total - (known.refused.get(reason, 0) if known else 0)
            if count > 0:
                message = f"writer {writer} turned away {_records(count)} until {_time(as_of)} ({reason})"
                self._gap(GapKind.REFUSED, message, count, spool=spool, writer=writer, reason=reason)

    def _gap(
        self,
        kind: GapKind,
        message: str,
        records: int | None = None,
        times: tuple[int, int] | None = None,
        **more: str,
    ) -> None:
        self.gaps.append(Gap(kind, message, self.evidence.endpoint, self.evidence.variant, records, times, **more))


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count:,} records"


def _time(microseconds: int) -> str:
    return f"{to_datetime(microseconds):%Y-%m-%d %H:%M:%S} UTC"


def _span(times: tuple[int, int]) -> str:
    first, last = to_datetime(times[0]), to_datetime(times[1])
    end = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
    return f"{first:%Y-%m-%d %H:%M:%S} – {end} UTC"
