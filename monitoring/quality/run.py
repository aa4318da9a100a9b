"""One run of model quality: a window's predictions and its ground truth to a typed result and its files."""

from __future__ import annotations

import datetime as dt
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from monitoring.quality import binary, constraints_file, multiclass, statistics_file
from monitoring.quality.calibration import calibration_bins
from monitoring.quality.causes import find_causes, verdict_of
from monitoring.quality.comparison import compare
from monitoring.quality.constraints_file import Constraint, QualityViolation, find_violations
from monitoring.quality.explanation import explain_quality
from monitoring.quality.ground_truth import collect_labels
from monitoring.quality.join import LabelJoin
from monitoring.quality.maturity import (
    DEFAULT_MATURE_AFTER,
    DEFAULT_MIN_COVERAGE,
    LabelStage,
    Maturity,
    delay_curve,
    judge_maturity,
    mature_after,
)  # fmt: skip
from monitoring.quality.measurement import measure_state, unit_count
from monitoring.quality.objects import Files
from monitoring.quality.predictions import INPUT_PREFIX, CapturedPredictions, PredictionCounts, collect_predictions
from monitoring.quality.problem import Problem, Question
from monitoring.quality.result import QualityResult, encode
from monitoring.quality.set_aside import SetAside
from monitoring.quality.state import QualityState, collect_states, encode_state, merge_states, state_of_batch
from monitoring.result import Outcome, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from monitoring.quality.baseline import QualityBaseline
    from monitoring.quality.join import JoinCounts
    from monitoring.quality.result import Concept, Segment
    from monitoring.window import Window

MAX_CONCEPT_ROWS = 120_000
_STATE_COLUMNS = ("unit", "event_time", "predicted", "score", "weight")


@dataclass(frozen=True, slots=True)
class QualityRun:
    """What a run reads and how it judges.

    `by` names the columns of the segments, `inputs` the features to keep for a baseline made of this window. `wait` is how long labels need, by default the baseline's curve, else a day.
    `keep_labels` keeps the labels for the manifest of a training set. `constraints` replace the baseline's. `backend` makes an Ibis backend, by default DuckDB. `seed` fixes the bootstrap.
    """

    captured: CapturedPredictions
    ground_truth: str
    window: Window
    question: Question
    baseline: QualityBaseline | None = None
    by: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    keep_labels: bool = False
    wait: dt.timedelta | None = None
    min_coverage: float = DEFAULT_MIN_COVERAGE
    constraints: tuple[Constraint, ...] | None = None
    monitor: str = "model-quality"
    seed: int = 0
    backend: Callable[[], Any] | None = None


@dataclass(frozen=True, eq=False)
class JudgedQuality:
    """A run's result, the state of its window, the labelled rows that the concept test saw, and the kept labels."""

    result: QualityResult
    state: QualityState
    rows: pa.Table | None = None
    labels: pa.Table | None = None
    documents: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Joined:
    state: QualityState
    counts: JoinCounts | None
    by_hour: Mapping[dt.datetime, tuple[int, int]]
    rows: pa.Table | None
    labels: pa.Table | None = None


def judge_quality(
    run: QualityRun,
    now: dt.datetime,
    *,
    scratch: str | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> JudgedQuality:
    """Judges one window as of `now`; labels that arrived later are not read.

    `scratch` is where temporary files go. Raises MonitoringError where captured data or ground truth cannot be read.
    """
    aside = SetAside()
    inputs = _kept_inputs(run)
    with tempfile.TemporaryDirectory(prefix="quality-", dir=scratch) as name:
        folder = Path(name)
        step = _steps(progress)
        step("reading predictions")
        counts = collect_predictions(run.captured, run.window, run.question, inputs, folder / "predictions.parquet")
        step("reading ground truth")
        labels = collect_labels(
            Files(run.ground_truth), folder / "labels.parquet", run.question, aside, since=run.window.start, until=now
        )  # fmt: skip
        step("joining")
        joined = _join(run, folder, aside, inputs, bool(labels))
    step("measuring")
    return _judge(run, now, counts, joined, aside, inputs)


def _steps(progress: Callable[[str], None]) -> Callable[[str], None]:
    """Returns what begins a step: it gives Arrow's free memory back, which the pool otherwise keeps beside the next step's."""

    def begin(step: str) -> None:
        pa.default_memory_pool().release_unused()
        progress(step)

    return begin


def write_result(judged: JudgedQuality, output: str) -> list[str]:
    """Writes `statistics.json`, `constraint_violations.json` and `quality.json` below `output`, and a final window's states by hour."""
    place, written = Files(output), []
    for name, document in judged.documents.items():
        written.append(place.put(name, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"))
    written.append(place.put("quality.json", encode(judged.result)))
    if judged.result.maturity.stage is LabelStage.FINAL:
        subject = judged.result.subject
        root = "/".join(part for part in ("quality_states", subject.endpoint, subject.variant) if part)
        for hour, state in judged.state.hours():
            time = dt.datetime.fromtimestamp(hour / 1e6, dt.UTC)
            place.put(f"{root}/{time:%Y/%m/%d/%H}.arrow", encode_state(state))
    return written


def _kept_inputs(run: QualityRun) -> dict[str, bool]:
    """Returns the features to keep, and whether each is numeric: the baseline's inputs and the segments' columns."""
    known = dict(run.baseline.inputs or {}) if run.baseline is not None else {}
    return known | {name: known.get(name, False) for name in (*run.by, *run.inputs)}


def _join(run: QualityRun, folder: Path, aside: SetAside, inputs: Mapping[str, bool], any_labels: bool) -> _Joined:
    join = LabelJoin(folder, run.backend() if run.backend is not None else None)
    try:
        by_hour = join.rows_by_hour()
        if not any_labels:
            return _Joined(merge_states([]), None, by_hour, None)
        counts = join.run(run.window, aside)
        text = run.question.text_labels
        pieces = (state_of_batch(batch, text) for batch in join.batches(_STATE_COLUMNS))
        state = merge_states(list(pieces)) if text else collect_states(pieces, counts.labelled)
        rows = None
        keep = run.inputs or (run.baseline is not None and run.baseline.rows is not None)
        if keep and len(state):
            parts = -(-len(state) // MAX_CONCEPT_ROWS)
            columns = [*_STATE_COLUMNS, *(f"{INPUT_PREFIX}{name}" for name in inputs)]
            batches = list(join.batches(columns, lambda table: table.unit % parts == 0))
            rows = pa.Table.from_batches(batches) if batches else None
        labels = None
        if run.keep_labels and len(state):
            labels = pa.Table.from_batches(list(join.batches(("event_id", "item", "event_time"))))
        return _Joined(state, counts, by_hour, rows, labels)
    finally:
        join.close()


def _judge(
    run: QualityRun,
    now: dt.datetime,
    counts: PredictionCounts,
    joined: _Joined,
    aside: SetAside,
    inputs: Mapping[str, bool],
) -> JudgedQuality:
    question, state, baseline = run.question, joined.state, run.baseline
    rng = np.random.default_rng(run.seed)
    labelled = joined.counts.labelled if joined.counts is not None else 0
    maturity = _maturity(run, now, counts, joined, labelled)
    metrics, notes = measure_state(state, question, rng)
    comparisons = compare(metrics, baseline.metrics, question) if baseline is not None else ()
    concept, segments, loss = _explain(run, joined.rows, inputs, rng)
    constraints = (
        run.constraints if run.constraints is not None else (baseline.constraints if baseline is not None else ())
    )
    final = maturity.stage is LabelStage.FINAL
    crossed = find_violations(metrics, constraints) if final else ()
    violations = tuple(entry for entry in crossed if entry.decided)
    column = question.probability or question.prediction or ""
    causes = find_causes(question, maturity, comparisons, concept, segments, column, _query(run, column))
    verdict, lead = verdict_of(maturity, causes, comparisons, concept)
    judgeable = final and (baseline is not None or run.constraints is not None)
    outcome = Outcome.NOT_JUDGED if not judgeable else Outcome.VIOLATIONS if causes or violations else Outcome.OK
    if not counts.rows:
        verdict, lead = "No data in the window.", f"No prediction was captured from {run.window}."
    result = QualityResult(
        subject=_subject(run, counts), start=run.window.start, end=run.window.end, created=now,
        problem=str(question.problem), unit=str(question.unit), outcome=outcome, verdict=verdict, lead=lead,
        maturity=maturity, rows=counts.rows, labelled=labelled, units=unit_count(state, question.unit), metrics=metrics,
        calibration=calibration_bins(state) if question.probability is not None else (),
        comparisons=comparisons, concept=concept, segments=segments, loss=loss, violations=violations, causes=causes,
        set_aside={str(reason): count for reason, count in aside.counts.items()},
        examples={str(reason): tuple(found) for reason, found in aside.examples.items()},
        corrected=joined.counts.corrected if joined.counts else 0, copies=joined.counts.copies if joined.counts else 0,
        labels=joined.counts.labels if joined.counts else 0, notes=(*notes, *_notes(counts, joined), *_undecided(crossed)),
        absent_classes=_absent(state, baseline), baseline=baseline.uri if baseline is not None else "",
        baseline_rows=baseline.item_count if baseline is not None else 0,
        source=run.captured.uri, ground_truth=run.ground_truth,
    )  # fmt: skip
    return JudgedQuality(result, state, joined.rows, joined.labels, _documents(result, question, state, now))


def _maturity(run: QualityRun, now: dt.datetime, counts: PredictionCounts, joined: _Joined, labelled: int) -> Maturity:
    baseline_curve = run.baseline.curve if run.baseline is not None else ()
    state = joined.state
    labels = None if run.question.text_labels else state.label
    done = {hour: len(part) for hour, part in state.hours()}
    by_hour = tuple(
        (f"{hour:%Y-%m-%dT%H:%MZ}", rows, done.get(int(hour.timestamp() * 1e6), 0))
        for hour, (rows, _) in sorted(joined.by_hour.items())
    )
    return judge_maturity(
        run.window, now, counts.rows, labelled,
        wait=run.wait if run.wait is not None else mature_after(baseline_curve) or DEFAULT_MATURE_AFTER,
        min_coverage=run.min_coverage, curve=delay_curve(state.delay, labels, counts.rows),
        baseline_curve=baseline_curve, by_hour=by_hour,
    )  # fmt: skip


def _explain(
    run: QualityRun, rows: pa.Table | None, inputs: Mapping[str, bool], rng: np.random.Generator
) -> tuple[Concept | None, tuple[Segment, ...], str]:
    if rows is None or not rows.num_rows or run.baseline is None or run.baseline.rows is None:
        return None, (), ""
    return explain_quality(run.baseline, rows, run.question, inputs, run.by, rng)


def _subject(run: QualityRun, counts: PredictionCounts) -> Subject:
    subjects, models = sorted(counts.subjects), sorted(counts.models, key=str)
    endpoint, variant = subjects[0] if len(subjects) == 1 else (run.captured.endpoint or "", run.captured.variant or "")
    model, version = models[0] if len(models) == 1 else ("", None)
    return Subject(endpoint, variant, model, version, run.monitor)


def _notes(counts: PredictionCounts, joined: _Joined) -> Sequence[str]:
    found = []
    if counts.no_prediction:
        found.append(f"{counts.no_prediction:,} rows have no prediction and are left out")
    if counts.duplicates:
        found.append(f"{counts.duplicates:,} rows stand twice and count once")
    if len(counts.models) > 1:
        names = ", ".join(f"{name} {version or ''}".strip() for name, version in sorted(counts.models, key=str)[:5])
        found.append(f"the window holds several models: {names}")
    if joined.counts is not None and joined.counts.shared_ids:
        found.append(
            f"{joined.counts.shared_ids:,} labels count for several events, because these share an inference id"
        )
    if joined.state.weighted:
        found.append("sampling differs between files: rows are weighted by 100 / sampling percentage")
    return found


def _undecided(crossed: Sequence[QualityViolation]) -> Sequence[str]:
    names = [entry.metric_name for entry in crossed if not entry.decided]
    return [f"beyond the limit, but the 95 % interval reaches back over it: {', '.join(names)}"] if names else []


def _absent(state: QualityState, baseline: QualityBaseline | None) -> tuple[str, ...]:
    """Returns the classes of the baseline, and those that were predicted, that no label of the window has."""
    known = dict.fromkeys((*(baseline.classes if baseline is not None else ()), *state.classes))
    if not known or not len(state):
        return ()
    seen = {state.classes[code] for code in np.unique(state.label).astype(int)}
    return tuple(name for name in known if name not in seen)


def _documents(result: QualityResult, question: Question, state: QualityState, now: dt.datetime) -> dict[str, Any]:
    confusion, curve_state = None, None
    if len(state) and question.problem is Problem.BINARY:
        confusion = binary.confusion_matrix(state)
        curve_state = state if question.probability is not None else None
    elif len(state) and question.problem is Problem.MULTICLASS:
        confusion = multiclass.confusion_matrix(state)
    statistics = statistics_file.statistics_document(
        question.problem, result.metrics, result.labelled, now, confusion, curve_state
    )
    return {
        "statistics.json": statistics,
        "constraint_violations.json": constraints_file.violations_document(result.violations),
    }


def _query(run: QualityRun, column: str) -> str:
    window = run.window
    time = run.captured.time_column or "capture_event_time"
    return (
        f"SELECT * FROM read_parquet('{run.captured.uri.rstrip('/')}/**/*.parquet', union_by_name = true) "  # noqa: S608  # a query for a person, never run here
        f"WHERE {time} >= '{window.start:%Y-%m-%d %H:%M:%S}+00' AND {time} < '{window.end:%Y-%m-%d %H:%M:%S}+00' "
        f'ORDER BY "{column}" DESC LIMIT 100'
    )
