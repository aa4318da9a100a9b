"""The buffer: what a request's thread calls. It encodes, copies into mapped memory, and is done.

`append` never raises for what is in the data and never waits for disk, network or a lock that slow work holds: what
cannot be captured is refused, counted by reason, and said in the log at most once a minute for a reason.

A record is accepted when its segment's commit word covers it; from then on it survives the process. What happens to it
then is the shipper's business (`shipper.py`), in another process.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import uuid
import weakref
from hashlib import blake2b
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import msgspec

from capture.asynchronous import comes_from_outside
from capture.config import unknown_variables
from capture.event_id import event_id_bytes, event_id_text, event_time_of
from capture.journal.counters import INTERNAL, REFUSALS, SPOOL_FULL, TOO_LARGE, UNENCODABLE
from capture.journal.frame import COLUMNS, ROW
from capture.record import Features, Lookup
from capture.secret import with_secrets
from capture.throttled_log import ThrottledLog
from capture.writing.block_encoder import BlockEncoder, EncodedBlock, decided
from capture.writing.column_names import Shapes
from capture.writing.plans import PLAIN
from capture.writing.writer import RecordRefused
from capture.writing.writer_pool import WriterPool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from capture.config import CaptureConfig
    from capture.shipping.stats import Stats
    from capture.writing.writer import Writer

log = logging.getLogger("capture")
_forgetting = threading.Lock()
_MAX_WAIT = 1.0
MAX_ROWS = 1_000_000
"""Rows that a record may have. A row without values has no byte in the spool and some hundred in an object."""
_buffers: weakref.WeakSet[CaptureBuffer] = weakref.WeakSet()


class Prepared(msgspec.Struct, frozen=True):
    """Features that were encoded before the model saw them, for `append`.

    `kept` is False where sampling left the event out, nothing is captured, or (`error`) the features cannot be encoded:
    its id finds no rows. `spent` are the nanoseconds that it took.
    """

    kept: bool
    event_id: str
    event_time: int
    inference_id: str | None
    request: EncodedBlock | None
    items: EncodedBlock | None
    error: str | None = None
    spent: int = 0


class CaptureBuffer:
    """Captures what a model saw and answered: one record for each request, one row for each prediction.

    Build one buffer in each process, call `append` for each request from any thread, and `close` at the end. A separate
    process uploads the records as Parquet; the buffer starts it where none runs. Requests never wait for I/O. A process
    may end or be killed after `append` returned True, and it may fork: no accepted record is lost.

    `config` says where records go: `CaptureConfig.from_env()` reads `CAPTURE_DESTINATION` and the other variables;
    without a destination nothing is captured and `append` returns False. `start_shipper=False` leaves the shipper to
    another process (`python -m capture ship`). `clock` gives nanoseconds since 1970 UTC.

    >>> from capture import CaptureBuffer, CaptureConfig
    >>> buffer = CaptureBuffer(CaptureConfig())         # no destination: nothing is captured
    >>> buffer.append({"seats": 180}, 0.25)
    False
    """

    def __init__(
        self,
        config: CaptureConfig,
        start_shipper: bool | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Opens the spool. Raises ConfigError for a wrong setting; a spool that cannot be used is said in the log, counted,
        and tried again."""
        config = with_secrets(config)
        self._clock = clock
        self._encoder = BlockEncoder(Shapes(config.exclude, config.hash, config.hash_key), config.feature_names)
        self._threshold = round(config.sampling_percentage / 100 * 2**64)
        self._plans = self._threshold >= 2**64 and not self._encoder.active
        self._throttled_log = ThrottledLog(log)
        self._writers = WriterPool(config, start_shipper is not False, clock, self._throttled_log)
        if config.enabled:
            _buffers.add(self)
        if start_shipper is None:  # a server of the caller's own: no supervisor of ours says it
            for line in unknown_variables():
                log.warning("capture: %s", line)
            if not config.enabled:
                log.info("capture: CAPTURE_DESTINATION is not set: nothing is captured")

    def append(
        self,
        features: Any,
        predictions: Any,
        *,
        request_features: Mapping[str, Any] | None = None,
        feature_names: Sequence[str] | None = None,
        event_id: str | None = None,
        inference_id: str | None = None,
        custom_attributes: str | None = None,
        lookups: Mapping[str, Lookup] | None = None,
        model_name: str | None = None,
    ) -> bool:
        """Captures one request. Returns whether the record was accepted, True also for one that sampling left out.

        `features`: one row as a mapping or a sequence of numbers; n rows as a sequence of mappings, a mapping of columns,
        an array of shape (n, k), a DataFrame of pandas or Polars, an Arrow table; a `Features` for values that all rows
        share; or what `prepare` returned. `feature_names` names the columns of arrays and sequences, else `feature_0` ….

        `predictions`: a scalar, a sequence or array of shape (n,) or (n, k), a mapping of outputs, a DataFrame, a tuple of
        columns, or None. Where their number is not that of the rows, they are kept with the first row.

        `event_id`: from `new_event_id()`, else a new one; its time is the record's. `inference_id`: the caller's own id,
        by which sampling decides. `custom_attributes`: one text. `lookups`: what a feature store answered, by feature
        group. `model_name`: where it differs from the settings'.

        Raises nothing because of the data: what cannot be captured is counted by reason, and logged once a minute. An
        exception that comes from outside (a signal handler's, a timeout's) reaches the caller.
        """
        begun = perf_counter_ns()
        writers = self._writers
        if not writers.here[0]:
            self._forget_parent()
        try:
            writer = writers.idle.pop()
        except IndexError:
            another = writers.another()
            if another is None:
                return False
            writer = another
        encoder = self._encoder
        try:
            writer.begun = begun
            new_size = 0  # of a row for which there is no plan yet
            if type(features) is dict and type(predictions) in PLAIN and not (request_features or lookups):
                plan = writer.row_plans.get(len(features))
                if plan is None:
                    new_size = len(features) if self._plans else 0
                elif plan(begun, features, predictions, event_id, inference_id, custom_attributes, model_name):
                    begun = 0
                    return True
            if type(features) is Prepared:
                prepared = features
                begun -= prepared.spent
                event: str | bytes = prepared.event_id
                now, inference_id = prepared.event_time, prepared.inference_id
                if prepared.error is not None:
                    raise RecordRefused(UNENCODABLE, prepared.error)
                if not prepared.kept:
                    writer.counters.sampled_out()
                    return True
                request, items = prepared.request, prepared.items
                if items is None:
                    raise RecordRefused(UNENCODABLE, "its features are not encoded")
            else:
                now = self._clock() // 1000
                if event_id is None:
                    event = event_id_bytes(now)
                else:
                    if type(event_id) is not str:
                        event_id = _id_text(event_id)
                    event, now = event_id, event_time_of(event_id) or now
                if self._threshold < 2**64 and not self._chosen(inference_id, event):
                    writer.counters.sampled_out()
                    return True
                if type(features) is Features:
                    features, request_features = _apart(features, request_features)
                request = encoder.request(request_features) if request_features else None
                items = encoder.features(features, feature_names)
            if predictions is None:
                outputs = encoder.no_predictions(items)
            else:
                outputs = encoder.predictions(predictions, items.rows)
            if items.kind == COLUMNS:
                items = decided(items, outputs)
            if items.rows > MAX_ROWS:
                raise RecordRefused(TOO_LARGE, f"a record of {items.rows} rows; at most {MAX_ROWS} are captured")
            ages, missing = _freshness(lookups, now) if lookups else (None, None)
            about = (event, now, inference_id, custom_attributes, model_name, ages, missing)
            known = writer.write_known
            if known is not None and not new_size and known(about, request, items, outputs, begun):
                begun = 0
                return True
            try:
                writer.write(about, request, items, outputs, now)
            except RecordRefused as refusal:
                if refusal.reason != SPOOL_FULL or not self._writers.write_elsewhere(about, request, items, outputs):
                    raise
            if new_size and items.kind == ROW:
                writer.learn(new_size, items, outputs, self._clock)
            return True
        except Exception as error:
            if comes_from_outside(error):
                writer.interrupt()
                raise
            self._refuse(writer, error)
            return False
        except BaseException:
            writer.interrupt()
            raise
        finally:
            try:
                if begun:
                    writer.counters.measured(perf_counter_ns() - begun)
            finally:
                writer.begun = 0
                writers.idle.append(writer)

    def prepare(
        self,
        features: Any,
        *,
        event_id: str,
        inference_id: str | None = None,
        request_features: Mapping[str, Any] | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> Prepared:
        """Encodes features now, because the model may change them in place; give the result to `append`.

        Never raises: features that cannot be encoded are refused, and counted, by `append`.
        """
        begun = perf_counter_ns()
        now = 0
        try:
            if type(event_id) is not str:
                event_id = _id_text(event_id)
            now = event_time_of(event_id) or self._clock() // 1000
            if self._writers.closed or (self._threshold < 2**64 and not self._chosen(inference_id, event_id)):
                return Prepared(False, event_id, now, inference_id, None, None)
            if type(features) is Features:
                features, request_features = _apart(features, request_features)
            request = self._encoder.frozen_request(request_features) if request_features else None
            items = self._encoder.frozen_features(features, feature_names)
            return Prepared(True, event_id, now, inference_id, request, items, None, perf_counter_ns() - begun)
        except Exception as error:
            if comes_from_outside(error):
                raise
            return Prepared(False, event_id, now, inference_id, None, None, _detail(error))

    def close(self, timeout: float = 20.0) -> bool:
        """Seals, waits until this process's records are shipped (or lost and counted), and says whether they are.

        `timeout` is in seconds. Appends that come later are refused.
        """
        return self._writers.close(timeout)

    def stats(self) -> Stats:
        """Returns the counters of the spool, of all its writers: appended, shipped, waiting, dropped by reason, and more.

        Reads a few files, which takes a millisecond: not for each request. All counters are 0 where nothing is captured.
        """
        from capture.shipping.stats import Stats, read_stats  # not needed by a process that only captures

        return read_stats(self._writers.spool.directory) if self._writers.entered else Stats()

    def _forget_parent(self) -> None:
        """Becomes a writer of its own in a child whose fork Python did not see; the first thread that comes does it."""
        held = _forgetting.acquire(timeout=_MAX_WAIT)  # at the fork another thread may have held it: it stays held then
        try:
            if not self._writers.here[0]:
                self._writers.forget()
        finally:
            if held:
                _forgetting.release()

    def _chosen(self, inference_id: str | None, event: str | bytes) -> bool:
        """Whether sampling keeps an event: by the first 8 bytes of BLAKE2b of its inference id, else its event id."""
        text = str(inference_id) if inference_id else (event if isinstance(event, str) else event_id_text(event))
        return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") < self._threshold

    def _refuse(self, writer: Writer, error: Exception) -> None:
        if isinstance(error, RecordRefused):
            reason = error.reason
        elif isinstance(error, TypeError | ValueError | RecursionError | OverflowError):
            reason = UNENCODABLE
        else:
            reason = INTERNAL
        writer.counters.refused(reason)
        self._throttled_log.warning(REFUSALS[reason], f"refused a record ({REFUSALS[reason]}): {_detail(error)}")


def _id_text(given: object) -> str:
    """The text of an id that is a number or a UUID. Raises RecordRefused for anything else."""
    if isinstance(given, str | int | uuid.UUID):
        return str(given)
    raise RecordRefused(UNENCODABLE, f"an event id of type {type(given).__name__}: give text, as new_event_id() does")


def _detail(error: Exception) -> str:
    """Returns the text of an error that goes no further, and frees what it holds.

    Its traceback and its frames refer to each other (`comes_from_outside` looked into them), and so would keep a request's
    features until a collection.
    """
    held: BaseException | None = error
    while held is not None:
        held.__traceback__ = None
        held = held.__context__
    try:
        return str(error) or type(error).__name__
    except Exception:  # an error of the caller's own that cannot say what it is
        return type(error).__name__


def _apart(features: Features, request_features: Mapping[str, Any] | None) -> tuple[Any, Mapping[str, Any]]:
    """The items and the request-level values; those that `append` was given for itself hold over the object's own."""
    return features.items, features.request if request_features is None else {**features.request, **request_features}


def _freshness(lookups: Mapping[str, Lookup], now: int) -> tuple[dict[str, float | None], dict[str, int]]:
    """Ages in seconds at the time of the event, and missing ids, by feature group."""
    ages: dict[str, float | None] = {}
    missing: dict[str, int] = {}
    for group, lookup in lookups.items():
        oldest = lookup.oldest_event_time
        ages[group] = None if oldest is None else now / 1e6 - oldest
        missing[group] = lookup.missing
    return ages, missing


def _close_all() -> None:
    """Closes every buffer at an orderly end, so that the shipper takes what waits at once."""
    for buffer in list(_buffers):
        buffer.close(0.0)


def _all_after_fork() -> None:
    for buffer in list(_buffers):
        buffer._writers.forget()


os.register_at_fork(after_in_child=_all_after_fork)
atexit.register(_close_all)
