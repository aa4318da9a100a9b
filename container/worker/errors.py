"""The answer to a request that failed: a status, and `{"type", "message", "event_id"}`.

400, 406, 413 and 415 say what the caller must change. 500 names the function that raised and the exception's class,
and nothing of its text, which may hold data or secrets; text and traceback are in the log under the event id. What a
handler wants to say itself it raises as `sagemaker_inference.errors.BaseInferenceToolkitError`, whose status and
message are passed on.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import msgspec

from container.feature_stores.protocol import StoreUnavailable
from container.logs.safe_logging import described
from serialization import DecodeError, EncodeError, NotAcceptable, PayloadTooLarge, UnsupportedMediaType
from serialization.media import shown

STATUS: tuple[tuple[type[Exception], int], ...] = (
    (UnsupportedMediaType, 415),
    (NotAcceptable, 406),
    (PayloadTooLarge, 413),
    (DecodeError, 400),
    (EncodeError, 500),
    (StoreUnavailable, 503),
)
FUNCTIONS = {"decode": "input_fn", "features": "features_fn", "predict": "predict_fn", "encode": "output_fn"}
"""The user's function that runs in a stage."""


class ResponseTooLarge(EncodeError):
    """The encoded prediction is larger than the endpoint may answer."""


class NothingReturned(EncodeError):
    """A function of the user's returned None where its value is the answer."""


@dataclass(frozen=True)
class ErrorResponse:
    """An error as the caller sees it."""

    status: int
    type: str
    message: str

    def body(self, event_id: str | None) -> bytes:
        """The JSON body of the response."""
        text = {"type": described(self.type), "message": described(self.message), "event_id": event_id}
        return msgspec.json.encode(text)


def problem_of(error: BaseException, stage: str, *, multi_model: bool = False) -> ErrorResponse:
    """Return the caller's answer for an exception.

    Args:
        stage: where it was raised: decode, features, predict, encode, transform.
        multi_model: SageMaker takes 507 as the order to unload a model there; elsewhere it means nothing.
    """
    for kind, status in STATUS:
        if isinstance(error, kind):
            return ErrorResponse(status, type(error).__name__, described(error))
    if isinstance(error, MemoryError):
        return ErrorResponse(
            507 if multi_model else 500, "OutOfMemory", "the worker has no memory left for this request"
        )
    said = _from_toolkit(error, stage)
    if said is not None:
        return said
    function = FUNCTIONS.get(stage, f"{stage}_fn")
    name = type(error).__name__
    return ErrorResponse(
        500, "HandlerError", f"{function} raised {name}: the endpoint's log has it under this event id"
    )


def _from_toolkit(error: BaseException, stage: str) -> ErrorResponse | None:
    """Return the answer for one of the toolkit's exceptions, None for other exceptions.

    The toolkit raises `UnsupportedFormatError` for a content type that it cannot read, and for one that it cannot write.
    """
    toolkit = sys.modules.get("sagemaker_inference.errors")
    if toolkit is None:
        return None
    if isinstance(error, toolkit.UnsupportedFormatError):
        message = shown(" ".join(described(error).split()), 300)
        return (
            ErrorResponse(406, "NotAcceptable", message)
            if stage == "encode"
            else ErrorResponse(415, "UnsupportedMediaType", message)
        )
    if not isinstance(error, toolkit.BaseInferenceToolkitError):
        return None
    try:
        status = int(error.status_code)
    except Exception:
        status = 500
    return ErrorResponse(
        status if 400 <= status <= 599 else 500, type(error).__name__, described(getattr(error, "message", error))
    )
