"""The whole main job, once, on real flights: train, serve, replay July, show and check what was captured, monitor, retrain."""

from __future__ import annotations

import datetime as dt
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from examples.flights import loop, watch
from examples.flights.build import Artefact, build_artefact, opened
from examples.flights.endpoint import Endpoint, EndpointError
from examples.flights.replay import Answer, replay
from examples.flights.traffic import Request, july_requests
from examples.flights.verify import compare
from examples.flights.workspace import Workspace
from monitoring.window import Window


class DemoError(Exception):
    """A step did not give what it promises."""


LAST_WEEK = "2013-07-25"
"""Version 2 serves July from this day on, version 1 the days before."""


def run_demo(directory: Path, limit: int | None, console: Console, progress: Console) -> None:
    """Every step in turn, told on `console`; the progress of long ones is drawn on `progress`.

    `limit` is the number of July's requests to replay, None for all. With all of them the loop is closed: labels, quality,
    one message, retraining, and the new model in the last week of July. Raises an error of this package's where a step fails.
    """
    workspace = Workspace.anew(directory)
    artefact = train(workspace, console, progress)
    requests = july_requests(limit)
    first = [request for request in requests if limit is not None or request.payload["hour"] < LAST_WEEK]
    answers = _serve(workspace, artefact, first, "1", console, progress)
    _inspect(workspace)
    _check(workspace, answers, console)
    judged = _monitor(workspace, artefact, console, progress)
    if limit is None:
        _close_the_loop(workspace, artefact, first, requests[len(first) :], judged, console, progress)
    _tell_paths(workspace, artefact, judged.page, console)


def _serve(
    workspace: Workspace,
    artefact: Artefact,
    requests: Sequence[Request],
    version: str,
    console: Console,
    progress: Console,
) -> list[Answer]:
    with Endpoint(workspace.environment(artefact, version), workspace.log) as endpoint:
        wait_ready(endpoint, console, progress)
        answers = _replay(endpoint, requests, console, progress)
        _stop(endpoint, console)
    return answers


def _close_the_loop(
    workspace: Workspace,
    artefact: Artefact,
    first: Sequence[Request],
    last: Sequence[Request],
    judged: watch.Judged,
    console: Console,
    progress: Console,
) -> None:
    """Labels, quality, a message, retraining, replay, and the last week of July with the new model."""
    steps = loop.Loop(workspace, artefact, console)
    result = judged.report.result
    window = Window(result.start, result.end)
    console.print("[bold]Closing the loop[/]: July's delays arrive\n")
    final, run = loop.judge_labels(steps, first, window)
    watch.add_quality(judged, final.result)
    begin = time.monotonic()
    directory = loop.alarm_and_retrain(steps, final, run)
    retrained = opened(directory)
    console.print(
        f"\n[bold]Retrained[/] once, in {time.monotonic() - begin:.1f} s: {retrained.archive}. Captured rows through it:"
    )
    loop.replay(steps, retrained.archive, window.start, window.end)
    console.print("\n[bold]Version 2[/] serves the last week of July")

    def serve(version_2: Artefact, requests: Sequence[Request], version: str) -> Window:
        before = dt.datetime.now(dt.UTC)
        _serve(workspace, version_2, requests, version, console, progress)
        return Window(before, dt.datetime.now(dt.UTC))

    loop.following_week(steps, serve, retrained, last)
    console.print("")


def train(workspace: Workspace, console: Console, progress: Console) -> Artefact:
    """Train and pack, and say how good the model is."""
    begin = time.monotonic()
    with progress.status("training"):
        artefact = build_artefact(workspace.directory)
    console.print(
        f"[bold]Trained[/] on {artefact.training_rows:,} flights of January to March 2013 in "
        f"{time.monotonic() - begin:.1f} s; ROC AUC {artefact.held_out_auc:.3f} on ten days that the model did not see"
    )
    return artefact


def wait_ready(endpoint: Endpoint, console: Console, progress: Console) -> None:
    """Wait until the endpoint answers `/ping` with 200, and say where it is."""
    begin = time.monotonic()
    with progress.status("starting the endpoint"):
        endpoint.wait_ready()
    console.print(f"[bold]Serving[/] on {endpoint.url}, ready after {time.monotonic() - begin:.1f} s")


def _replay(endpoint: Endpoint, requests: Sequence[Request], console: Console, progress: Console) -> list[Answer]:
    columns = (TextColumn("replaying July"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    begin = time.monotonic()
    with Progress(*columns, console=progress, transient=True) as bar:
        task = bar.add_task("replay", total=len(requests))
        answers = replay(endpoint.port, requests, answered=lambda: bar.advance(task))
    flights = sum(len(answer.predictions) for answer in answers)
    milliseconds = statistics.median(answer.seconds for answer in answers) * 1000
    console.print(
        f"[bold]Replayed[/] {len(answers):,} requests of July 2013 with {flights:,} flights as protobuf in "
        f"{time.monotonic() - begin:.1f} s; median {milliseconds:.1f} ms a request"
    )
    return answers


def _stop(endpoint: Endpoint, console: Console) -> None:
    begin = time.monotonic()
    code = endpoint.stop()
    if code != 0:
        raise EndpointError(f"the endpoint ended with exit code {code} after SIGTERM: see {endpoint.log}")
    console.print(f"[bold]Stopped[/] by SIGTERM with exit code 0 after {time.monotonic() - begin:.1f} s\n")


def _inspect(workspace: Workspace) -> None:
    sys.stdout.flush()
    result = subprocess.run([sys.executable, "-m", "capture", "inspect", workspace.captured.as_uri()], check=False)
    if result.returncode != 0:
        raise DemoError(f"python -m capture inspect {workspace.captured.as_uri()} ended with {result.returncode}")


def _check(workspace: Workspace, answers: Sequence[Answer], console: Console) -> None:
    verdict = compare(workspace.objects, answers)
    if not verdict.holds:
        raise DemoError(
            f"captured rows are not the predictions served: {verdict.served} served, {verdict.captured} captured, "
            f"{verdict.missing} missing, {verdict.unexpected} that nobody was served"
        )
    console.print(
        f"\n[bold]Checked[/] {verdict.captured:,} rows captured = {verdict.served:,} predictions served, "
        "each by event id, item, risk and rank"
    )


def _monitor(workspace: Workspace, artefact: Artefact, console: Console, progress: Console) -> watch.Judged:
    begin = time.monotonic()
    with progress.status("comparing with January to March"):
        baseline = watch.write_baseline(artefact, workspace.baseline)
    console.print(
        f"\n[bold]Baseline[/] of {baseline.profile.rows:,} training flights in {baseline.units.requests:,} requests, "
        f"{time.monotonic() - begin:.1f} s; July beside it:\n"
    )
    return watch.judge(baseline, workspace.captured, workspace.monitoring, console)


def _tell_paths(workspace: Workspace, artefact: Artefact, page: Path, console: Console) -> None:
    console.print("\n[bold]Made[/]")
    for what, path in (
        ("report", page),
        ("captured rows", workspace.objects),
        ("model artefact", artefact.archive),
        ("training set", artefact.training_set),
        ("endpoint's log", workspace.log),
    ):
        console.print(f"  {what:<15} {path}", markup=False)
