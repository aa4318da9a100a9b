"""A pyarrow that cannot be imported stops the shipper with one line; no record is blamed, and all of them ship later."""

from __future__ import annotations

from pathlib import Path

import pytest

from capture.encoding import parquet
from tests.capture.shipping.stage import Stage
from tests.capture.shipping.test_ship import Command, command
from tests.faults.processes import last_line

__all__ = ["command"]
RECORDS = 7


def broken_package(directory: Path, name: str) -> Path:
    """Makes a package that fails as a pyarrow built for another NumPy does; returns the directory to import it from."""
    package = directory / "broken" / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('numpy._core.multiarray failed to import\\nsecond line')\n")
    return package.parent


def test_a_pyarrow_that_cannot_be_imported_is_one_line_and_the_records_stay(command: Command, tmp_path: Path) -> None:
    writer = command.writer()
    for number in range(RECORDS):
        assert writer.append({"n": number}, 0.5)
    assert not writer.close(timeout=0)
    broken = command.start("--until-idle", PYTHONPATH=str(broken_package(tmp_path, "pyarrow")))
    assert broken.wait(60) == 1
    (line,) = command.said.splitlines()
    assert line.startswith("capture ship: the shipper stops, and the records stay in the spool")
    assert "multiarray failed to import second line" in line
    assert not list((command.spool / "quarantine").glob("*"))
    assert command.start("--until-idle").wait(60) == 0
    assert last_line(command.said).shipped == RECORDS


def test_an_import_that_fails_while_a_batch_is_encoded_sets_no_record_aside(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.append(stage.writer(), RECORDS)

    def fail(*_: object) -> bytes:
        raise ImportError("a lazy import fails")

    with monkeypatch.context() as broken:
        broken.setattr(parquet, "encode", fail)
        for _ in range(3):  # the second and the third find a batch that was tried, and let a child try it first
            shipper = stage.shipper()
            with pytest.raises(ImportError, match="a lazy import fails"):
                stage.drain(shipper)
            shipper.close()
    stage.finish()
    stage.assert_exactly_once()
    stage.assert_balanced()


def test_an_import_that_fails_while_a_record_is_read_sets_no_record_aside(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.append(stage.writer(), RECORDS)

    def fail(*_: object) -> None:
        raise ImportError("a lazy import fails")

    with monkeypatch.context() as broken:
        broken.setattr("capture.journal.segment.SegmentReader.event", fail)
        shipper = stage.shipper()
        with pytest.raises(ImportError, match="a lazy import fails"):
            stage.drain(shipper)
        shipper.close()
    stage.finish()
    stage.assert_exactly_once()
    stage.assert_balanced()
