"""SageMaker's contract for multi-model endpoints: load, list, describe and unload models while the endpoint runs.

    POST   /models          {"model_name", "url"}   200; 400, 404 no such directory, 409 loaded already, 507 no memory
    GET    /models          ?limit, ?next_page_token
    GET    /models/NAME     404 where it is not loaded
    DELETE /models/NAME

Multi Model Server's own management API takes more than this (a handler, an address to load from), so only
the supervisor connects to it. Requests that arrive here are checked and written again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import weakref
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from container.shared.artefact import Artefact, ArtefactError
from container.shared.in_flight import busy_with
from container.shared.run_directory import RunDirectory
from container.supervisor.live_workers import LiveWorkers
from container.supervisor.model_server import LoadFailed, ModelServer
from container.supervisor.plan import ServingPlan
from container.supervisor.proxy import MODEL_NAME, Admin
from container.supervisor.unix_http import HttpRequest, HttpResponse

log = logging.getLogger("supervisor")
PAGE = 100
IDLE_FOR = 0.1
"""Seconds without a request after which a model that gets no new ones is taken to be idle."""


class Load(msgspec.Struct):
    """Body of a load."""

    model_name: str
    url: str
    batch_size: int = 1


class Models:
    """The loaded models of a multi-model endpoint."""

    def __init__(
        self, server: ModelServer, live_workers: LiveWorkers, admin: Admin, directory: RunDirectory, plan: ServingPlan
    ) -> None:
        self._server = server
        self._live_workers = live_workers
        self._admin = admin
        self._directory = directory
        self._plan = plan
        self._urls: dict[str, str] = {}
        self._changing: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer a request under `/models`."""
        parts = urlsplit(request.path)
        name = unquote(parts.path.removeprefix("/models").strip("/"))
        match request.method, bool(name):
            case "POST", False:
                return await self._load(request.body)
            case "GET", False:
                return self._list({key: values[0] for key, values in parse_qs(parts.query).items()})
            case "GET", True:
                return self._describe(name)
            case "DELETE", True:
                return await self._unload(name)
        return HttpResponse.error(
            405, "MethodNotAllowed", "models are loaded by POST, asked by GET, unloaded by DELETE"
        )

    async def _load(self, body: bytes) -> HttpResponse:
        try:
            wanted = msgspec.json.decode(body, type=Load)
        except msgspec.DecodeError as error:
            return HttpResponse.error(400, "BadRequest", f'send {{"model_name": …, "url": …}}: {error}')
        if wanted.batch_size != 1:
            return HttpResponse.error(400, "BadRequest", "batch_size is 1 here: requests of a batch fail together")
        if not re.fullmatch(MODEL_NAME, wanted.model_name):
            return HttpResponse.error(400, "BadRequest", f"model_name must be {MODEL_NAME}")
        if wanted.model_name in self._urls:
            return HttpResponse.error(409, "ModelLoaded", f"{wanted.model_name} is loaded already")
        artefact = Artefact(Path(wanted.url))
        found = False
        try:
            found = artefact.directory.is_dir()
            _check_place(artefact.directory, self._plan.settings.base_dir / "models")
            artefact.check()
        except ArtefactError as error:
            return HttpResponse.error(400 if found else 404, "ModelNotFound", str(error))
        except (OSError, ValueError) as error:
            return HttpResponse.error(400, "BadRequest", f"url={wanted.url[:300]!r} is no directory: {error}")
        async with self._lock_of(wanted.model_name):
            if wanted.model_name in self._urls:
                return HttpResponse.error(409, "ModelLoaded", f"{wanted.model_name} is loaded already")
            return await self._load_now(wanted, artefact)

    async def _load_now(self, wanted: Load, artefact: Artefact) -> HttpResponse:
        self._live_workers.failures.pop(wanted.model_name, None)
        self._live_workers.exits.pop(wanted.model_name, None)
        try:
            await self._admin.accept(wanted.model_name)
            await self._server.load(wanted.model_name, artefact, self._plan.workers)
        except (LoadFailed, OSError) as error:
            status = error.status if isinstance(error, LoadFailed) else 500
            reason = self._live_workers.failures.pop(wanted.model_name, None)
            if status == 507:  # from a worker that ran out of memory; SageMaker unloads other models and tries again
                return HttpResponse.error(507, "OutOfMemory", f"no memory for {wanted.model_name}: unload other models")
            if reason is None and status == 500:
                reason = await self._live_workers.how_it_died(wanted.model_name)
            log.error("model %s cannot be loaded: %s", wanted.model_name, reason or error)
            return HttpResponse.error(status, "ModelNotLoaded", reason or str(error))
        self._urls[wanted.model_name] = wanted.url
        log.info("model %s loaded from %s", wanted.model_name, wanted.url)
        return HttpResponse.json(200, {"status": f"{wanted.model_name} loaded"})

    def _list(self, query: dict[str, str]) -> HttpResponse:
        try:
            limit = min(PAGE, max(1, int(query.get("limit", PAGE))))
            first = max(0, int(query.get("next_page_token", 0)))
        except ValueError:
            return HttpResponse.error(400, "BadRequest", "limit and next_page_token are whole numbers")
        names = sorted(self._urls)
        page: dict[str, object] = {"models": [self._entry(name) for name in names[first : first + limit]]}
        if first + limit < len(names):
            page["nextPageToken"] = str(first + limit)
        return HttpResponse.json(200, page)

    def _describe(self, name: str) -> HttpResponse:
        if name not in self._urls:
            return HttpResponse.error(404, "ModelNotFound", f"{name} is not loaded")
        return HttpResponse.json(200, self._entry(name))

    async def _unload(self, name: str) -> HttpResponse:
        async with self._lock_of(name):
            if self._urls.pop(name, None) is None:
                return HttpResponse.error(404, "ModelNotFound", f"{name} is not loaded")
            await self._admin.refuse(name)
            await self._until_idle(name)
            status = await self._server.unload(name)
        log.info("model %s unloaded", name)
        return HttpResponse.json(200 if status in (200, 404) else status, {"status": f"{name} unloaded"})

    def _lock_of(self, name: str) -> asyncio.Lock:
        """The lock of one model's changes: models do not wait for each other."""
        return self._changing.setdefault(name, asyncio.Lock())

    async def _until_idle(self, name: str) -> None:
        """Wait until no worker of a model has had a request for a moment, for as long as one request may take.

        Multi Model Server would cut off what is being answered or waits in its queue.
        """
        loop = asyncio.get_running_loop()
        begun = idle_since = loop.time()
        while loop.time() - idle_since < IDLE_FOR and loop.time() - begun < self._plan.settings.time_limit:
            if any(busy_with(self._directory.busy, report.pid) for report in self._live_workers.of(name)):
                idle_since = loop.time()
            await asyncio.sleep(0.005)

    def _entry(self, name: str) -> dict[str, str]:
        return {"modelName": name, "modelUrl": self._urls[name]}


def _check_place(directory: Path, below: Path) -> None:
    """Refuse a directory from which no code is to be loaded.

    SageMaker unpacks models below one directory, as root. Another local user who reaches the port must not have code of
    their own run with our rights.

    Raises:
        ArtefactError: the directory lies elsewhere, or belongs to another user.
    """
    real = directory.resolve()
    if not real.is_relative_to(below.resolve()):
        raise ArtefactError(f"{directory} is not below {below}, from where models are loaded")
    for path in (real, real / "code"):
        if path.exists() and path.stat().st_uid not in (0, os.geteuid()):
            raise ArtefactError(
                f"{path} belongs to user {path.stat().st_uid}; it must belong to root or to our own user"
            )
