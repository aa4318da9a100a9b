"""What one worker process does: load its model once, then answer one request after the other.

Multi Model Server calls `start` in each worker, in its main thread, and then `handle`. A model that cannot be loaded
is reported to the supervisor with its reason; nothing raised for a request leaves `handle`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from multiprocessing import util as multiprocessing_util
from pathlib import Path
from typing import Any

from capture import CaptureBuffer, CaptureConfig, new_event_id
from capture.dataset import column_type
from capture.handover import for_writer
from container.feature_stores.opening import open_store
from container.feature_stores.recording import FailurePolicy
from container.logs import json_lines
from container.metrics import families
from container.shared import headers, worker_status
from container.shared.artefact import Artefact, ArtefactError
from container.shared.artefact_mistakes import likely_mistakes
from container.shared.headers import HANDLER_HEADER, AnyCase, RequestHeaders
from container.shared.in_flight import BusyNote
from container.shared.run_directory import RunDirectory
from container.shared.settings import Settings
from container.worker import user_module
from container.worker.errors import problem_of
from container.worker.pipeline import Pipeline, Request, Response
from container.worker.time_limit import TimeLimit
from serialization import Codecs, Limits, ProtobufSchema

log = logging.getLogger("endpoint")


@dataclass(frozen=True)
class Service:
    """A loaded model and the process's own instruments."""

    pipeline: Pipeline
    busy: BusyNote
    limit: TimeLimit

    @classmethod
    def start(cls, context: Any) -> Service:
        """Load the model that Multi Model Server asks for.

        Raises:
            Exception: whatever keeps the model from being loaded; the caller reports it.
        """
        settings = Settings.from_env()
        directory = RunDirectory.of_this_process()
        artefact = Artefact.of_stand_in(Path(context.system_properties["model_dir"]))
        model_dir = str(artefact.directory)
        # The toolkit's context names the artefact, and the user's functions may use it.
        context.system_properties["model_dir"] = model_dir
        sys.dont_write_bytecode = True  # the artefact is the user's, and often read-only
        functions = user_module.load(artefact, settings.program)
        if functions.relies_on_toolkit:
            importlib.import_module("container.worker.toolkit_values")  # brings NumPy; not in the first request
        for line in likely_mistakes(artefact) if settings.multi_model else ():  # of one model the supervisor logs them
            log.warning("%s", line)
        os.chdir(artefact.directory)
        capture = capture_settings(settings, directory, artefact, context.model_name)
        limits = Limits(max_bytes=settings.max_payload)
        texts = frozenset(name for name, text in capture.types.items() if column_type(text) == "string")
        codecs = Codecs(_protobuf(settings, artefact), capture.feature_names, limits, texts)
        store = None if settings.store is None else open_store(settings.store, artefact)
        if functions.pre_model_fn is not None:
            functions.pre_model_fn(model_dir, context)
        model = functions.model_fn(model_dir, context)
        if functions.model_warmup_fn is not None:
            functions.model_warmup_fn(model_dir, model, context)
        buffer = CaptureBuffer(capture, start_shipper=False) if capture.enabled else None
        if buffer is not None:
            if functions.transform_fn is not None:
                log.warning("transform_fn hides what the model sees, so nothing is captured: replace it by predict_fn, "
                            "and where needed input_fn, features_fn and output_fn")  # fmt: skip
            # Runs when the worker ends in order; what a killed worker has appended is shipped as well.
            multiprocessing_util.Finalize(None, buffer.close, (0.0,), exitpriority=10)
        pipeline = Pipeline(
            functions=functions,
            model=model,
            codecs=codecs,
            default_accept=settings.default_accept,
            max_payload=settings.max_payload,
            store=store,
            policy=FailurePolicy(settings.store.timeout, settings.store.fail_open) if settings.store else None,
            buffer=buffer,
            multi_model=settings.multi_model,
            model_name=context.model_name,
        )
        families.counters()  # takes its room on disk now
        _allocate_files_of(directory.users_metrics)
        service = cls(pipeline, BusyNote(directory.busy, os.getpid()), TimeLimit(settings.time_limit, 2))
        worker_status.announce(directory.worker_status, context.model_name)
        return service

    def handle(self, data: Sequence[Mapping[str, Any]], context: Any) -> list[bytes]:
        """Answer the requests of a batch. A batch is always one request: the server is configured so."""
        return [self._one(index, entry, context) for index, entry in enumerate(data)]

    def _one(self, index: int, entry: Mapping[str, Any], context: Any) -> bytes:
        event_id = new_event_id()
        json_lines.subject.event_id = event_id
        self.busy.begin(event_id)
        self.limit.begin()
        try:
            properties = AnyCase(context.get_all_request_header(index))
            # The module asks the context for headers; its processor looks them up here.
            context.request_processor[index]._request_header = properties
            request = Request(event_id, entry.get("body") or b"", RequestHeaders(properties), context)
            response = self.pipeline.answer(request)
            self._respond(index, response, event_id, context)
            return response.body
        except Exception as error:
            # What the handler did to the context cannot be sent. Nothing may leave here: it would end the worker.
            log.exception("the response cannot be sent")
            return self._fail(index, problem_of(error, "encode").body(event_id), context)
        finally:
            self.limit.end()
            self.busy.end()
            json_lines.subject.event_id = None

    def _fail(self, index: int, body: bytes, context: Any) -> bytes:
        """Answer 500 with nothing that the handler has set."""
        context.set_response_status(500, "Internal Server Error", index)
        outgoing = context.get_response_headers(index)
        outgoing.clear()
        outgoing[HANDLER_HEADER] = "1"
        context.set_response_content_type(index, "application/json")
        return body

    def _respond(self, index: int, response: Response, event_id: str, context: Any) -> None:
        """Set status and headers. The pipeline has made those of the handler safe before it captured the record."""
        status, phrase = context.get_response_status(index)
        if status != response.status or not phrase:
            phrase = _phrase(response.status)
        context.set_response_status(response.status, headers.safe(phrase), index)
        outgoing = context.get_response_headers(index)
        for name in [name for name in outgoing if name.lower() in ("content-type", HANDLER_HEADER)]:
            del outgoing[name]
        if response.captured:
            headers.add_event_id(outgoing, event_id)
        outgoing[HANDLER_HEADER] = "1"
        context.set_response_content_type(index, response.content_type)


def capture_settings(settings: Settings, directory: RunDirectory, artefact: Artefact, model: str) -> CaptureConfig:
    """Returns the settings of capture: those that the supervisor resolved; in a multi-model endpoint the model's own above them.

    A model's own settings cannot turn capture on, because no shipper would take what it captures.

    Raises:
        ArtefactError: they name a destination, and the endpoint has none.
    """
    own = CaptureConfig.from_env({**os.environ, **directory.secrets()}, artefact.capture_settings)
    handed = directory.capture_settings
    if not settings.multi_model:
        return for_writer(handed, own.hash_key) if handed.exists() else own
    if not own.enabled:
        return own
    if not handed.exists():
        raise ArtefactError(
            f"capture.toml of model {model} names a destination, and the endpoint captures nothing: set CAPTURE_DESTINATION "
            "in the endpoint's environment"
        )
    common = for_writer(handed, own.hash_key)
    return dataclasses.replace(own, spool_dir=common.spool_dir, spool_max_bytes=common.spool_max_bytes)


def _allocate_files_of(users_metrics: Path) -> None:
    """Give the files of the module's own `prometheus_client` metrics their blocks on disk.

    They are mapped, and have holes: on a disk that is full by then, counting would end the worker with SIGBUS.
    """
    for path in users_metrics.glob(f"*_{os.getpid()}.db"):
        with contextlib.suppress(OSError), path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _protobuf(settings: Settings, artefact: Artefact) -> ProtobufSchema | None:
    wanted = settings.protobuf
    if wanted is None:
        return None
    return ProtobufSchema.load(artefact.find(wanted.descriptor_set), wanted.request, wanted.response)
