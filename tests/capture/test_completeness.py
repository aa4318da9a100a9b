"""A window can be proved complete, and each thing that is missing is named (DESIGN section 5)."""

from collections.abc import Iterable, Mapping
from typing import Any

from capture.ledger import Ledger, Lost, ObjectEntry, WriterEntry
from capture.reading.completeness import Completeness, Gap, GapKind, VariantEvidence, judge
from tests.capture.samples import HOUR, NOON, SECOND, entry

START, END = NOON, NOON + HOUR
KEY = "flights/AllTraffic/2026/01/01/12/batch-1.parquet"
OBJECT = ObjectEntry(rows=30, events=10, event_times=(NOON + SECOND, NOON + 59 * SECOND))


def ledger(spool: str = "spool-1", until: int = END, **more: Any) -> Ledger:
    given: dict[str, Any] = {
        "spool": spool, "endpoint_name": "flights", "variant_name": "AllTraffic", "as_of": until, "complete_until": until,
        "closed": False, "objects": {KEY: OBJECT}, "writers": {"w": entry(10)},
    }  # fmt: skip
    return Ledger(**{**given, **more})


def judged(
    *ledgers: Ledger,
    before: Iterable[Ledger] = (),
    there: Mapping[str, int | None] | None = None,
    unreadable: Iterable[str] = (),
    window: tuple[int, int] = (START, END),
) -> Completeness:
    """The judgement where the objects `there` (by key their rows) really are."""
    rows = {KEY: 30} if there is None else there
    evidence = VariantEvidence(
        "flights", "AllTraffic", ledgers, list(before), list(unreadable), dict.fromkeys(rows, 1), lambda keys: {key: rows[key] for key in keys}
    )  # fmt: skip
    return judge(*window, [evidence])


def only(found: Completeness) -> Gap:
    """The one gap that there is."""
    (gap,) = found.gaps
    assert not found.complete
    return gap


def test_a_window_that_every_ledger_covers_is_complete() -> None:
    found = judged(ledger())
    assert found.complete
    assert (found.objects, found.rows, found.events, found.share) == (1, 30, 10, 1.0)


def test_a_quiet_window_is_complete_too() -> None:
    found = judged(ledger(objects={}), there={})
    assert found.complete
    assert (found.rows, found.share) == (0, 1.0)


def test_an_object_that_is_gone_is_named() -> None:
    gap = only(judged(ledger(), there={}))
    assert (gap.kind, gap.key, gap.records, gap.times) == (GapKind.MISSING_OBJECT, KEY, 10, OBJECT.event_times)
    assert gap.message == f"{KEY} is missing: 10 records of 2026-01-01 12:00:01 – 12:00:59 UTC"


def test_the_share_counts_what_is_known_to_be_missing() -> None:
    other = ledger(objects={KEY: OBJECT, KEY.replace("batch-1", "batch-2"): OBJECT})
    assert judged(other).share == 0.5
    assert judged(ledger(until=START)).share is None


def test_an_object_with_other_rows_than_its_ledger_says_is_named() -> None:
    gap = only(judged(ledger(), there={KEY: 29}))
    assert (gap.kind, gap.key) == (GapKind.ROW_COUNT, KEY)
    assert "has 29 rows, its ledger says 30" in gap.message
    assert "cannot be read" in only(judged(ledger(), there={KEY: None})).message


def test_an_object_in_no_ledger_is_named() -> None:
    stray = KEY.replace("batch-1", "stray")
    gap = only(judged(ledger(), there={KEY: 30, stray: 5}))
    assert (gap.kind, gap.key) == (GapKind.UNLISTED_OBJECT, stray)


def test_objects_beside_the_window_do_not_matter() -> None:
    before = ObjectEntry(1, 1, (START - HOUR, START - 1))
    after = ObjectEntry(1, 1, (END, END))
    assert judged(ledger(objects={KEY: OBJECT, "earlier": before, "later": after})).complete


def test_what_a_writer_lost_is_named_with_reason_count_and_times() -> None:
    lost = Lost("spool_full", 3, 7, (NOON + SECOND, NOON + 5 * SECOND))
    gap = only(judged(ledger(writers={"w": entry(10, 2, lost=[lost])})))
    assert (gap.kind, gap.writer, gap.reason, gap.records) == (GapKind.LOST, "w", "spool_full", 5)
    assert gap.message == "writer w lost 5 records of 2026-01-01 12:00:01 – 12:00:05 UTC (spool_full)"
    assert gap.times == lost.event_times


def test_what_was_lost_at_another_time_is_no_gap_of_this_window() -> None:
    lost = [Lost("spool_full", 1, 2, (START - HOUR, START - 1)), Lost("corrupt", 3, 3, (END, END + 1))]
    assert judged(ledger(writers={"w": entry(10, 7, lost=lost)})).complete


def test_what_was_lost_at_an_unknown_time_is_a_gap_until_an_earlier_ledger_has_it() -> None:
    now = ledger(writers={"w": entry(10, 9, lost=[Lost("corrupt", 10, 10)])})
    assert only(judged(now)).kind is GapKind.LOST
    assert judged(now, before=[ledger(until=START, writers=now.writers)]).complete


def test_a_loss_that_was_found_after_the_window_is_no_gap_of_it() -> None:
    tomorrow = ledger(until=END + HOUR, writers={"w": entry(10, 9, lost=[Lost("corrupt", 10, 10)])})
    assert judged(ledger(), tomorrow).complete


def test_what_append_turned_away_is_named_by_reason() -> None:
    gap = only(judged(ledger(writers={"w": entry(10, refused={"too_large": 3})})))
    assert (gap.kind, gap.writer, gap.reason, gap.records) == (GapKind.REFUSED, "w", "too_large", 3)


def test_what_was_turned_away_on_the_day_before_is_not_counted_again() -> None:
    yesterday = ledger(until=START - HOUR, writers={"w": entry(10, refused={"too_large": 3})})
    assert judged(ledger(writers=yesterday.writers), before=[yesterday]).complete
    more = ledger(writers={"w": entry(12, refused={"too_large": 4})})
    assert only(judged(more, before=[yesterday])).records == 1


def test_an_instance_that_fell_silent_is_named_with_its_last_word() -> None:
    gap = only(judged(ledger(until=NOON + 12 * 60 * SECOND)))
    assert (gap.kind, gap.spool, gap.records) == (GapKind.SILENT, "spool-1", None)
    assert gap.message == (
        "instance spool-1 was last heard of at 2026-01-01 12:12:00 UTC: its data is whole until 2026-01-01 12:12:00 UTC"
    )
    assert gap.times == (NOON + 12 * 60 * SECOND, END)


def test_an_instance_that_stopped_in_order_has_no_gap_after_its_end() -> None:
    assert judged(ledger(until=NOON + SECOND, closed=True)).complete


def test_an_instance_that_stopped_with_records_waiting_is_named() -> None:
    gap = only(judged(ledger(until=NOON + SECOND, closed=True, writers={"w": entry(10, 8)})))
    assert (gap.kind, gap.records) == (GapKind.WAITING, 2)


def test_one_silent_instance_among_others_is_found() -> None:
    found = judged(ledger(), ledger("spool-2", until=START + SECOND, objects={}))
    assert only(found).spool == "spool-2"
    assert {instance.spool for instance in found.instances} == {"spool-1", "spool-2"}


def test_a_later_ledger_of_the_same_instance_covers_the_days_before() -> None:
    early = ledger(until=NOON + SECOND)
    late = ledger(until=END + HOUR, objects={})
    assert judged(early, late).complete


def test_no_ledger_at_all_is_a_gap() -> None:
    kinds = {gap.kind for gap in judged(there={KEY: 30}).gaps}
    assert kinds == {GapKind.NO_LEDGER, GapKind.UNLISTED_OBJECT}
    assert only(judge(START, END, [])).kind is GapKind.NO_LEDGER


def test_a_ledger_that_cannot_be_read_is_named() -> None:
    gap = only(judged(ledger(), unreadable=["_ledger/f/v/2026/01/01/s.json"]))
    assert (gap.kind, gap.key) == (GapKind.UNREADABLE_LEDGER, "_ledger/f/v/2026/01/01/s.json")


def test_a_writer_that_a_later_ledger_forgot_still_counts() -> None:
    lost = Lost("spool_full", 3, 7, (NOON + SECOND, NOON + 5 * SECOND))
    writers: dict[str, WriterEntry] = {"w": entry(10, 2, lost=[lost])}
    assert only(judged(ledger(writers=writers), ledger(until=END + HOUR, writers={}))).kind is GapKind.LOST
