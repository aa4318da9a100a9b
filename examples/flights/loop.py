"""The loop closed: labels arrive, quality is judged, people hear of it once, a new model is trained, replayed and serves.

Labels of July would arrive the day after. The example does not wait: it says at which time it looks. `EARLY` after the last
request a third of the labels is there, `LATE` after it all of them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from examples.flights.build import Artefact
from examples.flights.labels import write_labels
from examples.flights.people import PrintedIncidents, PrintedPosts
from examples.flights.reference import LABEL, RISK
from examples.flights.traffic import Request
from examples.flights.workspace import ENDPOINT_NAME, Workspace
from monitoring.alarms.composer import context_of_quality
from monitoring.alarms.observation import of_quality
from monitoring.alarms.policy import Policy
from monitoring.alarms.register import AlarmRegister
from monitoring.notify.deliverer import Deliverer
from monitoring.notify.secrets import Secrets
from monitoring.notify.settings import NotifySettings, PagerDuty, Slack
from monitoring.quality.baseline import QualityBaseline
from monitoring.quality.predictions import CapturedPredictions
from monitoring.quality.problem import Problem, Question
from monitoring.quality.result import QualityResult
from monitoring.quality.run import JudgedQuality, QualityRun, judge_quality
from monitoring.quality.text import score_split_lines
from monitoring.quality.training_set import write_manifest
from monitoring.result import Grade
from monitoring.retraining.controller import Retraining
from monitoring.retraining.settings import Rule
from monitoring.retraining.wiring import report, starter_of
from monitoring.schedule.consequences import DirectPublisher
from monitoring.storage import open_storage
from monitoring.window import Window

EARLY, LATE = dt.timedelta(hours=2), dt.timedelta(hours=26)
_QUESTION = Question(problem=Problem.BINARY, probability=RISK, label=LABEL)
_SHOWN = ("auc", "predicted_rate", "observed_rate", "log_loss")
_RETRAIN_LIMIT = 240.0


class LoopError(Exception):
    """A step of the loop did not give what it promises."""


@dataclass(frozen=True)
class Loop:
    """The parts that carry a cause to a person and to a retraining, over one storage."""

    workspace: Workspace
    artefact: Artefact
    console: Console

    def register(self) -> AlarmRegister:
        """Returns the alarms, whose messages are printed."""
        storage = open_storage(str(self.workspace.monitoring))
        settings = NotifySettings(
            state=storage.uri,
            pagerduty={"oncall": PagerDuty("env:EXAMPLE_KEY")},
            slack={"flights": Slack(webhook="env:EXAMPLE_KEY")},
        )
        secrets = Secrets({"EXAMPLE_KEY": "example"})
        deliverer = Deliverer(storage, settings, secrets, PrintedIncidents(self.console), PrintedPosts(self.console))
        return AlarmRegister(storage, Policy(), DirectPublisher(deliverer))

    def quality_run(self, window: Window, version: str) -> QualityRun:
        """Returns how the quality of a window is judged: against the days that the model did not see."""
        baseline = QualityBaseline.load(str(self.artefact.held_out_data), _QUESTION)
        return QualityRun(
            captured=CapturedPredictions(str(self.workspace.captured), ENDPOINT_NAME, None),
            ground_truth=str(self.workspace.ground_truth),
            window=window,
            question=_QUESTION,
            baseline=baseline,
            monitor=f"flights-v{version}",
            keep_labels=True,
        )

    def tell(self, result: QualityResult) -> None:
        """Prints what a run of quality found."""
        maturity = result.maturity
        self.console.print(
            f"[bold]Quality[/] as of {result.created:%b} {result.created.day} {result.created:%H:%M} UTC: {maturity.stage}, "
            f"{result.labelled:,} of {result.rows:,} rows labelled. {result.verdict}"
        )
        values = {metric.name: metric for metric in result.metrics}
        trained = {entry.metric: entry.baseline for entry in result.comparisons}
        for name in _SHOWN:
            metric = values.get(name)
            if metric is not None and metric.value is not None:
                interval = (
                    f" ({metric.low:.3f} to {metric.high:.3f})"
                    if metric.low is not None and metric.high is not None
                    else ""
                )
                before = f", held-out days of January to March {trained[name]:.3f}" if name in trained else ""
                self.console.print(f"  {name:<15} {metric.value:.3f}{interval}{before}", markup=False, highlight=False)
        if result.concept is not None:
            self.console.print(
                f"  inputs or concept: {result.concept.case}. {result.concept.reason}", markup=False, highlight=False
            )
            for line in score_split_lines(result.concept):
                self.console.print(f"    {line}", markup=False, highlight=False)


def judge_labels(loop: Loop, requests: Sequence[Request], window: Window) -> tuple[JudgedQuality, QualityRun]:
    """Judges quality when a third of the labels is there, and again when all are. Returns the final judgement."""
    run = loop.quality_run(window, "1")
    third = len(requests) // 3
    write_labels(requests[:third], loop.workspace.ground_truth, window.end + EARLY / 2)
    loop.tell(judge_quality(run, window.end + EARLY).result)
    write_labels(requests[third:], loop.workspace.ground_truth, window.end + LATE / 2)
    judged = judge_quality(run, window.end + LATE)
    loop.tell(judged.result)
    return judged, run


def alarm_and_retrain(loop: Loop, judged: JudgedQuality, run: QualityRun) -> Path:
    """Carries the causes to people, and starts one retraining, though two monitors ask for it. Returns the new artefact's directory."""
    register = loop.register()
    state = register.apply(of_quality(judged.result), context_of_quality(judged.result))
    target = loop.workspace.retrained
    manifest = loop.workspace.monitoring / "training_set.json"
    rule = Rule(
        name="quality",
        causes=("quality:*", "concept:*"),
        at_least=Grade.SMALL,
        command=(sys.executable, "-m", "examples.flights.retrain", str(target)),
    )

    def write() -> str:
        write_manifest(judged, run, str(manifest), judged.result.created)
        return str(manifest)

    started = 0
    for holder in ("first monitor", "second monitor"):
        monitor = Retraining(
            open_storage(str(loop.workspace.monitoring)),
            (rule,),
            starter_of(loop.workspace.directory / "retraining"),
            holder=holder,
        )
        outcomes = monitor.consider(state, write)
        started += sum(outcome.verdict == "start" for outcome in outcomes)
        report(register, judged.result.subject, outcomes, dt.datetime.now(dt.UTC))
    if started != 1:
        raise LoopError(f"{started} retrainings were started for one episode; exactly one must be")
    _wait_for(target / "model.tar.gz", loop.workspace.directory / "retraining")
    return target


def _wait_for(archive: Path, folder: Path) -> None:
    """Waits until the retraining has ended. Raises LoopError where it failed."""
    deadline = time.monotonic() + _RETRAIN_LIMIT
    while time.monotonic() < deadline:
        ended = list(folder.glob("*.exit"))
        if ended:
            code = ended[0].read_text().strip()
            if code == "0" and archive.exists():
                return
            log = ended[0].with_suffix(".log")
            raise LoopError(f"the retraining ended with {code}: {log.read_text()[-500:]}")
        time.sleep(0.1)
    raise LoopError(f"the retraining did not end within {_RETRAIN_LIMIT:.0f} s: see {folder}")


def replay(loop: Loop, archive: Path, start: dt.datetime, end: dt.datetime, output: Path | None = None) -> None:
    """Replays captured rows through an artefact and prints the comparison."""
    command = [
        sys.executable,
        "-m",
        "container",
        "replay",
        "--captured",
        str(loop.workspace.captured),
        "--model",
        str(archive),
    ]
    command += ["--start", start.isoformat(), "--end", end.isoformat(), *(["--output", str(output)] if output else [])]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode != 0:
        raise LoopError(f"the replay failed: {result.stderr.strip()}")
    for line in result.stdout.strip().splitlines()[:4]:
        loop.console.print(f"  {line}", markup=False, highlight=False)


def following_week(
    loop: Loop,
    serve: Callable[[Artefact, Sequence[Request], str], Window],
    retrained: Artefact,
    requests: Sequence[Request],
) -> None:
    """Serves version 2 for the following week, judges it beside what version 1 would have said, and closes the episode."""
    window = serve(retrained, requests, "2")
    write_labels(requests, loop.workspace.ground_truth, window.end + LATE / 2)
    now = window.end + LATE
    new = judge_quality(loop.quality_run(window, "2"), now).result
    loop.tell(new)
    old_rows = loop.workspace.directory / "week2_by_v1"
    loop.console.print("[bold]The same week, as version 1 would have answered:[/]")
    replay(loop, loop.artefact.archive, window.start, window.end, old_rows)
    run = loop.quality_run(window, "1")
    old = dataclasses.replace(run, captured=CapturedPredictions(str(old_rows / "captured"), "replay", None))
    loop.tell(judge_quality(old, now).result)
    loop.register().supersede(context_of_quality(new), new.subject.model_version or "2")
