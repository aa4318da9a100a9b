"""A monitor is described once, in `monitor.toml`; a flag wins; a mistake is named with what is allowed."""

from __future__ import annotations

import pytest

from monitoring.errors import UsageError
from monitoring.settings import load_settings

DESCRIPTION = """
name = "flights"
captured = "s3://bucket/captured"
min_complete = 0.9
ignore = ["row_id"]
[columns.wind_gust]
completeness = 0.3
[notify]
topic = "arn:aws:sns:eu-west-1:1:t"
"""


@pytest.fixture
def described(tmp_path):
    path = tmp_path / "monitor.toml"
    path.write_text(DESCRIPTION)
    return path


def test_a_flag_wins_over_the_file_and_the_file_over_the_default(described):
    settings = load_settings(described, {"min_complete": 0.5, "name": None})
    assert (settings.name, settings.min_complete, settings.level) == ("flights", 0.5, 0.05)
    assert settings.column("wind_gust").completeness == 0.3
    assert settings.column("row_id").ignore
    assert not settings.column("temp").ignore


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("levle = 0.1", "levle.*level"),
        ("level = 1.5", "level: .*< 1"),
        ('engine = "dask"', "engine: .*dask"),
        ("[columns.x]\ncompletness = 1", r"columns.*completness.*completeness"),
        ("level =", "is not TOML"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(tmp_path, line, named):
    path = tmp_path / "monitor.toml"
    path.write_text(line)
    with pytest.raises(UsageError, match=named):
        load_settings(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*monitor\.toml"):
        load_settings(tmp_path / "monitor.toml")


def test_every_command_has_a_module_and_every_key_a_flag_with_help():
    import argparse
    import importlib

    from monitoring.__main__ import _COMMANDS
    from monitoring.commands.arguments import _KEYS, add_settings

    for name in _COMMANDS:
        module = importlib.import_module(f"monitoring.commands.{name.replace('-', '_')}")
        module.add_arguments(argparse.ArgumentParser())
        assert callable(module.run)
    parser = argparse.ArgumentParser()
    add_settings(parser)
    text = parser.format_help()
    assert all(f"--{key.replace('_', '-')}" in text for key in _KEYS)
