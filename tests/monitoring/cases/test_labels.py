"""Labels and model quality over captured data: R43 to R52, each through the command or a whole run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitoring import Monitor
from monitoring.__main__ import main
from monitoring.quality.predictions import CapturedPredictions
from monitoring.quality.problem import Problem, Question
from monitoring.quality.result import QualityResult, decode
from monitoring.quality.run import QualityRun, judge_quality
from tests.monitoring.quality.captured import LATER, NOON, WINDOW, Event, label_line, write_captured, write_labels

RNG = np.random.default_rng(43)
FLAGS = ["--start", "2026-03-02T12:00Z", "--end", "2026-03-02T14:00Z", "--now", "2026-03-05T13:00:00Z", "--json"]


def binary(folder: Path, scores: Iterable[float], labels: Sequence[float | None], capsys: Any) -> QualityResult:
    """What the command finds about requests of one row; a label None never arrives."""
    folder.mkdir(parents=True, exist_ok=True)
    scores = list(scores)
    step = 7200 / len(scores)
    events = [
        Event([float(score)], time=NOON + dt.timedelta(seconds=int(step * number)), number=number)
        for number, score in enumerate(scores)
    ]
    write_captured(f"{folder}/c", events)
    lines = [label_line(event.id, int(label)) for event, label in zip(events, labels, strict=True) if label is not None]
    write_labels(f"{folder}/g", lines)
    given = ["--captured", f"{folder}/c", "--ground-truth", f"{folder}/g", "--problem", "binary"]
    assert main(["quality", *given, "--probability", "prediction", *FLAGS]) in (0, 3, 4)
    return decode(capsys.readouterr().out.encode())


def width(result: QualityResult, name: str) -> float:
    metric = result.metric(name)
    assert metric is not None
    assert metric.low is not None
    assert metric.high is not None
    return metric.high - metric.low


def value(result: QualityResult, name: str) -> float | None:
    metric = result.metric(name)
    assert metric is not None
    return metric.value


def test_r43_metrics_are_of_the_labelled_part_with_its_coverage_and_a_wider_interval(tmp_path: Path, capsys) -> None:
    labels = RNG.binomial(1, 0.35, 800)
    scores = np.clip(labels * 0.3 + RNG.random(800) * 0.7, 0, 1)
    part = [int(label) if number % 4 == 0 else None for number, label in enumerate(labels)]
    whole = binary(tmp_path / "all", scores, labels.tolist(), capsys)
    quarter = binary(tmp_path / "part", scores, part, capsys)
    assert (quarter.rows, quarter.labelled) == (800, 200)
    pairs = [(score, label) for score, label in zip(scores, part, strict=True) if label is not None]
    wins = [(p > n) + 0.5 * (p == n) for p, a in pairs if a for n, b in pairs if not b]
    assert value(quarter, "auc") == pytest.approx(np.mean(wins))
    assert width(quarter, "auc") > 1.4 * width(whole, "auc")


def test_r45_one_class_gives_no_auc_with_the_reason_and_the_losses(tmp_path: Path, capsys) -> None:
    result = binary(tmp_path, RNG.random(200), [1] * 200, capsys)
    auc = result.metric("auc")
    assert auc is not None
    assert auc.value is None
    assert "no negative label" in auc.reason
    assert value(result, "log_loss") is not None
    assert value(result, "accuracy") is not None


def test_r45_classes_without_a_label_are_listed(tmp_path: Path) -> None:
    events = [Event([("cat", "dog", "owl")[number % 3]], number=number) for number in range(60)]
    write_captured(f"{tmp_path}/c", events)
    write_labels(f"{tmp_path}/g", [label_line(e.id, {"label": ("cat", "dog")[n % 2]}) for n, e in enumerate(events)])
    question = Question(Problem.MULTICLASS, prediction="prediction")
    run = QualityRun(CapturedPredictions(f"{tmp_path}/c"), f"{tmp_path}/g", WINDOW, question)
    judged = judge_quality(run, LATER + dt.timedelta(hours=1))
    assert judged.result.absent_classes == ("owl",)


def test_r46_rare_positives_stand_beside_the_constant_and_their_recall_is_uncertain(tmp_path: Path, capsys) -> None:
    labels = [1] * 4 + [0] * 1996
    scores = [0.9, 0.8, 0.7, 0.1, *(RNG.random(1996) * 0.45)]
    result = binary(tmp_path, scores, labels, capsys)
    assert value(result, "accuracy") == pytest.approx(0.9995)
    assert value(result, "accuracy_best_constant_classifier") == pytest.approx(0.998)
    recall = result.metric("recall")
    assert recall is not None
    assert recall.value == pytest.approx(0.75)
    assert (recall.low is None and recall.interval_reason) or width(result, "recall") > 0.6
    assert not any(comparison.worse for comparison in result.comparisons)


def ranked(folder: Path, requests: Sequence[tuple[Sequence[float], Sequence[float]]]) -> QualityResult:
    """What a run finds about requests of (scores, labels)."""
    events = [Event(list(map(float, scores)), number=number) for number, (scores, _) in enumerate(requests)]
    write_captured(f"{folder}/c", events)
    write_labels(
        f"{folder}/g", [label_line(e.id, list(labels)) for e, (_, labels) in zip(events, requests, strict=True)]
    )
    question = Question(Problem.RANKING, prediction="prediction", k=5)
    run = QualityRun(CapturedPredictions(f"{folder}/c"), f"{folder}/g", WINDOW, question)
    return judge_quality(run, LATER + dt.timedelta(hours=1)).result


def test_r47_ndcg_has_linear_gain_and_the_ideal_of_all_labels(tmp_path: Path) -> None:
    labels = [2, 0, 3, 1, 0, 3, 2]
    gains = lambda order: sum(gain / np.log2(place + 2) for place, gain in enumerate(order[:5]))  # noqa: E731
    result = ranked(tmp_path, [(range(7, 0, -1), labels)] * 12)
    assert value(result, "ndcg_at_5") == pytest.approx(gains(labels) / gains(sorted(labels, reverse=True)))


def test_r49_requests_that_say_nothing_are_left_out_and_ties_count_by_all_orders(tmp_path: Path) -> None:
    silent = [([0.4], [1]), ([0.8, 0.3, 0.2], [0, 0, 0])]
    telling = [([0.5, 0.5], [0, 1]), ([0.1, 0.6, 0.9], [0, 1, 0])]
    result = ranked(tmp_path, (silent + telling) * 10)
    assert value(result, "mrr") == pytest.approx((0.75 + 0.5) / 2)


def test_r50_the_latest_upload_wins_and_copies_and_corrections_are_counted(tmp_path: Path) -> None:
    write_captured(f"{tmp_path}/c", [Event([0.25], inference_id="order-7")])
    uploads = [(3, "02T16"), (9, "04T01"), (9, "04T01"), (5, "03T23")]
    for number, (label, hour) in enumerate(uploads):
        arrived = dt.datetime.fromisoformat(f"2026-03-{hour}:00:00+00:00")
        write_labels(f"{tmp_path}/g", [label_line("order-7", label)], arrived, f"{number}.jsonl")
    question = Question(Problem.REGRESSION, prediction="prediction")
    run = QualityRun(CapturedPredictions(f"{tmp_path}/c"), f"{tmp_path}/g", WINDOW, question)
    judged = judge_quality(run, LATER + dt.timedelta(hours=20))
    assert judged.state.label.tolist() == [9.0]
    assert (judged.result.corrected, judged.result.copies) == (1, 1)


def test_r52_rows_are_weighed_by_what_they_stand_for(tmp_path: Path) -> None:
    events = [
        Event(
            [0.5],
            {"shop": ["north" if number < 600 else "south"]},
            number=number,
            sampling=100.0 if number < 600 else 20.0,
        )
        for number in range(800)
    ]
    write_captured(f"{tmp_path}/c", events)
    report = Monitor(pd.DataFrame({"shop": ["north", "south", "south", "north", "south"] * 400})).run(f"{tmp_path}/c")
    shares = {bar.label: bar.window for bar in report.columns["shop"].bins}
    assert shares["south"] == pytest.approx(1000 / 1600, abs=0.001)
    assert any("100 %" in note and "20 %" in note for note in report.result.notes)
