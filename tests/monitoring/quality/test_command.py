"""`python -m monitoring quality` as a person uses it: exit codes, files, one line for an expected error."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.__main__ import main
from monitoring.quality.result import decode
from tests.monitoring.quality.captured import LATER, binary_events, label_line, write_captured, write_labels

WINDOW = ["--start", "2026-03-02T12:00Z", "--end", "2026-03-02T14:00Z"]
NOW = ["--now", "2026-03-05T13:00:00Z"]


def given(
    folder: Path,
    name: str,
    *,
    seed: int,
    bias: float = 0.0,
    shift: float = 0.0,
    requests: int = 300,
    season: float | None = None,
) -> list[str]:
    """Writes a window and its labels and returns the flags that name them."""
    events, labels = binary_events(requests, np.random.default_rng(seed), shift=shift, bias=bias, season=season)
    write_captured(f"{folder}/{name}/captured", events, "prediction_risk")
    lines = [label_line(entry.id, found) for entry, found in zip(events, labels, strict=True)]
    write_labels(f"{folder}/{name}/labels", lines, LATER)
    return [
        "quality", "--captured", f"{folder}/{name}/captured", "--ground-truth", f"{folder}/{name}/labels",
        "--problem", "binary", "--probability", "prediction_risk",
    ]  # fmt: skip


def test_a_good_window_makes_a_baseline_and_a_window_like_it_is_ok(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save = ["--save-baseline", f"{tmp_path}/baseline", "--inputs", "x", "--inputs", "region"]
    assert main([*given(tmp_path, "march", seed=1), *WINDOW, *NOW, *save]) == 4
    assert "no baseline to compare with" in capsys.readouterr().out
    like_it = [*given(tmp_path, "april", seed=2), *WINDOW, *NOW, "--baseline", f"{tmp_path}/baseline"]
    assert main([*like_it, "--output", f"{tmp_path}/out"]) == 0
    assert "Quality is as in training." in capsys.readouterr().out
    statistics = json.loads((tmp_path / "out/statistics.json").read_text())
    assert statistics["dataset"]["item_count"] == 1800
    assert json.loads((tmp_path / "out/constraint_violations.json").read_text()) == {"violations": []}
    assert decode((tmp_path / "out/quality.json").read_bytes()).outcome == "ok"
    assert len(list((tmp_path / "out/quality_states").rglob("*.arrow"))) == 2


def test_a_fallen_window_gives_violations_and_a_large_final_fall_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*given(tmp_path, "march", seed=1), *WINDOW, *NOW, "--save-baseline", f"{tmp_path}/b", "--inputs", "x"])
    capsys.readouterr()
    flags = [*given(tmp_path, "april", seed=3, bias=0.8), *WINDOW, "--baseline", f"{tmp_path}/b", "--json"]
    assert main([*flags, *NOW]) == 3
    result = decode(capsys.readouterr().out.encode())
    assert result.causes[0].urgency == "page"
    assert result.causes[0].key == "quality:calibration_gap"
    assert "too low" in result.causes[0].title
    # An hour after the window the labels are not there yet: no verdict, no cause, nothing to page.
    assert main([*flags, "--now", "2026-03-02T15:00Z"]) == 4
    early = decode(capsys.readouterr().out.encode())
    assert (early.maturity.stage, early.causes, early.violations) == ("open", (), ())


def test_the_page_of_a_run_shows_the_quality_of_its_window_when_labels_arrive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, output = given(tmp_path, "march", seed=1), tmp_path / "out"
    captured = good[good.index("--captured") + 1]
    main([*good, *WINDOW, *NOW, "--save-baseline", f"{tmp_path}/b", "--inputs", "x"])
    main(["baseline", "--captured", captured, "--output", f"{tmp_path}/drift"])
    main(["run", "--captured", captured, "--baseline", f"{tmp_path}/drift", "--output", str(output), *WINDOW])
    page = output / "report.html"
    assert "This run joined no ground truth" in page.read_text()
    joined = [*good, *WINDOW, *NOW, "--baseline", f"{tmp_path}/b", "--report", str(output)]
    assert main(joined) == 0
    assert "Model quality, by ground truth" in page.read_text()
    # A second run over the window keeps it; a run over another window does not show it.
    again = ["run", "--captured", captured, "--baseline", f"{tmp_path}/drift", "--output", str(output)]
    main([*again, *WINDOW])
    assert "Model quality, by ground truth" in page.read_text()
    main([*again, *WINDOW[:3], "2026-03-02T13:00Z"])
    assert "This run joined no ground truth" in page.read_text()
    capsys.readouterr()
    assert main(joined) == 2
    assert "give the same --start and --end" in capsys.readouterr().err
    assert main([*joined[:-1], f"{tmp_path}/nothing"]) == 2
    assert "give the output of `monitoring run` over this window" in capsys.readouterr().err


def test_offsets_name_the_window_as_the_service_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = given(tmp_path, "march", seed=1)
    main([*flags, "--now", "2026-03-05T12:17: 00Z", "--start-offset", "-PT3D", "--end-offset=-P2DT22H", "--json"])
    result = decode(capsys.readouterr().out.encode())
    assert (result.rows, result.maturity.stage) == (1800, "final")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--start", "2026-03-02"], "name the window"),
        ([*WINDOW, "--start-offset=-P1D"], "not both"),
        (["--start-offset=-P1M"], "not a time offset"),
        ([*WINDOW, "--min-coverage", "7"], "not between 0 and 1"),
    ],
)
def test_a_wrong_flag_is_one_line_and_exit_code_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert main([*given(tmp_path, "march", seed=1, requests=2), *flags]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_fall_is_split_into_inputs_and_concept_and_segments_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save = ["--save-baseline", f"{tmp_path}/b", "--inputs", "x", "--inputs", "region"]
    main([*given(tmp_path, "march", seed=1), *WINDOW, *NOW, *save])
    capsys.readouterr()
    flags = [*WINDOW, *NOW, "--baseline", f"{tmp_path}/b", "--by", "region"]
    assert main([*given(tmp_path, "july", seed=4, bias=0.9), *flags]) == 3
    text = capsys.readouterr().out
    assert "only P(y|x) changed" in text
    assert "region = north" in text
    main([*given(tmp_path, "may", seed=5, bias=0.0), *flags, "--json"])
    result = decode(capsys.readouterr().out.encode())
    assert result.concept is not None
    assert result.concept.case == "nothing moved"
    split = {entry.metric: entry for entry in result.concept.splits}["auc"]
    assert split.window - split.baseline == pytest.approx(split.inputs + split.concept)
    assert not any(segment.fell for segment in result.segments)


def test_where_training_has_no_such_inputs_a_fall_is_split_at_equal_scores_without_a_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save = ["--save-baseline", f"{tmp_path}/b", "--inputs", "x", "--inputs", "season"]
    main([*given(tmp_path, "march", seed=1, season=0.0), *WINDOW, *NOW, *save])
    capsys.readouterr()
    flags = [*WINDOW, *NOW, "--baseline", f"{tmp_path}/b"]
    july = given(tmp_path, "july", seed=4, bias=0.9, season=40.0)
    main([*july, *flags])
    text = capsys.readouterr().out
    assert "inputs that the baseline hardly has" in text
    assert "split at equal scores, no verdict:" in text
    main([*july, *flags, "--json"])
    concept = decode(capsys.readouterr().out.encode()).concept
    assert concept is not None
    assert (concept.case, concept.splits) == ("not judged", ())
    rate = {entry.metric: entry for entry in concept.score_splits}["observed_rate"]
    assert rate.concept == pytest.approx(0.15, abs=0.06)  # 0.9 of log-odds; scores are as they were
    assert abs(rate.inputs) < 0.04


def test_training_data_is_a_baseline_as_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events, labels = binary_events(400, np.random.default_rng(9))
    rows = {
        "prediction_risk": [p for entry in events for p in entry.predictions],
        "label": [value for found in labels for value in found],
        "x": [value for entry in events for value in entry.features["x"]],
    }
    pq.write_table(pa.table(rows), tmp_path / "train.parquet")
    flags = [*given(tmp_path, "april", seed=2), *WINDOW, *NOW, "--baseline", f"{tmp_path}/train.parquet"]
    assert main([*flags, "--json"]) == 0
    result = decode(capsys.readouterr().out.encode())
    assert result.baseline_rows == 2400
    assert result.concept is not None
    assert result.concept.case == "nothing moved"


def test_files_of_the_service_are_a_baseline_without_a_concept_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "service").mkdir()
    metrics = {
        "auc": {"value": 0.99, "standard_deviation": 0.001},
        "recall": {"value": "NaN", "standard_deviation": "NaN"},
    }
    limits = {"auc": {"threshold": 0.95, "comparison_operator": "LessThanThreshold"}}
    (tmp_path / "service/statistics.json").write_text(json.dumps({"binary_classification_metrics": metrics}))
    (tmp_path / "service/constraints.json").write_text(json.dumps({"binary_classification_constraints": limits}))
    flags = [*given(tmp_path, "april", seed=2), *WINDOW, *NOW, "--baseline", f"{tmp_path}/service", "--json"]
    assert main(flags) == 3
    result = decode(capsys.readouterr().out.encode())
    assert [violation.metric_name for violation in result.violations] == ["auc"]
    assert result.concept is None
    assert result.causes[0].key == "quality:auc"
