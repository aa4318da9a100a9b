"""What a server of one's own sees: help that stands alone, counters, versions, and mistakes that are logged."""

from __future__ import annotations

import logging
import tomllib
from pathlib import Path

import prometheus_client
import pytest

import capture
from capture import CaptureBuffer, CaptureConfig
from capture.__main__ import main
from capture.config import WRITER_VERSION
from capture.prometheus import CaptureCollector
from tests.capture.spools import buffer


def test_the_version_is_one_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert capture.__version__ == project["version"]
    assert f"endpoint-capture {capture.__version__}" == WRITER_VERSION
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"endpoint-capture {capture.__version__}\n"


@pytest.mark.parametrize("thing", [CaptureBuffer, CaptureBuffer.append, CaptureConfig, capture.read])
def test_help_cites_no_file_that_a_user_does_not_have(thing: object) -> None:
    assert thing.__doc__
    assert "DESIGN" not in thing.__doc__
    assert ".py`" not in thing.__doc__


def test_a_buffer_gives_its_counters(tmp_path: Path) -> None:
    with buffer(tmp_path) as opened:
        assert opened.append({"a": 1}, 0.5)
        assert not opened.append({"a": object()}, 0.5)
        stats = opened.stats()
        assert (stats.appended, stats.waiting, stats.dropped) == (2, 1, {"unencodable": 1})
    assert CaptureBuffer(CaptureConfig()).stats().appended == 0


def test_prometheus_collects_every_counter_of_a_buffer(tmp_path: Path) -> None:
    registry = prometheus_client.CollectorRegistry()
    with buffer(tmp_path) as opened:
        registry.register(CaptureCollector(opened))
        assert opened.append({"a": 1}, 0.5)
        assert not opened.append({"a": object()}, 0.5)
        assert registry.get_sample_value("capture_records_appended_total") == 2
        assert registry.get_sample_value("capture_records_dropped_total", {"reason": "unencodable"}) == 1


def test_a_variable_that_capture_does_not_know_is_logged_by_a_buffer_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CAPTURE_DESTINATON", "s3://bucket")
    with caplog.at_level(logging.INFO, "capture"):
        CaptureBuffer(CaptureConfig.from_env())
    assert "is CAPTURE_DESTINATION meant?" in caplog.text
    assert "CAPTURE_DESTINATION is not set: nothing is captured" in caplog.text
