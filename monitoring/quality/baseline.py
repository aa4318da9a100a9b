"""The quality that training had: metrics with intervals, suggested constraints, the labels' delays, and rows to compare with.

Below the baseline's URI, in `model_quality/`: `statistics.json` and `constraints.json` as Model Monitor writes them,
`baseline.json` with all metrics and the curve of delays, and `rows.parquet`, a sample of whole units (label, prediction,
score, unit, weight, inputs) from which the concept test learns.
"""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from monitoring.errors import MonitoringError, UsageError
from monitoring.quality import constraints_file, statistics_file
from monitoring.quality.constraints_file import Constraint
from monitoring.quality.label_tables import as_numbers, canonical_text, label_values
from monitoring.quality.maturity import DelayPoint
from monitoring.quality.measurement import measure_state
from monitoring.quality.metric import Metric
from monitoring.quality.objects import Files
from monitoring.quality.predictions import INPUT_PREFIX
from monitoring.quality.problem import Problem, Question
from monitoring.quality.state import QualityState, state_of_batch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitoring.quality.run import JudgedQuality

FOLDER = "model_quality"
MAX_ROWS = 60_000
"""Rows that `rows.parquet` holds at most, in whole units."""
_NOT_INPUTS = ("capture_", "prediction")


class _StoredQuality(msgspec.Struct):
    problem: str
    metrics: tuple[Metric, ...]
    rows: int
    curve: tuple[DelayPoint, ...] = ()
    inputs: dict[str, bool] = {}
    classes: tuple[str, ...] = ()
    version: int = 1


@dataclass(frozen=True, eq=False)
class QualityBaseline:
    """The quality of a labelled data set. `rows` is None where only metrics are known (Model Monitor's files).

    `rows` has the columns `unit`, `weight`, `predicted`, `score`, `label` and `input_{name}`; `inputs` names the inputs and
    whether each is numeric. `item_count` is the number of rows that the metrics stand on.
    """

    problem: Problem
    metrics: tuple[Metric, ...]
    constraints: tuple[Constraint, ...]
    item_count: int
    rows: pa.Table | None = None
    inputs: Mapping[str, bool] | None = None
    curve: tuple[DelayPoint, ...] = ()
    classes: tuple[str, ...] = ()
    uri: str = ""

    @classmethod
    def from_training(
        cls,
        table: pa.Table,
        question: Question,
        *,
        unit_column: str | None = None,
        inputs: Sequence[str] | None = None,
        rng: np.random.Generator | None = None,
    ) -> QualityBaseline:
        """Returns the baseline of a training or validation table with labels and predictions.

        `unit_column` names the request of each row; without it each row is a unit. `inputs` names the features that the
        concept test uses, by default all columns but the label, the predictions and those of the capture. Rows without a
        label or a prediction are left out. Raises UsageError where a column is missing or no row is left.
        """
        wanted = [question.label, question.prediction, question.probability, unit_column, *(inputs or ())]
        missing = [name for name in wanted if name is not None and name not in table.column_names]
        if missing:
            raise UsageError(f"the training data has no column {missing[0]!r}; it has {', '.join(table.column_names)}")
        chosen = list(inputs) if inputs is not None else _default_inputs(table, wanted)
        kinds = {name: not _is_text(table.schema.field(name).type) for name in chosen}
        rows = _training_rows(table, question, unit_column, kinds)
        if not rows.num_rows:
            raise UsageError(
                f"no row of the training data has a label {question.label!r} and a prediction that fit --problem {question.problem}"
            )
        return cls.from_rows(rows, question, kinds, rng=rng)

    @classmethod
    def from_rows(
        cls,
        rows: pa.Table,
        question: Question,
        inputs: Mapping[str, bool],
        *,
        curve: tuple[DelayPoint, ...] = (),
        rng: np.random.Generator | None = None,
    ) -> QualityBaseline:
        """Returns the baseline of labelled rows in the form of `rows`, such as those of a good window."""
        batch = rows.combine_chunks().to_batches()[0]
        state = state_of_batch(batch, question.text_labels)
        metrics, _ = measure_state(state, question, rng or np.random.default_rng(0))
        return cls(
            problem=question.problem,
            metrics=metrics,
            constraints=constraints_file.suggest_constraints(metrics),
            item_count=len(state),
            rows=_sample(rows),
            inputs=dict(inputs),
            curve=curve,
            classes=state.classes,
        )

    @classmethod
    def from_window(cls, judged: JudgedQuality, question: Question) -> QualityBaseline:
        """Returns the baseline of a judged window, with the curve of its delays; its inputs are those that the run kept.

        Raises UsageError where the window has no labelled row.
        """
        if not len(judged.state):
            raise UsageError("the window has no labelled row: a baseline needs some")
        metrics, curve = judged.result.metrics, judged.result.maturity.curve
        rows = judged.rows
        kinds: dict[str, bool] = {}
        if rows is not None:
            rows, kinds = _typed_inputs(rows.filter(pc.is_valid(rows["predicted"])))
        return cls(
            question.problem, metrics, constraints_file.suggest_constraints(metrics), len(judged.state),
            None if rows is None else _sample(rows), kinds, curve, judged.state.classes,
        )  # fmt: skip

    @classmethod
    def load(cls, uri: str, question: Question) -> QualityBaseline:
        """Returns the baseline at a URI: a directory that `save` wrote, one with Model Monitor's files, or training data.

        Raises MonitoringError where there is none, or where it belongs to another problem.
        """
        place = Files(uri)
        keys = {entry.key for entry in place.list()}
        if f"{FOLDER}/baseline.json" in keys:
            found = _load(place)
        elif any(key.endswith("statistics.json") for key in keys):
            found = _load_service_files(place, keys, question)
        else:
            tables = [table_of(place.get(key), key) for key in sorted(keys) if key.endswith((".parquet", ".csv"))]
            if not tables:
                raise MonitoringError(
                    f"{uri} holds no quality baseline: no {FOLDER}/baseline.json, statistics.json, Parquet or CSV"
                )
            found = cls.from_training(pa.concat_tables(tables, promote_options="permissive"), question)
        if found.problem is not question.problem:
            raise MonitoringError(f"the baseline at {uri} is of {found.problem}, the run of {question.problem}")
        return QualityBaseline(**{**{name: getattr(found, name) for name in found.__dataclass_fields__}, "uri": uri})

    def save(self, uri: str, created: dt.datetime | None = None) -> None:
        """Writes the baseline below `uri`."""
        place = Files(uri)
        created = created or dt.datetime.now(dt.UTC)
        document = statistics_file.statistics_document(self.problem, self.metrics, self.item_count, created)
        place.put(f"{FOLDER}/statistics.json", _json(document))
        place.put(
            f"{FOLDER}/constraints.json", _json(constraints_file.constraints_document(self.problem, self.constraints))
        )
        stored = _StoredQuality(
            str(self.problem), self.metrics, self.item_count, self.curve, dict(self.inputs or {}), self.classes
        )
        if self.rows is not None:
            sink = io.BytesIO()
            pq.write_table(self.rows, sink, compression="zstd")
            place.put(f"{FOLDER}/rows.parquet", sink.getvalue())
        place.put(f"{FOLDER}/baseline.json", _json(stored))

    def state(self, question: Question) -> QualityState | None:
        """Returns the state of the kept rows, None without rows."""
        if self.rows is None:
            return None
        return state_of_batch(self.rows.combine_chunks().to_batches()[0], question.text_labels)


def table_of(body: bytes, key: str) -> pa.Table:
    """Returns a Parquet or CSV file as a table."""
    if key.endswith(".csv"):
        return pa_csv.read_csv(io.BytesIO(body))
    return pq.read_table(io.BytesIO(body))


def _default_inputs(table: pa.Table, others: Sequence[str | None]) -> list[str]:
    return [
        name
        for name in table.column_names
        if name not in others
        and not name.startswith(_NOT_INPUTS)
        and not pa.types.is_temporal(table.schema.field(name).type)
        and not pa.types.is_nested(table.schema.field(name).type)
    ]


def _typed_inputs(rows: pa.Table) -> tuple[pa.Table, dict[str, bool]]:
    """Returns the rows with inputs that are numbers as doubles, and which inputs are numeric."""
    kinds = {}
    for place, name in enumerate(rows.column_names):
        if not name.startswith(INPUT_PREFIX):
            continue
        column = rows[name].combine_chunks()
        numbers = as_numbers(column)
        numeric = len(column) - numbers.null_count >= 0.99 * (len(column) - column.null_count) > 0
        kinds[name.removeprefix(INPUT_PREFIX)] = numeric
        rows = rows.set_column(place, name, numbers) if numeric else rows
    return rows, kinds


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _training_rows(table: pa.Table, question: Question, unit_column: str | None, kinds: Mapping[str, bool]) -> pa.Table:
    """Returns the rows of a training table in the form of `QualityBaseline.rows`."""
    from monitoring.quality.predictions import predicted_and_score
    from monitoring.quality.unit_hash import hash_ids

    batch = table.combine_chunks().to_batches()[0] if table.num_rows else pa.RecordBatch.from_pylist([], table.schema)
    predicted, score = predicted_and_score(batch, question)
    label = label_values(batch.column(question.label), question)
    ids = pa.array(np.arange(batch.num_rows)) if unit_column is None else batch.column(unit_column)
    times = pa.array(np.zeros(batch.num_rows, np.int64)).cast(pa.timestamp("us", "UTC"))
    columns = {
        "unit": pa.array(hash_ids(ids.cast(pa.string()).fill_null(""))),
        "event_time": times,
        "first_arrived": times,
        "weight": pa.array(np.ones(batch.num_rows)),
        "predicted": predicted,
        "score": score,
        "label": label,
    }
    for name, numeric in kinds.items():
        column = batch.column(name)
        columns[f"{INPUT_PREFIX}{name}"] = as_numbers(column) if numeric else canonical_text(column)
    rows = pa.table(columns)
    return rows.filter(pc.and_(pc.is_valid(rows["label"]), pc.is_valid(rows["predicted"])))


def _sample(rows: pa.Table) -> pa.Table:
    """Returns at most about MAX_ROWS rows, in whole units chosen by their hash."""
    parts = -(-rows.num_rows // MAX_ROWS)
    if parts <= 1:
        return rows
    return rows.filter(pa.array(rows["unit"].to_numpy() % parts == 0))


def _load(place: Files) -> QualityBaseline:
    try:
        stored = msgspec.json.decode(place.get(f"{FOLDER}/baseline.json"), type=_StoredQuality)
    except msgspec.MsgspecError as error:
        raise MonitoringError(f"{place.uri}/{FOLDER}/baseline.json is not a quality baseline: {error}") from error
    problem = Problem(stored.problem)
    constraints = constraints_file.read_constraints(place.get(f"{FOLDER}/constraints.json"), problem)
    kept = [entry.key for entry in place.list(f"{FOLDER}/rows.parquet")]
    rows = table_of(place.get(kept[0]), kept[0]) if kept else None
    return QualityBaseline(
        problem, stored.metrics, constraints, stored.rows, rows, stored.inputs, stored.curve, stored.classes
    )  # fmt: skip


def _load_service_files(place: Files, keys: set[str], question: Question) -> QualityBaseline:
    """Returns the metrics of Model Monitor's own files; their `better` comes from the constraints."""
    statistics = next(key for key in sorted(keys) if key.endswith("statistics.json"))
    problem, values = statistics_file.read_values(place.get(statistics))
    constraints: tuple[Constraint, ...] = ()
    written = next((key for key in sorted(keys) if key.endswith("constraints.json")), None)
    if written is not None:
        constraints = constraints_file.read_constraints(place.get(written), question.problem)
    metrics = tuple(
        Metric(name, value, reason="" if value is not None else "NaN in the baseline") for name, value in values.items()
    )
    return QualityBaseline(problem, metrics, constraints, 0)


def _json(document: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
