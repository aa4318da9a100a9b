"""docs/goals.md holds the figures of benchmarks/results."""

from pathlib import Path

from benchmarks import goals

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_of_the_goals_follows_from_the_results():
    assert (ROOT / "docs/goals.md").read_text() == goals.document(), "run: python -m benchmarks.goals"


def test_a_goal_without_a_result_is_listed_as_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(goals, "RESULTS", tmp_path)
    rows = [line for line in goals.document().splitlines() if line.startswith("| ") and "goal" not in line]
    assert len(rows) >= 12
    assert all("not measured" in row for row in rows)
