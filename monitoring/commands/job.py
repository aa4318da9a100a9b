"""`python -m monitoring job`: runs as Model Monitor's processing job, by its environment. The image does so without arguments."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring.baseline.baseline import STATES_FILE, Baseline
from monitoring.errors import MonitoringError, UsageError
from monitoring.job_metrics import job_metrics
from monitoring.monitor import Monitor, spanned
from monitoring.outputs import write_outputs
from monitoring.processing_job import (
    JobArguments,
    JobPaths,
    captured_root,
    cloudwatch_lines,
    exit_message,
    job_from_environment,
    read_config,
    write_exit_message,
    write_metrics,
)
from monitoring.report.terminal import render
from monitoring.source.managed_source import ManagedSource, baseline_columns
from monitoring.storage import open_storage

if TYPE_CHECKING:
    import argparse

    from monitoring.result import RunResult
    from monitoring.source.part import RowSource

_WIDTH = 100
_QUALITY = "MODEL_QUALITY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds nothing: everything comes from the environment and from processingjobconfig.json."""


def run(args: argparse.Namespace) -> int:
    """Runs the job. Returns 0; an error is raised."""
    result = run_job(os.environ, args.paths)
    sys.stdout.write(render(result, _WIDTH))
    return 0


def run_job(environ: Mapping[str, str], paths: JobPaths | None = None) -> RunResult:
    """Judges the window that the job was asked for, writes its files, metrics and exit message, and returns the result.

    Raises UsageError where the job asks for what this container does not do, MonitoringError where data cannot be read.
    """
    paths = paths or JobPaths()
    job = job_from_environment(environ, read_config(paths.config))
    monitor = Monitor(
        _baseline(job), preprocess=str(job.preprocess) if job.preprocess else None, name=job.schedule or "monitor"
    )
    source = _source(job, monitor)
    window = monitor.window(source, job.start, job.end)
    profile = monitor.profile(source, window)
    result = monitor.judge(source, window or spanned(profile), profile).result
    write_outputs(open_storage(str(job.output)), result, monitor.baseline, profile)
    if job.publish_metrics:
        lines = cloudwatch_lines(job_metrics(result), time=result.end, endpoint=job.endpoint, schedule=job.schedule)
        write_metrics(lines, paths.metrics)
    if job.postprocess is not None:
        run_postprocess(job.postprocess)
    write_exit_message(exit_message(result), paths.message)
    return result


def run_postprocess(script: Path) -> None:
    """Calls `postprocess_handler()` of a script. Raises MonitoringError where it fails or has none."""
    spec = importlib.util.spec_from_file_location("postprocess_script", script)
    if spec is None or spec.loader is None or not script.is_file():
        raise UsageError(f"there is no postprocess script {script}")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        module.postprocess_handler()
    except Exception as error:
        raise MonitoringError(f"{script}: postprocess_handler fails: {type(error).__name__}: {error}") from error


def _baseline(job: JobArguments) -> Baseline:
    analysis = (job.given or {}).get("analysis_type", "")
    if analysis == _QUALITY:
        raise UsageError(
            f"analysis_type is {_QUALITY}: give the container the arguments of `quality` instead (docs/quality.md)"
        )
    if job.format == "json":
        raise UsageError("dataset_format is json: write batch data as CSV or Parquet")
    if job.statistics is None:
        raise UsageError(
            "baseline_statistics is not set: give the job a baseline's statistics.json and constraints.json"
        )
    if (job.statistics.parent / STATES_FILE).is_file():
        return Baseline.load(str(job.statistics.parent))
    constraints = None if job.constraints is None else _bytes(job.constraints)
    return Baseline.from_model_monitor(_bytes(job.statistics), constraints, str(job.statistics.parent))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MonitoringError(f"cannot read {path}: {error.strerror or error}") from error


def _source(job: JobArguments, monitor: Monitor) -> RowSource:
    """Returns the captured data below the job's input, of its endpoint where that has a folder of its own; else files."""
    if job.format != "capture":
        return monitor.open(str(job.source))
    root = captured_root(job.source)
    endpoint = job.endpoint if job.endpoint and (root / job.endpoint).is_dir() else None
    return ManagedSource(
        str(root),
        endpoint,
        columns=baseline_columns(monitor.baseline.binning),
        preprocess=str(job.preprocess) if job.preprocess else None,
    )
