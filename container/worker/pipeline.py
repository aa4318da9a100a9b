"""The way of a request through a worker: decode, features, predict, encode, capture.

Each stage is the user's function where there is one, else ours: the codecs decode and encode, the decoded request is
the features. What is captured is what the model was given, so features are encoded for capture before `predict_fn`
runs (it may change them in place), and the record is appended when the response is ready. A request that fails is
answered with an error of `errors` and not captured. A legacy `transform_fn` takes the place of all stages; what it
sees cannot be captured.

Nothing a user's function raises leaves `Pipeline.answer`, but a `Stop` of our own.
"""

from __future__ import annotations

import importlib
import json
import logging
import re
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from container.feature_stores.protocol import FeatureStore
from container.feature_stores.recording import FailurePolicy, NoStore, RecordingStore
from container.metrics import families
from container.shared import headers
from container.shared.headers import CUSTOM_ATTRIBUTES, INFERENCE_ID, TARGET_MODEL, RequestHeaders
from container.worker.errors import ErrorResponse, NothingReturned, ResponseTooLarge, problem_of
from container.worker.user_module import Function, Functions
from serialization import Codecs, DecodeError, EncodeError, Message, Payload

if TYPE_CHECKING:
    from capture import CaptureBuffer

log = logging.getLogger("endpoint")
_SENT = re.compile(r"(['\"]).*?\1|\d[\d.eE+-]{9,}", re.DOTALL)
"""Excerpts of a request in the message of an error: quoted text and long numbers."""
BODILESS = (204, 205, 304)
"""Statuses whose answers have no body: one that is sent all the same is taken for the next answer."""
TEXT_TYPES = ("application/json", "text/csv")
"""Media types whose body the toolkit hands to `input_fn` and `transform_fn` as text."""


class Stop(BaseException):
    """The supervisor wants this worker to end."""


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    event_id: str
    body: bytes | bytearray
    headers: RequestHeaders
    context: Any
    """The toolkit's context: the user's functions may read and set headers and status there."""

    @property
    def content_type(self) -> str | None:
        """The `Content-Type`, parameters included."""
        return self.headers.get("content-type")


@dataclass(frozen=True)
class Response:
    """The answer. `status` is what the handler set, 200 else."""

    status: int
    body: bytes
    content_type: str
    captured: bool = False
    """Whether the record was kept, so that the caller may learn the event id."""
    headers: MutableMapping[str, str] = field(default_factory=dict)


class Clock:
    """Seconds in each stage of one request."""

    def __init__(self, stage: str, now: Callable[[], float] = time.perf_counter) -> None:
        self.stage = stage
        self.seconds: dict[str, float] = {}
        self._now = now
        self._begun = now()

    def enter(self, stage: str | None) -> None:
        """The stage ends, and the next one begins, if there is one."""
        now, ended = self._now(), self.stage
        self.seconds[ended] = self.seconds.get(ended, 0.0) + now - self._begun
        self._begun = now
        self.stage = stage or ended


@dataclass(frozen=True)
class Pipeline:
    """A loaded model with all that a request passes."""

    functions: Functions
    model: object
    codecs: Codecs
    default_accept: str
    max_payload: int
    store: FeatureStore | None = None
    policy: FailurePolicy | None = None
    buffer: CaptureBuffer | None = None
    multi_model: bool = False
    model_name: str = "model"
    remarks: set[str] = field(default_factory=set)
    """Remarks about requests that this worker has logged."""

    def answer(self, request: Request) -> Response:
        """Answer a request; whatever goes wrong is an answer too."""
        transform = self.functions.transform_fn
        clock = Clock("decode" if transform is None else "transform")
        try:
            response = self._predict(request, clock) if transform is None else self._transform(request, transform)
        except Stop:
            raise
        except BaseException as error:
            response = self._failed(request, clock.stage, error)
        clock.enter(None)
        families.request_answered(response.status, clock.seconds)
        return response

    def _predict(self, request: Request, clock: Clock) -> Response:
        functions, context = self.functions, request.context
        accept = request.headers.get("accept")
        payload = None
        if functions.output_fn is None:
            self.codecs.choose(accept, self.default_accept)
        if functions.input_fn is None:
            payload = self.codecs.read(request.body, request.content_type)
            decoded = payload.value
            if payload.remark is not None and payload.remark not in self.remarks:
                self.remarks.add(payload.remark)
                log.warning("%s (logged once in each worker)", payload.remark)
            if payload.unknown_fields:
                families.unknown_fields(payload.unknown_fields)
            if functions.relies_on_toolkit:
                decoded = toolkit_values().as_toolkit(payload, request.body, request.content_type, self.codecs.limits)
        else:
            decoded = functions.input_fn(_as_toolkit(request), request.content_type, context)

        clock.enter("features")
        recording = None
        if self.store is not None and self.policy is not None:
            recording = RecordingStore(self.store, self.policy)
        features = decoded
        if functions.features_fn is not None:
            features = functions.features_fn(decoded, recording or NoStore(), context)
            _refuse_none(features, "features_fn", context)
        if recording is not None:
            recording.observe_ages(time.time())

        prepared = None
        if self.buffer is not None:
            clock.enter("capture")
            # The toolkit's arrays have the values of the payload, but a type of their own in each request.
            given = payload.value if payload is not None and functions.relies_on_toolkit else features
            prepared = self.buffer.prepare(
                _typed(given) if isinstance(given, Message) else given,
                event_id=request.event_id,
                inference_id=request.headers.get(INFERENCE_ID),
            )

        clock.enter("predict")
        predictions = functions.predict_fn(features, self.model, context)
        if functions.output_fn is None:
            _refuse_none(predictions, "predict_fn", context)

        clock.enter("encode")
        if functions.output_fn is None:
            body, content_type = self._encode(predictions, accept, payload)
        else:
            wanted = _accept(accept, self.default_accept)
            returned = functions.output_fn(predictions, wanted, context)
            _refuse_none(returned, "output_fn", context)
            body, content_type = _as_bytes(returned, wanted, self.default_accept)
        status, body, content_type = self._check(body, content_type, context)

        captured = False
        if self.buffer is not None and prepared is not None and status < 400:
            clock.enter("capture")
            lookups = recording.lookups() if recording is not None else None
            accepted = self.buffer.append(
                prepared,
                predictions,
                custom_attributes=request.headers.get(CUSTOM_ATTRIBUTES),
                lookups=lookups,
                model_name=request.headers.get(TARGET_MODEL) or self.model_name if self.multi_model else None,
            )
            captured = accepted and prepared.kept
        return Response(status, body, content_type, captured)

    def _encode(self, predictions: object, accept: str | None, payload: Payload | None) -> tuple[bytes, str]:
        media = self.codecs.choose(accept, self.default_accept)
        if self.functions.relies_on_toolkit and media.name == "text/csv" and not media.parameters:
            written = toolkit_values().to_toolkit_csv(predictions)
            if written is not None:
                return written, str(media)
        return self.codecs.encode(predictions, accept, self.default_accept, request=payload)

    def _transform(self, request: Request, transform: Function) -> Response:
        accept = _accept(request.headers.get("accept"), self.default_accept)
        result = transform(self.model, _as_toolkit(request), request.content_type, accept, request.context)
        _refuse_none(result, "transform_fn", request.context)
        body, content_type = _as_bytes(result, accept, self.default_accept)
        status, body, content_type = self._check(body, content_type, request.context)
        return Response(status, body, content_type)

    def _check(self, body: bytes, content_type: object, context: Any) -> tuple[int, bytes, str]:
        """Return status, body and content type as they can be sent; make the headers that the handler has set safe.

        Everything that can fail an answer is done here, before the record is captured: what failed is not captured.

        Raises:
            EncodeError: HTTP or the model server cannot pass the answer on.
        """
        if len(body) > self.max_payload:
            raise ResponseTooLarge(f"the response has {len(body)} bytes; the endpoint's limit is {self.max_payload}")
        status, phrase = context.get_response_status(0)
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise EncodeError(f"the handler set the status {status!r}; it must be a number from 200 to 599")
        context.set_response_status(status, headers.safe(phrase or ""), 0)
        dropped = headers.clean(context.get_response_headers(0))
        if dropped:
            log.warning("headers of the handler that cannot be sent: %s", ", ".join(dropped))
        return status, b"" if status in BODILESS else body, headers.media_type(content_type)

    def _failed(self, request: Request, stage: str, error: BaseException) -> Response:
        problem = problem_of(error, stage, multi_model=self.multi_model)
        _log_problem(problem, stage, error)
        headers.clean(request.context.get_response_headers(0))
        return Response(problem.status, problem.body(request.event_id), "application/json")


def _typed(message: Message) -> Any:
    """Protobuf's numbers in their types, which the model's plain ones do not show.

    Nothing of capture fails a request, so what cannot be typed is captured as it is.
    """
    try:
        return message.typed()
    except Exception:
        return message


def _refuse_none(returned: object, function: str, context: Any) -> None:
    """Raises NothingReturned where a function returned None and has set no status that explains it, such as 204."""
    if returned is None and context.get_response_status(0)[0] == 200:
        raise NothingReturned(f"{function} returned None: is its return missing?")


def _log_problem(problem: ErrorResponse, stage: str, error: BaseException) -> None:
    fields = {"fields": {"status": int(problem.status), "stage": stage, "type": problem.type}}
    if problem.status < 500 or problem.status == 503:
        # What the caller sent is in the answer, and not in the log.
        log.warning("%s", _SENT.sub("…", problem.message), extra=fields)
    else:
        log.error("%s: %s", type(error).__name__, error, exc_info=error, extra=fields)


def _accept(accept: str | None, default: str) -> str:
    return default if accept is None or accept == "*/*" else accept


def _as_toolkit(request: Request) -> str | bytes | bytearray:
    """The body as the toolkit hands it to a user's function: text where the content type is exactly one of two.

    With a parameter, such as a charset, it is bytes there too.
    """
    if request.content_type not in TEXT_TYPES:
        return request.body
    try:
        return request.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DecodeError(f"a body of {request.content_type} must be UTF-8: {error}; name its charset") from error


def toolkit_values() -> ModuleType:
    """The module that makes the toolkit's values; it needs NumPy, which not every model does."""
    return importlib.import_module("container.worker.toolkit_values")


def _as_bytes(result: Any, accept: str, default: str) -> tuple[bytes, str]:
    """What an `output_fn` or `transform_fn` returned: a body, or a body and its content type.

    A content type that the function has not named is what the caller accepts, as far as `headers.answered_type` allows.
    """
    content_type = None
    if isinstance(result, tuple) and len(result) == 2:
        result, content_type = result
    if content_type is None or content_type == accept != default:
        content_type = headers.answered_type(accept, default, named=content_type is not None)
    if isinstance(result, bytes | bytearray | memoryview):
        return bytes(result), content_type
    if isinstance(result, str):
        return result.encode(), content_type
    try:
        return json.dumps(result).encode(), content_type
    except (TypeError, ValueError) as error:
        raise EncodeError(f"output_fn returned {type(result).__name__}, which is neither bytes nor text") from error
