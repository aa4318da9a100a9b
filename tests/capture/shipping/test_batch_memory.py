"""Records that take far more memory than their bytes in the spool: batches are halved, and no record is lost for it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from capture import CaptureBuffer, CaptureConfig
from capture.encoding import jsonl
from capture.record import Event, Rows
from capture.shipping import batch, batch_memory, manifest_files
from capture.shipping.batch_memory import MAX_GROWTH, BatchMemory, BatchTooLarge
from capture.shipping.daemon_executor import DaemonExecutor
from tests.capture.shipping.stage import Stage

Make = Callable[..., Stage]


def event(rows: int = 1, inference_id: str | None = None) -> Event:
    items = Rows((), [()] * rows)
    return Event("w", 1, "id", 0, inference_id, None, None, {}, {}, None, items, Rows(("",), [(0.5,)] * rows))


def test_a_batch_is_given_up_once_the_process_has_grown_too_much() -> None:
    sizes = iter([10 << 20, (10 << 20) + MAX_GROWTH, (11 << 20) + MAX_GROWTH])
    memory = BatchMemory(lambda: next(sizes))
    memory.took(event(), 1 << 20)
    with pytest.raises(BatchTooLarge, match="97 MiB"):
        memory.took(event(), 1 << 20)


@pytest.mark.parametrize(("rows", "inference_id"), [(1, None), (10_000, None), (100, "i" * 8000)])
def test_small_records_are_looked_at_rarely_and_many_rows_and_long_ids_at_once(
    rows: int, inference_id: str | None
) -> None:
    looks = count()
    memory = BatchMemory(lambda: 0 * next(looks))
    memory.took(event(rows, inference_id), 500)
    assert next(looks) == (1 if rows == 1 else 2)


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_a_batch_that_takes_too_much_memory_goes_on_as_halves(
    make_stage: Make, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Every record arrives once, and no child process tries a batch of which nothing is known but its size."""
    monkeypatch.setattr(batch_memory, "MAX_GROWTH", 2 << 20)
    monkeypatch.setattr(batch_memory, "_LOOK_EVERY", 1)
    monkeypatch.setattr(
        batch, "BatchMemory", lambda: BatchMemory(count(0, 1 << 20).__next__)
    )  # 1 MiB more at each look
    stage = make_stage(limit=64 << 20, format=form)
    monkeypatch.setattr("tests.capture.shipping.stage.survives", lambda *_: pytest.fail("a batch was tried in a child"))
    writer = stage.writer(format=form)
    stage.append(writer, 8, nested=[[]] * 30_000)
    stage.finish()
    stage.assert_exactly_once()
    stage.assert_balanced()
    assert form == "jsonl" or len(stage.sink.data) > 2
    assert not list((stage.directory / "quarantine").glob("*"))


def test_a_batch_that_was_encoded_once_is_never_halved(make_stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its objects may be at their destination: halves would write their records under other names."""

    stage = make_stage(limit=64 << 20)
    stage.append(stage.writer(), 6, nested=[[]] * 30_000)
    stage.sink.fails = lambda key: None if key.startswith("_ledger/") else OSError("the first shipper ends here")
    for writer in list(stage.writers):
        stage.close_writer(writer)
    first = stage.shipper()
    first.drain()
    for _ in range(500):
        first.step()
        first.wait(10)
        manifests = [manifest_files.decode(path.read_bytes()) for path in (stage.directory / "batches").glob("*.json")]
        if any(manifest.encoded for manifest in manifests):
            break
    first.close()
    stage.sink.fails = lambda key: None
    monkeypatch.setattr(batch_memory, "MAX_GROWTH", -1)
    monkeypatch.setattr(batch_memory, "_LOOK_EVERY", 1)
    stage.finish()
    stage.assert_exactly_once()
    assert len(stage.sink.data) == 1


def test_an_event_of_more_lines_than_fit_is_set_aside_and_the_others_arrive(
    make_stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "_MAX_EVENT", 100_000)
    stage = make_stage(limit=64 << 20, format="jsonl")
    writer = stage.writer(format="jsonl")
    stage.append(writer, 3)
    assert writer.append([{"n": n} for n in range(300)], np.zeros(300), inference_id="i" * 200)
    stage.append(writer, 3)
    stage.finish()
    stage.assert_exactly_once()
    stage.assert_balanced(unencodable=1)
    assert list((stage.directory / "quarantine").glob("*.frame"))


def test_a_record_of_more_rows_than_an_object_takes_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa

    config = CaptureConfig(destination=f"file://{tmp_path}/captured", spool_dir=tmp_path / "spool")
    buffer = CaptureBuffer(config, start_shipper=False)
    rows = pa.table({"a": pa.nulls(1_000_001)})
    assert buffer.append({"a": 1.0}, 0.5)
    assert not buffer.append(rows, [0.5])
    assert not buffer.append(buffer.prepare(rows, event_id="one"), [0.5])
    assert buffer.stats().dropped == {"too_large": 2}
    buffer.close(timeout=0)


def test_a_thread_keeps_no_result() -> None:
    """The objects of a batch are let go before the next one is encoded."""

    class Large:
        pass

    thread = DaemonExecutor("results")
    future = thread.submit(Large)
    kept = weakref.ref(future.result(30))
    del future
    assert thread.submit(lambda: 1).result(30) == 1
    gc.collect()
    assert kept() is None
    assert not thread.busy
    thread.close()
