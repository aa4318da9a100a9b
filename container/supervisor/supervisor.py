"""The supervisor: starts HAProxy, Multi Model Server and the shipper, watches them, and stops them without loss.

Start: log collector → requirements → HAProxy (`/ping` 503) → shipper → Java → the model, in every worker → `/ping` 200.

Stop, within 24 of SageMaker's 30 seconds
    0 s       `/ping` 503; requests are still served, and connections closed after an answer
    1 s       HAProxy closes its listener, answers what it has taken, ends                        (at most 16 s)
    then      Java is frozen, so it replaces no worker; workers get SIGTERM and end in order    (at most 2 s)
    then      Java and all that is left of it is killed: every answer is out
    ≤ 24 s    the shipper ships what is committed; what it could not is counted in the last log line

The endpoint ends by itself, non-zero and with one line that says why, when a program cannot be started or ends, when
the model cannot be loaded, and when no worker has been alive for a while (`readiness`).

Invariants
- `_stop` runs once, whatever happened before, and leaves no process and no file of the run directory.
- One event loop, one thread: nothing here blocks for longer than a scrape takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import re
import signal
import socket
import sys
from pathlib import Path

from capture.config import unknown_variables
from capture.handover import hand_over
from container.shared.artefact_mistakes import likely_mistakes
from container.shared.resources import JavaBudget
from container.shared.run_directory import VARIABLE, RunDirectory
from container.shared.settings import instead_of
from container.supervisor import capture_trial, metrics_page, proxy, requirements, shipper_process, unix_http
from container.supervisor.child_processes import Child, Children, describe_exit
from container.supervisor.log_process import Pump
from container.supervisor.model_server import LoadFailed, ModelServer, ModelServerNotFound, find_home, find_java
from container.supervisor.multi_model_api import Models
from container.supervisor.plan import ServingPlan
from container.supervisor.readiness import Readiness
from container.supervisor.shipper_process import ShipperProcess

log = logging.getLogger("supervisor")

LAME_DUCK = 1.0
WORKERS_END = 2.0
STOP_WITHIN = 24.0
SERVER_STARTS = 60.0


SECRETS = ("CAPTURE_HASH_KEY",)
"""Variables that the workers alone get, in a file."""
_CREDENTIAL = re.compile("SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|ACCESS_KEY|PRIVATE|_KEY$", re.IGNORECASE)
"""Names of variables that a process without outside connections does not get."""


class EndpointFailed(RuntimeError):
    """The endpoint cannot go on; the message is the one line that says why."""


class Supervisor:
    """One endpoint, from start to stop. Make it with the event loop running, in the main thread."""

    def __init__(self, plan: ServingPlan) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[str | None] = self._loop.create_future()
        self._directory = RunDirectory.make()
        self._children = Children()
        self._http = unix_http.Server(self._answer)
        self._admin = proxy.Admin(self._directory)
        self._readiness = Readiness(self._admin, self._directory, plan.settings.multi_model, self._end_because)
        self._budget = JavaBudget.of(plan.limits, plan.settings.max_payload)
        self._children.orphan_ended = self._readiness.live_workers.orphan_ended
        self._server = ModelServer(
            self._directory,
            self._budget,
            plan.settings.max_payload,
            plan.settings.java_options,
            plan.settings.startup_timeout,
        )
        self._models = Models(self._server, self._readiness.live_workers, self._admin, self._directory, plan)
        self._spool: Path | None = plan.capture.spool().directory if plan.capture.enabled else None
        self._directory.keep_secrets({name: os.environ[name] for name in SECRETS if os.environ.get(name)})
        self._env = self._environment()
        self._bare_env = {name: value for name, value in self._env.items() if not _CREDENTIAL.search(name)}
        self._scrape = metrics_page.Scrape(self._directory, self._spool)
        self._installed = False
        self._pump: Pump | None = None
        self._proxy: Child | None = None
        self._java: Child | None = None
        self._shipper: ShipperProcess | None = None

    async def run(self) -> str | None:
        """Start, serve until a stop is requested, stop. Returns why it ended by itself, None after a requested stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._end_because, None)
        starting = asyncio.create_task(self._start())
        starting.add_done_callback(self._started)
        reason = await self._end
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await self._stop(reason)
        return reason

    def _end_because(self, reason: str | None) -> None:
        """The first reason counts; None is an order from outside."""
        if not self._end.done():
            self._end.set_result(reason)

    # -- start -----------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        begun = self._loop.time()
        self._pump = Pump(
            self._children, self._directory, self._bare_env, self._settings.log_level, self._plan.log_form
        )
        self._watch_pump(self._pump)
        self._say_what_is_served()
        await self._install_requirements()
        await self._readiness.live_workers.start(self._directory.worker_status)
        await self._http.start(self._directory.supervisor)
        await self._start_proxy()
        trial = self._try_capture()
        self._start_shipper()
        await self._start_java()
        if not self._settings.multi_model:
            await self._load_model(begun)
        await self._check_trial(trial)
        seconds = self._loop.time() - begun
        await self._readiness.open(seconds)
        log.info("ready after %.1f s, %d workers", seconds, len(self._readiness.live_workers.alive))
        self._look_at_the_destination()

    def _started(self, starting: asyncio.Task[None]) -> None:
        error = None if starting.cancelled() else starting.exception()
        if isinstance(error, (EndpointFailed, ModelServerNotFound, proxy.ProxyNotFound)):
            self._end_because(str(error))
        elif error is not None:
            log.critical("the endpoint cannot be started", exc_info=error)
            self._end_because(f"{type(error).__name__}: {error}")

    def _say_what_is_served(self) -> None:
        plan, settings = self._plan, self._settings
        log.info(
            "serving %s on %s:%d, %d workers for a model, %g CPUs and %d MiB of memory, capture %s",
            "models as they are loaded" if settings.multi_model else plan.artefact.directory,
            plan.host,
            settings.port,
            plan.workers,
            plan.limits.cpus,
            plan.limits.memory >> 20,
            f"to {plan.capture.destination}" if plan.capture.enabled else "off",
        )
        for name in settings.ignored:
            log.warning("%s is set and does nothing here: %s", name, instead_of(name))
        for line in unknown_variables():
            log.warning("%s", line)
        for line in () if settings.multi_model else likely_mistakes(plan.artefact):
            log.warning("%s", line)

    async def _install_requirements(self) -> None:
        path = None if self._settings.multi_model else self._plan.artefact.requirements
        if path is None:
            return
        log.info("installing %s", path)
        try:
            env = requirements.environment(self._env)
        except Exception as error:
            raise EndpointFailed(f"{path} cannot be installed: {error}") from error
        pip = self._spawn("pip", requirements.command(path), env)
        code = await asyncio.shield(pip.exited)
        if code != 0:
            raise EndpointFailed(f"{path} cannot be installed: pip ended with {describe_exit(code)}, see the log")
        self._installed = True

    def _try_capture(self) -> Child | None:
        """Start the trial of what is installed, where packages came after ours; it runs while the model is loaded."""
        if self._spool is None or not (self._installed or capture_trial.is_needed()):
            return None
        return self._spawn("capture trial", capture_trial.command(self._trial_reason), self._bare_env)

    async def _check_trial(self, trial: Child | None) -> None:
        if trial is None or await asyncio.shield(trial.exited) == 0:
            return
        with contextlib.suppress(OSError):
            raise EndpointFailed(f"captured records cannot be shipped with the packages that are installed: "
                                 f"{self._trial_reason.read_text()}; see requirements.txt or the image")  # fmt: skip
        raise EndpointFailed(
            f"captured records cannot be shipped with the packages that are installed: the trial ended with "
            f"{describe_exit(trial.exited.result())}; see requirements.txt or the image"
        )

    @property
    def _trial_reason(self) -> Path:
        return self._directory.path / "trial"

    async def _start_proxy(self) -> None:
        settings = self._settings
        _check_port(self._plan.host, settings.port)
        self._directory.proxy_configuration.write_text(
            proxy.configuration(
                self._directory,
                host=self._plan.host,
                port=settings.port,
                time_limit=settings.time_limit,
                max_payload=settings.max_payload,
                workers=self._plan.workers,
                large_at_once=self._budget.large,
                multi_model=settings.multi_model,
            )
        )
        command = [proxy.find_haproxy(), "-db", "-q", "-f", str(self._directory.proxy_configuration)]
        self._proxy = self._spawn("haproxy", command, self._bare_env)
        self._watch(self._proxy, "HAProxy")
        while not self._directory.proxy_admin.exists():
            await asyncio.sleep(0.01)

    def _start_shipper(self) -> None:
        spool = self._spool
        if spool is None:
            return
        settings = self._directory.capture_settings
        hand_over(dataclasses.replace(self._plan.capture, spool_dir=spool), settings)
        env = {name: value for name, value in self._env.items() if not name.startswith("CAPTURE_")}
        command = shipper_process.command(sys.executable, str(spool), str(settings))
        self._shipper = ShipperProcess(lambda: self._spawn("shipper", command, env, death_signal=signal.SIGTERM))
        self._shipper.start()

    async def _start_java(self) -> None:
        self._server.prepare()
        env = {name: value for name, value in self._env.items() if not name.startswith("MMS_")}
        self._java = self._spawn("java", self._server.command(find_java(), find_home()), env)
        self._watch(self._java, "Multi Model Server")
        if not await self._server.wait_until_listening(SERVER_STARTS):
            raise EndpointFailed(f"Multi Model Server did not start within {SERVER_STARTS:g} s: see the log")

    async def _load_model(self, begun: float) -> None:
        left = self._settings.startup_timeout - (self._loop.time() - begun)
        try:
            async with asyncio.timeout(max(1.0, left)):
                await self._server.load("model", self._plan.artefact, self._plan.workers)
        except TimeoutError as error:
            limit = self._settings.startup_timeout
            raise EndpointFailed(f"the model was not loaded in SAGEMAKER_STARTUP_TIMEOUT={limit:g} seconds") from error
        except (LoadFailed, OSError) as error:
            live_workers = self._readiness.live_workers
            reason = live_workers.failures.get("model") or await live_workers.how_it_died("model") or str(error)
            raise EndpointFailed(f"the model cannot be loaded: {reason}") from error

    def _look_at_the_destination(self) -> None:
        destination = self._plan.capture.destination
        if destination is not None and destination.startswith("s3://"):
            self._spawn(
                "preflight",
                [sys.executable, "-P", "-m", "container.supervisor.destination_check", destination],
                self._env,
            )

    # -- while it runs ---------------------------------------------------------------------------------------------

    def _watch(self, child: Child, name: str) -> None:
        def ended(exited: asyncio.Future[int]) -> None:
            self._end_because(f"{name} ended with {describe_exit(exited.result())}")

        child.exited.add_done_callback(ended)

    def _watch_pump(self, pump: Pump) -> None:
        def ended(exited: asyncio.Future[int]) -> None:
            if self._end.done():
                return
            self._end_because(
                f"the log collector ended with {describe_exit(exited.result())}: nothing that runs can log"
            )
            # What the supervisor and a shipper say while all stops is heard; a failure here must not hinder the stop.
            with contextlib.suppress(OSError):
                pump.replace()

        pump.child.exited.add_done_callback(ended)

    async def _answer(self, request: unix_http.HttpRequest) -> unix_http.HttpResponse:
        """What HAProxy sends to the supervisor."""
        if request.path.partition("?")[0] == "/metrics":
            return unix_http.HttpResponse(200, await self._exposition(), metrics_page.CONTENT_TYPE)
        if not self._readiness.ready:
            return unix_http.HttpResponse.error(503, "NotReady", "the endpoint is starting or stopping")
        return await self._models.answer(request)

    async def _exposition(self) -> bytes:
        responses: dict[str, int] = {}
        with contextlib.suppress(OSError):
            responses = await self._admin.responses()
        live_workers = self._readiness.live_workers
        restarts = self._shipper.restarts if self._shipper else 0
        vitals = metrics_page.Vitals(
            self._readiness.ready, live_workers.count(), live_workers.ended, restarts, responses
        )
        return self._scrape.text(vitals)

    # -- stop ------------------------------------------------------------------------------------------------------

    async def _stop(self, reason: str | None) -> None:
        deadline = self._loop.time() + STOP_WITHIN
        if reason is None:
            log.info("stopping")
        else:
            log.critical("stopping: %s", reason)
        lame_duck = LAME_DUCK if reason is None and self._readiness.ready else 0.0
        await self._readiness.close()
        await self._drain(lame_duck)
        await self._end_workers()
        await self._children.end_all(self._spared)
        await self._ship(deadline)
        await self._http.stop()
        self._readiness.live_workers.stop()
        log.info("stopped")
        if self._pump is not None:
            await self._children.end_all([self._pump.child])
            await self._pump.stop()
        self._directory.remove()

    async def _drain(self, lame_duck: float) -> None:
        """HAProxy ends when every request that it has taken is answered."""
        if self._proxy is None or not self._proxy.alive:
            return
        await asyncio.sleep(lame_duck)
        self._proxy.signal(signal.SIGUSR1)
        if not await self._proxy.wait(proxy.DRAIN_LIMIT + 1):
            log.error("HAProxy did not end, and is killed")

    async def _end_workers(self) -> None:
        live_workers = self._readiness.live_workers
        if self._java is not None:
            self._java.signal(signal.SIGSTOP)
        for pid in list(live_workers.alive):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        end = self._loop.time() + WORKERS_END
        while live_workers.alive and self._loop.time() < end:
            await asyncio.sleep(0.005)
        if self._java is not None:
            self._java.signal_group(signal.SIGKILL)

    @property
    def _spared(self) -> list[Child]:
        spared = [] if self._pump is None else [self._pump.child]
        if self._shipper is not None and self._shipper.child is not None:
            spared.append(self._shipper.child)
        return spared

    async def _ship(self, deadline: float) -> None:
        if self._shipper is None or self._spool is None:
            return
        if await self._shipper.stop(deadline - self._loop.time()):
            return
        left = shipper_process.left_behind(self._spool)
        if left is not None:
            log.error("capture: the shipper could not finish: %s", left)

    # -- processes -------------------------------------------------------------------------------------------------

    def _spawn(
        self, name: str, command: list[str], env: dict[str, str], death_signal: signal.Signals = signal.SIGKILL
    ) -> Child:
        """Start a program whose output goes to the log collector."""
        if self._pump is None:
            raise EndpointFailed("the log collector does not run")
        try:
            with self._pump.pipe(name) as output:
                return self._children.spawn(name, command, env, output=output, death_signal=death_signal)
        except OSError as error:
            raise EndpointFailed(f"{command[0]} cannot be started: {error}") from error

    def _environment(self) -> dict[str, str]:
        """What every process below gets beside our own environment."""
        env = {name: value for name, value in os.environ.items() if name not in SECRETS}
        env[VARIABLE] = str(self._directory.path)
        env["PROMETHEUS_MULTIPROC_DIR"] = str(self._directory.users_metrics)
        env["PYTHONUNBUFFERED"] = "1"
        # Where we run from a checkout, those that are started in another directory must find us too.
        home = str(Path(__file__).resolve().parents[2])
        if "site-packages" not in home:
            env["PYTHONPATH"] = os.pathsep.join([home, *filter(None, [env.get("PYTHONPATH")])])
        if self._plan.capture.enabled:
            place = self._plan.capture.spool()
            env["CAPTURE_SPOOL_DIR"] = str(place.directory)
            env["CAPTURE_SPOOL_MAX_BYTES"] = str(place.max_bytes)
        return env


def _check_port(host: str, port: int) -> None:
    """HAProxy would say it less clearly."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise EndpointFailed(f"SAGEMAKER_BIND_TO_PORT={port}: cannot listen on {host}:{port}: {error}") from error
