"""A record of a known shape is written as any other: the same bytes, the same counters, the same refusals."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture import CaptureBuffer, Features, new_event_id
from capture.event_id import event_time_of
from capture.journal.frame import PREFIX
from capture.record import Lookup
from capture.writing.writer import MAX_PLANS
from tests.capture.spools import buffer, counts, events, row, segments

IDS = [new_event_id() for _ in range(12)]
cells = st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | st.text(max_size=4)
odd_cells = cells | st.just("\ud800") | st.lists(st.floats(), max_size=3) | st.just(object()) | st.binary(max_size=3)
mappings = st.dictionaries(st.sampled_from(["a", "b", "c", "é"]), odd_cells, min_size=1) | st.dictionaries(
    st.sampled_from(["a", "b", 7, None]), cells
)
features = mappings | st.lists(mappings, max_size=3) | st.builds(Features, request=mappings, items=st.lists(mappings))
predictions = (
    st.floats()
    | st.integers(-(2**70), 2**70)
    | st.booleans()
    | st.text(max_size=3)
    | st.none()
    | st.lists(mappings)
    | mappings
)
more = st.fixed_dictionaries(
    {},
    optional={
        "event_id": st.sampled_from([*IDS, "of the caller", 17]),
        "inference_id": st.text(max_size=4),
        "custom_attributes": st.text(max_size=4),
        "model_name": st.just("second"),
        "request_features": mappings,
        "lookups": st.just({"planes": Lookup(None, 2)}),
    },
)
calls = st.lists(st.tuples(features, predictions, more, st.booleans()), min_size=1, max_size=6)


def _append(opened: CaptureBuffer, call: tuple[Any, Any, dict[str, Any], bool], number: int) -> bool:
    given_features, outputs, given_more, prepared = call
    given_more = {"event_id": IDS[number % len(IDS)], **given_more}
    if prepared:
        own = {
            name: given_more.pop(name)
            for name in ("event_id", "inference_id", "request_features")
            if name in given_more
        }
        given_features = opened.prepare(given_features, **own)
    return opened.append(given_features, outputs, **given_more)


def _take_the_general_way(opened: CaptureBuffer) -> None:
    """Takes from a buffer what it has ready for known shapes; names keep their order, which is not a matter of plans."""
    opened._encoder.active = True
    for writer in opened._writers.made:
        writer._forget_plans()


def _heads(spool: Path) -> list[bytes]:
    found = []
    for reader in segments(spool):
        for at, _, size in reader.frames(0, reader.committed[1]):
            found.append(reader.frame_bytes(at + PREFIX, at + PREFIX + size))
    return found


@settings(max_examples=20, deadline=None)
@given(calls)
def test_a_known_shape_is_written_as_an_unknown_one_byte_for_byte(several: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        known, unknown = Path(folder) / "known", Path(folder) / "unknown"
        with buffer(known) as with_plans, buffer(unknown) as without:
            with_plans._clock = without._clock = lambda: 1_700_000_000_123_456_789
            for number, call in enumerate([*several, *several, *several]):
                _take_the_general_way(without)
                assert _append(with_plans, call, number) == _append(without, call, number)
            assert counts(known / "spool") == counts(unknown / "spool")
        assert _heads(known / "spool") == _heads(unknown / "spool")


def test_rows_of_known_names_go_by_a_plan_and_keep_their_numbers_over_many_segments(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:
        for number in range(5_000):
            accepted = opened.append({"mark": number, "text": "x" * 1_000}, 0.5)
            while not accepted:
                accepted = opened.append({"mark": number, "text": "x" * 1_000}, 0.5)
        assert any(writer.row_plans for writer in opened._writers.made)
        kept = counts(tmp_path / "spool")
    found = events(tmp_path / "spool")
    assert len(segments(tmp_path / "spool")) > 1
    assert sorted(row(event.items)["mark"] for event in found) == list(range(5_000))
    assert [event.number for event in found] == list(range(1, 5_001))
    assert kept["kept"] == kept["rows"] == 5_000


def test_a_plan_makes_ids_with_the_time_of_the_record(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:
        for _ in range(20):
            assert opened.append({"a": 1.5, "b": "text"}, 0.5)
    found = events(tmp_path / "spool")
    assert len({event.event_id for event in found}) == 20
    assert all(event_time_of(event.event_id) == event.event_time for event in found)


@pytest.mark.parametrize("changes", [{"exclude": ["secret"]}, {"hash": ["secret"], "hash_key": "k" * 16}])
def test_no_plan_is_made_where_settings_restrict_what_is_captured(tmp_path: Path, changes: dict[str, Any]) -> None:
    with buffer(tmp_path, **changes) as opened:
        for _ in range(5):
            assert opened.append({"secret": "visible", "a": 1.0}, 0.5)
            prepared = opened.prepare([{"secret": "visible", "a": 1.0}], event_id=new_event_id())
            assert opened.append(prepared, [{"secret": "visible"}])
        assert not any(writer.row_plans for writer in opened._writers.made)
    assert not any(b"visible" in head for head in _heads(tmp_path / "spool"))


def test_sampling_decides_on_rows_of_known_names_too(tmp_path: Path) -> None:
    with buffer(tmp_path, sampling_percentage=0) as opened:
        for _ in range(5):
            assert opened.append({"a": 1.0}, 0.5)
    assert events(tmp_path / "spool") == []


def test_a_buffer_keeps_a_bounded_number_of_plans(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:
        for size in range(1, 3 * MAX_PLANS):
            for _ in range(2):
                assert opened.append({f"feature_{number}": 1.0 for number in range(size)}, 0.5)
        assert max(len(writer.row_plans) for writer in opened._writers.made) == MAX_PLANS


def test_a_model_that_changes_its_features_in_place_does_not_change_what_was_prepared(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:
        for number in range(3):
            given_features = Features(request={"day": [number]}, items=[{"seats": [number]}, {"seats": [number]}])
            prepared = opened.prepare(given_features, event_id=new_event_id())
            given_features.request["day"].append("changed")
            given_features.items[0]["seats"].append("changed")
            assert opened.append(prepared, [{"risk": 0.5}, {"risk": 0.25}])
    assert not any(b"changed" in head for head in _heads(tmp_path / "spool"))
    assert [event.items.rows for event in events(tmp_path / "spool")] == [[[[n]], [[n]]] for n in range(3)]  # type: ignore[union-attr]
