"""The monitor of the flights endpoint: baseline, what captured traffic looks like beside it, and the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from examples.flights.build import MODEL_NAME, Artefact
from examples.flights.reference import LABEL, REQUEST, TIME
from examples.flights.workspace import ENDPOINT_NAME
from monitoring import Baseline, Monitor, Report
from monitoring.outputs import PAGE, write_outputs
from monitoring.quality.result import QualityResult
from monitoring.report import page
from monitoring.report.terminal import render
from monitoring.storage import open_storage

TERMINAL = 100


@dataclass(frozen=True)
class Judged:
    """A judged window and the place of its page."""

    report: Report
    page: Path


def write_baseline(artefact: Artefact, directory: Path) -> Baseline:
    """Makes the baseline of the training flights and writes it to `directory`."""
    baseline = Baseline.from_training(str(artefact.baseline_data), id_column=REQUEST, time_column=TIME, label=LABEL)
    baseline.save(str(directory))
    return baseline


def judge(baseline: Baseline, captured: Path, output: Path, console: Console) -> Judged:
    """Judges everything that was captured, prints the table and writes the page below `output`."""
    monitor = Monitor(baseline, captured=captured.as_uri(), output=str(output), endpoint=ENDPOINT_NAME, name=MODEL_NAME)
    source = monitor.open()
    window = monitor.window(source, None, None)
    if window is None:
        raise LookupError(f"nothing was captured below {captured}")
    profile = monitor.profile(source, window)
    report = monitor.judge(source, window, profile)
    write_outputs(open_storage(str(output)), report.result, baseline, profile)
    console.print(render(report.result, TERMINAL), markup=False, highlight=False)
    return Judged(report, output / PAGE)


def add_quality(judged: Judged, quality: QualityResult) -> None:
    """Writes the page of a judged window again, with what the labels say of the model."""
    judged.page.write_text(page.render(judged.report.result, quality=quality), encoding="utf-8")
