"""Model Monitor's contract for a container of one's own: what a SageMaker processing job gives, and what it expects back.

Given, as environment variables and again under `Environment` in `/opt/ml/config/processingjobconfig.json`:

    dataset_format            {"sagemakerCaptureJson": {"captureIndexNames": ["endpointInput", "endpointOutput"]}}, or csv, json,
                              parquet
    dataset_source            where the captured data lies, with {endpoint}/{variant}/yyyy/mm/dd/hh below
    output_path               where the result goes
    start_time, end_time      the window; the documentation writes times as `2019-12-01T16: 20: 00Z`
    baseline_statistics, baseline_constraints                     local files
    sagemaker_endpoint_name, sagemaker_monitoring_schedule_name   the dimensions of metrics
    publish_cloudwatch_metrics                                    Enabled or Disabled
    record_preprocessor_script, post_analytics_processor_script, …

Expected: exit code 0 unless it is an error, a message of at most 1,024 bytes in `/opt/ml/output/message`, whose first word is the
state of the run (`Completed`, `CompletedWithViolations`), and metrics as JSON Lines below `/opt/ml/output/metrics/cloudwatch`.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from capture.dataset import parse_time
from monitoring.errors import UsageError
from monitoring.publish.names import dimension
from monitoring.result import Outcome, RunResult

CONFIG = Path("/opt/ml/config/processingjobconfig.json")
INPUT = Path("/opt/ml/processing/input/endpoint")
OUTPUT = Path("/opt/ml/processing/output")
MESSAGE = Path("/opt/ml/output/message")
METRICS = Path("/opt/ml/output/metrics/cloudwatch")
MESSAGE_BYTES = 1024

_MARKS = ("dataset_source", "dataset_format", "sagemaker_monitoring_schedule_name")
"""Any of these variables says that the process runs as Model Monitor's job."""
_HOUR_FOLDERS = ("[0-9]" * 4, "[0-9]" * 2, "[0-9]" * 2, "[0-9]" * 2)


@dataclass(frozen=True, slots=True)
class JobArguments:
    """What a job was asked to do. Paths are local. What was not given is None or empty.

    `format` is `capture`, `csv`, `json` or `parquet`. `given` holds every other variable of the contract by its name.
    """

    source: Path
    output: Path
    format: str = "capture"
    capture_index_names: tuple[str, ...] = ()
    endpoint: str = ""
    schedule: str = ""
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    statistics: Path | None = None
    constraints: Path | None = None
    preprocess: Path | None = None
    postprocess: Path | None = None
    publish_metrics: bool = False
    given: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class JobPaths:
    """Where the platform puts the configuration and looks for the message and the metrics."""

    config: Path = CONFIG
    message: Path = MESSAGE
    metrics: Path = METRICS


@dataclass(frozen=True, slots=True)
class JobMetric:
    """A metric of a run: a value, or its statistics as (sample count, sum, minimum, maximum). `time` is None for the window's."""

    name: str
    value: float | None = None
    statistics: tuple[float, float, float, float] | None = None
    unit: str = "None"
    time: dt.datetime | None = None


def is_processing_job(environ: Mapping[str, str], config: Mapping[str, Any] | None = None) -> bool:
    """Returns True if the process runs as a monitoring job of Model Monitor."""
    variables = {**_environment(config), **environ}
    return any(variables.get(name) for name in _MARKS)


def read_config(path: Path = CONFIG) -> dict[str, Any]:
    """Returns the job's configuration, empty where there is no file. Raises UsageError where it is not JSON."""
    try:
        found = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (msgspec.DecodeError, OSError) as error:
        raise UsageError(f"cannot read the job's configuration {path}: {error}") from error
    return found if isinstance(found, dict) else {}


def job_from_environment(environ: Mapping[str, str], config: Mapping[str, Any] | None = None) -> JobArguments:
    """Returns what the job was asked to do. Variables of the environment win over the configuration.

    Raises UsageError where a time, the format or a switch cannot be read.
    """
    known = {**_environment(config), **{name: value for name, value in environ.items() if value}}
    data_format, names = _format(known.get("dataset_format", ""))
    start, end = (_time(known, name) for name in ("start_time", "end_time"))
    if start is not None and end is not None and start >= end:
        raise UsageError(f"start_time {known['start_time']!r} does not lie before end_time {known['end_time']!r}")
    return JobArguments(
        source=Path(known.get("dataset_source") or _local_path(config, "ProcessingInputs") or INPUT),
        output=Path(known.get("output_path") or _local_path(config, "ProcessingOutputConfig") or OUTPUT),
        format=data_format,
        capture_index_names=names,
        endpoint=known.get("sagemaker_endpoint_name", ""),
        schedule=known.get("sagemaker_monitoring_schedule_name", ""),
        start=start,
        end=end,
        statistics=_path(known, "baseline_statistics"),
        constraints=_path(known, "baseline_constraints"),
        preprocess=_path(known, "record_preprocessor_script"),
        postprocess=_path(known, "post_analytics_processor_script"),
        publish_metrics=_switch(known, "publish_cloudwatch_metrics"),
        given=known,
    )


def captured_root(source: Path) -> Path:
    """Returns the directory that holds `{endpoint}/{variant}/yyyy/mm/dd/hh` at or below `source`; `source` where none does."""
    for depth in range(5):
        pattern = "/".join(("*",) * depth + _HOUR_FOLDERS)
        hour = next((path for path in sorted(source.glob(pattern)) if path.is_dir()), None)
        if hour is not None:
            return hour.parents[5]
    return source


def parse_job_time(text: str) -> dt.datetime:
    """Returns a time of the contract in UTC. Spaces beside colons are ignored. Raises ValueError where it is not a time."""
    return parse_time(re.sub(r"\s*:\s*", ":", text.strip()))


def exit_message(result: RunResult) -> str:
    """Returns the message of a run in the service's words, with our verdict behind them."""
    if result.outcome is Outcome.NOT_JUDGED:
        return f"Completed: Job completed successfully; nothing was judged. {result.verdict}"
    if not result.violations:
        return f"Completed: Job completed successfully with no violations. {result.verdict}"
    return f"CompletedWithViolations: Job completed successfully with {len(result.violations)} violations. {result.verdict}"


def write_exit_message(text: str, path: Path = MESSAGE) -> None:
    """Writes the job's message, cut to 1,024 bytes of UTF-8 at a character."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "replace")[:MESSAGE_BYTES].decode("utf-8", "ignore").rstrip().encode())


def cloudwatch_lines(metrics: Iterable[JobMetric], *, time: dt.datetime, endpoint: str, schedule: str) -> bytes:
    """Returns metrics as the platform reads them: one JSON object a line. Values that are not finite are left out.

    The namespace is the platform's. `time` is the end of the window.
    """
    dimensions = [
        {"Name": name, "Value": dimension(value)}
        for name, value in (("Endpoint", endpoint), ("MonitoringSchedule", schedule))
        if value
    ]
    lines = []
    for metric in metrics:
        values = (metric.value,) if metric.statistics is None else metric.statistics
        if not all(value is not None and math.isfinite(value) for value in values):
            continue
        entry: dict[str, Any] = {
            "MetricName": metric.name,
            "Timestamp": f"{(metric.time or time).astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
            "Dimensions": dimensions,
            "Unit": metric.unit,
        }
        if metric.statistics is None:
            entry["Value"] = metric.value
        else:
            names = ("SampleCount", "Sum", "Minimum", "Maximum")
            entry["StatisticValues"] = dict(zip(names, metric.statistics, strict=True))
        lines.append(msgspec.json.encode(entry))
    return b"".join(line + b"\n" for line in lines)


def write_metrics(lines: bytes, folder: Path = METRICS) -> None:
    """Writes metrics where the platform looks for them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "monitoring.jsonl").write_bytes(lines)


def _environment(config: Mapping[str, Any] | None) -> dict[str, str]:
    given = (config or {}).get("Environment") or {}
    return {str(name): str(value) for name, value in given.items() if value}


def _local_path(config: Mapping[str, Any] | None, member: str) -> str:
    """Returns the local path of the job's endpoint input or of its first output, "" where none is named."""
    entries = (config or {}).get(member) or []
    if isinstance(entries, dict):
        entries = entries.get("Outputs") or []
    paths = {}
    for entry in entries:
        place = entry.get("EndpointInput") or entry.get("S3Input") or entry.get("S3Output") or {}
        name = str(entry.get("InputName") or entry.get("OutputName") or "")
        if place.get("LocalPath"):
            paths[name] = str(place["LocalPath"])
    named = [path for name, path in paths.items() if "endpoint" in name.lower() or "endpoint" in path]
    if member == "ProcessingInputs":
        return next(iter(named), "")
    return next(iter(paths.values()), "")


def _format(text: str) -> tuple[str, tuple[str, ...]]:
    if not text:
        return "capture", ()
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise UsageError(
            f"dataset_format is {text!r}; it must be JSON such as {{'csv': {{'header': true}}}}"
        ) from error
    names = {"sagemakerCaptureJson": "capture", "csv": "csv", "json": "json", "parquet": "parquet"}
    for key, name in names.items():
        if isinstance(document, dict) and key in document:
            about = document[key]
            indexes = about.get("captureIndexNames") if isinstance(about, dict) else None
            return name, tuple(map(str, indexes or ()))
    raise UsageError(f"dataset_format is {text!r}; it must name one of {', '.join(names)}")


def _time(known: Mapping[str, str], name: str) -> dt.datetime | None:
    text = known.get(name)
    if not text:
        return None
    try:
        return parse_job_time(text)
    except ValueError as error:
        raise UsageError(f"{name} is {text!r}; it must be a time such as 2019-12-01T16:20:00Z") from error


def _path(known: Mapping[str, str], name: str) -> Path | None:
    return Path(known[name]) if known.get(name) else None


def _switch(known: Mapping[str, str], name: str) -> bool:
    value = known.get(name, "Disabled")
    if value.lower() not in ("enabled", "disabled"):
        raise UsageError(f"{name} is {value!r}; it must be Enabled or Disabled")
    return value.lower() == "enabled"
