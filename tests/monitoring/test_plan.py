"""The plan: more traffic shows smaller changes, and too little is said to show nothing."""

from __future__ import annotations

import json

import pytest

from monitoring.__main__ import main


def sights(capsys, *arguments):
    assert main(["plan", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_longer_window_shows_a_smaller_change(capsys):
    hour, day, week = sights(capsys, "--requests", "200", "--rows", "15")
    assert hour["mean"] > day["mean"] > week["mean"]
    assert hour["linf"] > day["linf"] > week["linf"]


def test_sampling_makes_changes_harder_to_see(capsys):
    whole = sights(capsys, "--requests", "500")[0]
    tenth = sights(capsys, "--requests", "500", "--sampling-percentage", "10")[0]
    assert tenth["requests"] == whole["requests"] / 10
    assert tenth["mean"] > whole["mean"]


def test_too_little_traffic_is_said(capsys):
    assert main(["plan", "--requests", "3"]) == 0
    assert "not judged: 3 requests; at least 10 are needed" in capsys.readouterr().out


@pytest.mark.parametrize(("flag", "value"), [("--correlation", "2"), ("--requests", "-1"), ("--level", "0.9")])
def test_a_number_that_is_not_allowed_is_named(capsys, flag, value):
    assert main(["plan", "--requests", "9", flag, value]) == 2
    assert flag in capsys.readouterr().err
