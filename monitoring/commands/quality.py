"""`python -m monitoring quality`: are the predictions right, as far as ground truth has arrived."""

from __future__ import annotations

import argparse
import datetime as dt
import re
import sys
from typing import TYPE_CHECKING, Any

from monitoring.errors import UsageError

if TYPE_CHECKING:
    from monitoring.quality.baseline import QualityBaseline
    from monitoring.quality.problem import Question
    from monitoring.quality.run import JudgedQuality, QualityRun
    from monitoring.window import Window

OK, VIOLATIONS, NOT_JUDGED = 0, 3, 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    data = parser.add_argument_group("data")
    data.add_argument(
        "--captured", required=True, metavar="URI", help="captured dataset, or any Parquet with --id and --time"
    )
    data.add_argument(
        "--ground-truth", required=True, metavar="URI", help="labels: Model Monitor's JSON Lines, Parquet, CSV"
    )
    data.add_argument("--baseline", metavar="URI", help="quality baseline, Model Monitor's files, or training data")
    data.add_argument("--constraints", metavar="URI", help="constraints.json that replaces the baseline's")
    data.add_argument(
        "--output", metavar="URI", help="where statistics.json, constraint_violations.json, quality.json go"
    )
    data.add_argument("--save-baseline", metavar="URI", help="write this window as a quality baseline")
    data.add_argument(
        "--report", metavar="URI", help="output of `run` over the same window: its page shows the quality too"
    )
    data.add_argument(
        "--inputs", action="append", default=[], metavar="COLUMN", help="feature to keep in that baseline"
    )
    data.add_argument(
        "--manifest", metavar="URI", help="write the manifest of a training set: a final window's labelled rows"
    )
    data.add_argument("--endpoint", help="only this endpoint")
    data.add_argument("--variant", help="only this variant")
    data.add_argument("--id", dest="id_column", metavar="COLUMN", help="id column of other Parquet data")
    data.add_argument("--time", dest="time_column", metavar="COLUMN", help="time column of other Parquet data")
    data.add_argument("--item", dest="item_column", metavar="COLUMN", help="item index column of other Parquet data")
    model = parser.add_argument_group("model")
    model.add_argument("--problem", required=True, metavar="PROBLEM", help="binary, multiclass, regression or ranking")
    model.add_argument("--prediction", metavar="COLUMN", help="predicted class, value or ranking score")
    model.add_argument("--probability", metavar="COLUMN", help="probability of the positive class")
    model.add_argument("--threshold", type=float, default=0.5, help="probability that predicts positive (default: 0.5)")
    model.add_argument("--positive", metavar="LABEL", help="label that counts as positive (default: 1)")
    model.add_argument("--label", default="label", metavar="NAME", help="field or column of the label (default: label)")
    model.add_argument("--item-key", metavar="COLUMN", help="feature that names an item within its request")
    model.add_argument("--k", type=int, default=10, help="depth of the ranking metrics (default: 10)")
    model.add_argument("--lower-is-better", action="store_true", help="the best item has the lowest prediction")
    model.add_argument(
        "--relevant-from", type=float, default=1.0, metavar="LABEL", help="smallest relevant label (default: 1)"
    )
    # An offset begins with a minus: without this, argparse takes `-P8D` for an option.
    parser._negative_number_matcher = re.compile(r"^[-]P|^-\d+$|^-\d*\.\d+$", re.IGNORECASE)
    window = parser.add_argument_group("window")
    window.add_argument("--start", type=_time, metavar="TIME", help="first event time, ISO 8601, UTC")
    window.add_argument("--end", type=_time, metavar="TIME", help="event time to stop before")
    window.add_argument("--start-offset", metavar="OFFSET", help="start before the scheduled time, such as -P8D")
    window.add_argument("--end-offset", metavar="OFFSET", help="end before the scheduled time, such as -P1D")
    window.add_argument(
        "--now", type=_time, metavar="TIME", help="the scheduled time; later labels are not read (default: now)"
    )
    window.add_argument(
        "--mature-after", metavar="DURATION", help="time that labels need (default: the baseline's, else P1D)"
    )
    window.add_argument(
        "--min-coverage", type=float, default=0.5, metavar="SHARE", help="labelled share of a final window"
    )
    judging = parser.add_argument_group("judging")
    judging.add_argument(
        "--unit", default="request", choices=["request", "hour", "day"], help="what the bootstrap draws"
    )
    judging.add_argument(
        "--by", action="append", default=[], metavar="COLUMN", help="find fallen segments of this column"
    )
    judging.add_argument("--seed", type=int, default=0, help="seed of the bootstrap (default: 0)")
    judging.add_argument("--engine", default="local", choices=["local", "spark"], help="what joins the labels")
    parser.add_argument(
        "--config", metavar="FILE", help="monitor.toml: publish, raise alarms and retrain by its tables"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Judges the window and prints the result. Returns 0, 3 (violations) or 4 (nothing could be judged).

    Raises MonitoringError where data cannot be read and UsageError where a flag is wrong.
    """
    from monitoring.quality.baseline import QualityBaseline
    from monitoring.quality.result import encode
    from monitoring.quality.run import judge_quality, write_result
    from monitoring.quality.text import render_text
    from monitoring.quality.training_set import write_manifest
    from monitoring.result import Outcome

    question = _question(args)
    now = args.now or dt.datetime.now(dt.UTC)
    baseline = QualityBaseline.load(args.baseline, question) if args.baseline else None
    settings = _settings(args, question, baseline, now)
    judged = judge_quality(settings, now, progress=_show_step)
    if args.output:
        write_result(judged, args.output)
    if args.report:
        _report(args.report, judged)
    if args.config:
        _act(args.config, judged, settings)
    if args.save_baseline:
        _save_baseline(judged, settings, args.save_baseline, now)
    if args.manifest:
        write_manifest(judged, settings, args.manifest, now)
    result = judged.result
    sys.stdout.write(encode(result).decode() + "\n" if args.json else render_text(result) + "\n")
    return {Outcome.OK: OK, Outcome.VIOLATIONS: VIOLATIONS, Outcome.NOT_JUDGED: NOT_JUDGED}[result.outcome]


def _report(uri: str, judged: JudgedQuality) -> None:
    from monitoring.outputs import add_quality
    from monitoring.storage import open_storage

    add_quality(open_storage(uri), judged.result)


def _act(config: str, judged: JudgedQuality, run: QualityRun) -> None:
    """Publishes metrics, raises alarms and starts a retraining, as a monitor.toml says."""
    from monitoring.quality.training_set import write_manifest
    from monitoring.schedule.consequences import acting
    from monitoring.schedule.quality_page import page_with_quality
    from monitoring.settings import load_settings
    from monitoring.storage import open_storage

    settings = load_settings(config)
    if not settings.output:
        raise UsageError(f"{config} names no output: alarms keep their state there")
    result = judged.result
    name = f"{result.start:%Y%m%dT%H%M}-{result.subject.model_version or 'model'}.json"
    uri = f"{settings.output.rstrip('/')}/training-sets/{result.subject.endpoint}/{result.subject.variant}/{name}"

    def manifest() -> str:
        write_manifest(judged, run, uri, result.created)
        return uri

    page = page_with_quality(open_storage(settings.output), result, settings.time_zone)
    acting(settings, manifest).after_quality(result, page)


def _question(args: argparse.Namespace) -> Question:
    from monitoring.quality.problem import Problem, Question, Unit

    return Question(
        problem=Problem.parse(args.problem), prediction=args.prediction, probability=args.probability,
        threshold=args.threshold, positive=args.positive, label=args.label, item_key=args.item_key, unit=Unit(args.unit),
        k=args.k, lower_is_better=args.lower_is_better, relevant_from=args.relevant_from,
    )  # fmt: skip


def _settings(
    args: argparse.Namespace, question: Question, baseline: QualityBaseline | None, now: dt.datetime
) -> QualityRun:
    from monitoring.quality.constraints_file import read_constraints
    from monitoring.quality.offsets import parse_offset
    from monitoring.quality.predictions import CapturedPredictions
    from monitoring.quality.run import QualityRun
    from monitoring.storage import key_in_storage

    constraints = None
    if args.constraints:
        storage, key = key_in_storage(args.constraints)
        constraints = read_constraints(storage.get(key).body, question.problem)
    if not 0 <= args.min_coverage <= 1:
        raise UsageError(f"--min-coverage {args.min_coverage:g} is not between 0 and 1")
    if args.id_column is None and (args.time_column or args.item_column):
        raise UsageError("--time and --item belong to other Parquet data: give --id as well")
    return QualityRun(
        captured=CapturedPredictions(
            args.captured, args.endpoint, args.variant, args.id_column, args.time_column, args.item_column
        ),
        ground_truth=args.ground_truth,
        window=_window(args, now),
        question=question,
        baseline=baseline,
        by=tuple(args.by),
        inputs=tuple(args.inputs),
        keep_labels=args.manifest is not None or args.config is not None,
        wait=parse_offset(args.mature_after, "--mature-after") if args.mature_after else None,
        min_coverage=args.min_coverage,
        constraints=constraints,
        seed=args.seed,
        backend=_spark if args.engine == "spark" else None,
    )


def _window(args: argparse.Namespace, now: dt.datetime) -> Window:
    from monitoring.quality.offsets import window_before
    from monitoring.window import Window

    if args.start_offset is not None:
        if args.start is not None or args.end is not None:
            raise UsageError("give --start and --end, or --start-offset and --end-offset, not both")
        return window_before(now, args.start_offset, args.end_offset)
    if args.start is None or args.end is None:
        raise UsageError("name the window: --start TIME --end TIME, or --start-offset OFFSET --end-offset OFFSET")
    return Window(args.start, args.end)


def _time(text: str) -> dt.datetime:
    """Returns a time in UTC; blanks inside it, as in Model Monitor's documents, are dropped."""
    try:
        time = dt.datetime.fromisoformat("".join(text.split()))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: give ISO 8601, as 2026-03-01T09:00Z") from None
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)


def _spark() -> Any:
    import ibis
    from pyspark.sql import SparkSession

    session = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    return ibis.pyspark.connect(session)


def _save_baseline(judged: JudgedQuality, settings: QualityRun, uri: str, now: dt.datetime) -> None:
    from monitoring.quality.baseline import QualityBaseline

    QualityBaseline.from_window(judged, settings.question).save(uri, now)


def _show_step(step: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{step} …" if step != "measuring" else "\r\x1b[K")
