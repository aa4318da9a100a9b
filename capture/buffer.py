"""The buffer: what a request's thread calls. It encodes, copies into mapped memory, and is done.

`append` never raises for what is in the data and never waits for disk, network or a lock that slow work holds: what
cannot be captured is refused, counted by reason, and said in the log at most once a minute for a reason.

A record is accepted when its segment's commit word covers it; from then on it survives the process. What happens to it
then is the shipper's business (`shipper.py`), in another process.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import threading
import time
import uuid
import weakref
from hashlib import blake2b
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, SupportsIndex

import msgspec

from capture.errors import SpoolError
from capture.ids import event_id_bytes, event_id_text, event_time_of
from capture.journal import account as accounts
from capture.journal.attendant import Attendant
from capture.journal.blocks import Draft, Drafter, freeze
from capture.journal.lane import Lane, Refused
from capture.journal.launch import Launcher
from capture.journal.segment import header_bytes
from capture.journal.shapes import Shapes
from capture.journal.spool import Spool
from capture.record import Features, Lookup
from capture.secret import with_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from capture.config import CaptureConfig

log = logging.getLogger("capture")
_TRIES_FOR_A_LANE = 200
_SPARE_LANES = 2
_SAY_AGAIN = 60.0
_RETRY_SPOOL = 5.0
_WAIT_FOR_SPOOL = 0.25
_POLL = 0.01

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
    request: Draft | None
    items: Draft | None
    error: str | None = None
    spent: int = 0


class _Returning(list["Lane"]):
    """The lanes of a closed buffer: none is given out, and one that comes back is sealed."""

    def __init__(self) -> None:
        super().__init__()
        self.sealed: list[Lane] = []

    def append(self, lane: Lane) -> None:
        """Seals a lane whose append has ended."""
        lane.seal()
        self.sealed.append(lane)

    def insert(self, index: SupportsIndex, lane: Lane) -> None:
        """As `append`."""
        self.append(lane)


class CaptureBuffer:
    """Captures records into the spool that the settings name.

    `start_shipper` None starts a shipper where none holds the spool; False leaves that to somebody else (a supervisor).
    Threads may share a buffer. After a `fork` the child has a writer of its own in the same spool.

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
        self._config = config = with_secrets(config)
        self._clock = clock
        self._start_shipper = start_shipper is not False
        self._lanes: list[Lane] = []
        self._made: list[Lane] = []
        self._numbers = itertools.count()
        self._shapes = Shapes(config.exclude, config.hash, config.hash_key)
        self._drafter = Drafter(self._shapes, config.feature_names)
        self._threshold = round(config.sampling_percentage / 100 * 2**64)
        self._account: accounts.Account | None = None
        self._attendant: Attendant | None = None
        self._closed = not config.enabled
        self._next_try = 0.0
        self._said: dict[str, tuple[float, int]] = {}
        self._unaccounted: dict[int, int] = {}
        self._opening, self._tally = threading.Lock(), threading.Lock()
        if config.enabled:
            place = config.spool()
            self._spool = Spool(place.directory, place.max_bytes)
            self._header = header_bytes(config.header())
            self._open()
            _buffers.add(self)

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
        """Captures one event: features and predictions of its items, a row each (the shapes are those of `blocks.py`).

        `features` may be a `Features`, or what `prepare` returned. Returns whether the record was accepted; true also
        for one that sampling left out.
        """
        begun = perf_counter_ns()
        try:
            lane = self._lanes.pop()
        except IndexError:
            another = self._another_lane()
            if another is None:
                return False
            lane = another
        try:
            if type(features) is Prepared:
                prepared = features
                begun -= prepared.spent
                event: str | bytes = prepared.event_id
                now, inference_id = prepared.event_time, prepared.inference_id
                if prepared.error is not None:
                    raise Refused(accounts.UNENCODABLE, prepared.error)
                if not prepared.kept:
                    lane.counters.sampled_out()
                    return True
                request, items = prepared.request, prepared.items
                if items is None:
                    raise Refused(accounts.UNENCODABLE, "its features are not encoded")
            else:
                now = self._clock() // 1000
                if event_id is None:
                    event = event_id_bytes(now)
                else:
                    event, now = event_id, event_time_of(event_id) or now
                if self._threshold < 2**64 and not self._chosen(inference_id, event):
                    lane.counters.sampled_out()
                    return True
                request, items = _draft(self._drafter, features, request_features, feature_names)
            outputs = self._drafter.predictions(predictions, items.rows)
            ages, missing = _freshness(lookups, now) if lookups else (None, None)
            about = (event, now, inference_id, custom_attributes, model_name, ages, missing)
            try:
                lane.write(about, request, items, outputs, now)
            except Refused as refusal:
                if refusal.reason != accounts.SPOOL_FULL or not self._write_elsewhere(about, request, items, outputs):
                    raise
            return True
        except Exception as error:
            self._refuse(lane, error)
            return False
        finally:
            lane.counters.measured(perf_counter_ns() - begun)
            self._lanes.append(lane)

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
            now = event_time_of(event_id) or self._clock() // 1000
            if self._closed or (self._threshold < 2**64 and not self._chosen(inference_id, event_id)):
                return Prepared(False, event_id, now, inference_id, None, None)
            request, items = _draft(self._drafter, features, request_features, feature_names)
            frozen = None if request is None else freeze(request)
            items = freeze(items)
            return Prepared(True, event_id, now, inference_id, frozen, items, None, perf_counter_ns() - begun)
        except Exception as error:
            return Prepared(False, event_id, now, inference_id, None, None, _detail(error))

    def close(self, timeout: float = 20.0) -> bool:
        """Seals, waits until this process's records are shipped (or lost and counted), and says whether they are.

        `timeout` is in seconds. Appends that come later are refused.
        """
        if self._account is None or self._attendant is None:
            self._closed = True
            return True
        with self._tally:
            self._closed = True
            lanes, made = self._lanes, list(self._made)
            returning = self._lanes = lanes if isinstance(lanes, _Returning) else _Returning()
        end = time.monotonic() + timeout
        self._attendant.stop()
        while len(returning.sealed) < len(made):
            try:
                returning.append(lanes.pop())
            except IndexError:
                if time.monotonic() >= end:
                    return False  # a thread still writes: its lane is sealed when it comes back, or the process dead
                time.sleep(_POLL)
        self._attendant.let_go()
        self._account.close_for_writing()
        settled = self._settled(made)
        launcher, ask = self._attendant.launcher, 0.0
        while not settled and time.monotonic() < end:
            if launcher is not None and time.monotonic() >= ask:
                with contextlib.suppress(OSError, SpoolError):
                    ask = time.monotonic() + launcher.ensure()
            time.sleep(_POLL)
            settled = self._settled(made)
        self._account.let_go()
        _buffers.discard(self)
        return settled

    @staticmethod
    def _settled(lanes: list[Lane]) -> bool:
        return all(lane.counters.settled >= lane.counters.records for lane in lanes)

    def _another_lane(self) -> Lane | None:
        """A lane where every one that was made is in use: a new one, or the first that comes back."""
        if self._closed:
            return None
        if self._account is None and not self._enter():
            self._refuse_without_lane(accounts.SPOOL_UNAVAILABLE)
            return None
        with contextlib.suppress(IndexError):  # those of a spool that was entered just now
            return self._lanes.pop()
        with self._tally:
            lane = self._make_lane()
        for _ in range(_TRIES_FOR_A_LANE):
            if lane is not None:
                return lane
            time.sleep(0)
            with contextlib.suppress(IndexError):
                lane = self._lanes.pop()
        self._refuse_without_lane(accounts.BUSY)
        self._say("busy", "every lane is in use")
        return None

    def _write_elsewhere(self, about: tuple[Any, ...], request: Draft | None, items: Draft, outputs: Draft) -> bool:
        """Writes into the open segment of another lane, where there is one with room: no segment lies ready for ours."""
        without_room = 0
        for _ in range(_TRIES_FOR_A_LANE):
            try:
                other = self._lanes.pop()
            except IndexError:
                time.sleep(0)
                continue
            try:
                if other.write_open(about, request, items, outputs):
                    self._lanes.append(other)
                    return True
            except BaseException:
                self._lanes.append(other)
                raise
            self._lanes.insert(0, other)
            without_room += 1
            if without_room >= len(self._made):
                break
        return False

    def _refuse_without_lane(self, reason: int) -> None:
        with self._tally:
            if self._account is None:
                self._unaccounted[reason] = self._unaccounted.get(reason, 0) + 1
            else:
                self._account.lane(accounts.NOBODYS_LANE).refused(reason)

    def _enter(self) -> bool:
        """Opens the spool where it is time to try; threads that come meanwhile wait for the one that does, a moment."""
        if not self._opening.acquire(timeout=_WAIT_FOR_SPOOL):
            return False
        try:
            return self._account is not None or (time.monotonic() >= self._next_try and self._open())
        finally:
            self._opening.release()

    def _make_lane(self) -> Lane | None:
        account, attendant, index = self._account, self._attendant, next(self._numbers)
        if self._closed or account is None or attendant is None or index >= accounts.NOBODYS_LANE:
            return None
        lane = Lane(account.process, index, account.make_lane(index), attendant)
        self._made.append(lane)
        return lane

    def _open(self) -> bool:
        """Enters the spool as a new writing process; False where that cannot be done now."""
        self._next_try = time.monotonic() + _RETRY_SPOOL
        path = self._spool.path("writers") / uuid.uuid4().hex[:24]
        account = None
        try:
            with self._spool.locked():
                account = accounts.Account.create(path, self._header, self._clock() // 1000)
            launcher = Launcher(self._spool, self._config) if self._start_shipper else None
            attendant = Attendant(self._spool, account, self._header, self._clock, launcher)
            attendant.start()
        except (OSError, SpoolError, ValueError, RuntimeError) as error:
            if account is not None:
                account.let_go()
                with contextlib.suppress(OSError):
                    path.unlink()
            self._say("spool_unavailable", str(error))
            return False
        self._made, self._numbers = [], itertools.count()
        with self._tally:
            self._account, self._attendant = account, attendant
            for reason, count in self._unaccounted.items():
                account.lane(accounts.NOBODYS_LANE).refused(reason, count)
            self._unaccounted = {}
        lanes = [self._make_lane() for _ in range(_SPARE_LANES)]
        self._lanes.extend(lane for lane in lanes if lane is not None)
        return True

    def _after_fork(self) -> None:
        """In a forked child: the parent's lanes are not ours; the first append enters the spool anew."""
        if self._account is not None:
            self._account.let_go()
        self._account = self._attendant = None
        self._opening, self._tally = threading.Lock(), threading.Lock()
        self._lanes, self._made = [], []
        self._unaccounted = {}
        self._next_try = 0.0

    def _chosen(self, inference_id: str | None, event: str | bytes) -> bool:
        """Whether sampling keeps an event: by the first 8 bytes of BLAKE2b of its inference id, else its event id."""
        text = inference_id or (event if isinstance(event, str) else event_id_text(event))
        return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") < self._threshold

    def _refuse(self, lane: Lane, error: Exception) -> None:
        if isinstance(error, Refused):
            reason = error.reason
        elif isinstance(error, TypeError | ValueError | RecursionError | OverflowError):
            reason = accounts.UNENCODABLE
        else:
            reason = accounts.INTERNAL
        lane.counters.refused(reason)
        self._say(accounts.REFUSALS[reason], _detail(error))

    def _say(self, reason: str, detail: str) -> None:
        """Logs a refusal, at most once a minute for a reason, with how many there were since."""
        now = time.monotonic()
        last, since = self._said.get(reason, (-_SAY_AGAIN, 0))
        if now - last < _SAY_AGAIN:
            self._said[reason] = (last, since + 1)
            return
        self._said[reason] = (now, 0)
        log.warning("capture: a record was refused (%s; %d more since last said): %s", reason, since, detail)


def _detail(error: Exception) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception:  # an error of the caller's own that cannot say what it is
        return type(error).__name__


def _draft(
    drafter: Drafter, features: Any, request_features: Mapping[str, Any] | None, names: Sequence[str] | None
) -> tuple[Draft | None, Draft]:
    if type(features) is Features:
        request_features = features.request if request_features is None else {**features.request, **request_features}
        features = features.items
    request = drafter.request(request_features) if request_features else None
    return request, drafter.features(features, names)


def _freshness(lookups: Mapping[str, Lookup], now: int) -> tuple[dict[str, float | None], dict[str, int]]:
    """Ages in seconds at the time of the event, and missing ids, by feature group."""
    ages: dict[str, float | None] = {}
    for group, lookup in lookups.items():
        oldest = lookup.oldest_event_time
        ages[group] = None if oldest is None else now / 1e6 - oldest
    return ages, {group: lookup.missing for group, lookup in lookups.items()}


def _all_after_fork() -> None:
    for buffer in list(_buffers):
        buffer._after_fork()


os.register_at_fork(after_in_child=_all_after_fork)
