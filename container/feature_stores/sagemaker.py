"""SageMaker Feature Store, online: `BatchGetRecord`.

The service takes 100 ids of a group in a call; more are asked for in several calls at once, over kept connections.
What it reports as unprocessed is asked for again while there is time. Values come as text and are typed by the group's
feature definitions, which are read once (`DescribeFeatureGroup`); a look-up that cannot wait for them is given up, and the
reading goes on for the next. The event time is a number of seconds or ISO 8601 text, as the service allows.

Rights needed: `sagemaker:BatchGetRecord` and `sagemaker:DescribeFeatureGroup` on the groups.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from container.feature_stores.protocol import Record, StoreError, StoreUnavailable, remaining

IDS_OF_A_CALL = 100
CALLS_AT_ONCE = 4
PAUSE = 0.01
"""Seconds before unprocessed ids are asked for again; doubled each time."""
TRANSIENT = ("InternalFailure", "ServiceUnavailable", "ThrottlingException", "RequestTimeout")


@dataclass(frozen=True)
class _OnlineGroup:
    """A feature group: its key, where its event time stands, and what its features are."""

    key: str
    event_time: str
    types: Mapping[str, str]

    def features(self, wanted: Sequence[str] | None) -> list[str]:
        """The names to ask for, the event time among them."""
        names = [name for name in self.types if name != self.key] if wanted is None else list(wanted)
        return list(dict.fromkeys([*names, self.event_time]))

    def record(self, values: Iterable[Mapping[str, Any]], wanted: Sequence[str] | None) -> Record:
        """A record from what the service returns; a feature it leaves out is null."""
        found = {value["FeatureName"]: self._value(value) for value in values}
        moment = _seconds(found.get(self.event_time))
        names = self.features(wanted) if wanted is None else wanted
        return Record({name: found.get(name) for name in names if wanted or name != self.event_time}, moment)

    def _value(self, value: Mapping[str, Any]) -> object:
        convert = {"Integral": int, "Fractional": float}.get(self.types.get(value["FeatureName"], "String"), str)
        several = value.get("ValueAsStringList")
        if several:
            return [_converted(convert, text) for text in several]
        return _converted(convert, value.get("ValueAsString"))


class SageMakerStore:
    """Looks records up in the Feature Store of a region. May be used by several threads."""

    def __init__(self, runtime: Any, service: Any, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Args:
        runtime: boto3 client `sagemaker-featurestore-runtime`.
        service: boto3 client `sagemaker`.
        timeout: seconds that one look-up may take, all its calls together, the reading of definitions too.
        """
        self._runtime = runtime
        self._service = service
        self._timeout = timeout
        self._clock = clock
        self._groups: dict[str, Future[_OnlineGroup]] = {}
        self._lock = threading.Lock()
        self._readings = ThreadPoolExecutor(CALLS_AT_ONCE, "feature-groups")
        self._calls = ThreadPoolExecutor(CALLS_AT_ONCE, "feature-store")

    @classmethod
    def connect(cls, timeout: float) -> SageMakerStore:
        """With clients of the region and credentials that boto3 finds.

        Raises:
            StoreError: no region is set.
        """
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        # Retries are ours, because they must stay within the request's deadline.
        config = Config(
            connect_timeout=min(timeout, 1.0),
            read_timeout=timeout,
            retries={"total_max_attempts": 1},
            max_pool_connections=2 * CALLS_AT_ONCE,
            tcp_keepalive=True,
        )
        try:
            runtime = boto3.client("sagemaker-featurestore-runtime", config=config)
            service = boto3.client("sagemaker", config=config.merge(Config(read_timeout=5, connect_timeout=5)))
        except BotoCoreError as error:
            raise StoreError(f"FEATURE_STORE_URI=sagemaker: {error}") from error
        return cls(runtime, service, timeout)

    def get(self, group: str, ids: Sequence[str], features: Sequence[str] | None = None) -> list[Record | None]:
        """See `FeatureStore.get`."""
        limit = remaining(self._timeout)
        deadline = self._clock() + limit
        about = self._about(group, deadline)
        unknown = [name for name in features or () if name not in about.types]
        if unknown:
            raise StoreError(f"feature group {group} has no feature {unknown[0]}; it has {', '.join(about.types)}")
        keys = list(dict.fromkeys(str(key) for key in ids))
        names = about.features(features)
        chunks = [keys[first : first + IDS_OF_A_CALL] for first in range(0, len(keys), IDS_OF_A_CALL)]
        calls = [self._calls.submit(self._chunk, group, chunk, names, deadline) for chunk in chunks]
        found: dict[str, Record] = {}
        for call in calls:
            for key, values in self._result(call, deadline, limit):
                found[key] = about.record(values, features)
        return [found.get(str(key)) for key in ids]

    def _result(self, call: Future[Any], deadline: float, limit: float) -> Any:
        try:
            return call.result(max(0.0, deadline - self._clock()))
        except FutureTimeout:
            call.cancel()
            raise StoreUnavailable(f"Feature Store did not answer in {limit:.3g} s") from None

    def _chunk(self, group: str, keys: list[str], names: list[str], deadline: float) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        pause = PAUSE
        while True:
            if self._clock() >= deadline:
                raise StoreUnavailable(f"Feature Store was not asked for {len(keys)} ids of {group}: no time was left")
            answer = self._call(group, keys, names)
            found += [(record["RecordIdentifierValueAsString"], record["Record"]) for record in answer["Records"]]
            keys = _left(answer)
            if not keys:
                return found
            if self._clock() + pause >= deadline:
                raise StoreUnavailable(f"Feature Store left {len(keys)} ids of {group} unprocessed")
            time.sleep(pause)
            pause *= 2

    def _call(self, group: str, keys: list[str], names: list[str]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        identifiers = {"FeatureGroupName": group, "RecordIdentifiersValueAsString": keys, "FeatureNames": names}
        try:
            return self._runtime.batch_get_record(Identifiers=[identifiers])
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code in TRANSIENT or status >= 500 or status == 429:
                raise StoreUnavailable(f"Feature Store: {error}") from error
            raise StoreError(f"Feature Store refuses to look up {group}: {error}") from error
        except BotoCoreError as error:
            raise StoreUnavailable(f"Feature Store: {error}") from error

    def _about(self, group: str, deadline: float) -> _OnlineGroup:
        with self._lock:
            reading = self._groups.get(group)
            if reading is None:
                reading = self._groups[group] = self._readings.submit(self._describe, group)
        if not reading.done():
            wait([reading], max(0.0, deadline - self._clock()))
        if not reading.done():
            raise StoreUnavailable(f"the definitions of feature group {group} are still being read")
        if reading.exception() is not None:
            with self._lock:
                if self._groups.get(group) is reading:
                    del self._groups[group]
        return reading.result()

    def _describe(self, group: str) -> _OnlineGroup:
        from botocore.exceptions import BotoCoreError, ClientError

        types: dict[str, str] = {}
        token: dict[str, str] = {}
        try:
            while True:
                answer = self._service.describe_feature_group(FeatureGroupName=group, **token)
                types.update((entry["FeatureName"], entry["FeatureType"]) for entry in answer["FeatureDefinitions"])
                if not answer.get("NextToken"):
                    return _OnlineGroup(answer["RecordIdentifierFeatureName"], answer["EventTimeFeatureName"], types)
                token = {"NextToken": answer["NextToken"]}
        except ClientError as error:
            raise StoreError(f"feature group {group} cannot be described: {error}") from error
        except BotoCoreError as error:
            raise StoreUnavailable(f"feature group {group} cannot be described: {error}") from error


def _left(answer: Mapping[str, Any]) -> list[str]:
    """Return the ids to request again. Raises errors that a retry cannot fix.

    Raises:
        StoreError: the service refuses a record for a reason that stays.
    """
    left = [key for entry in answer["UnprocessedIdentifiers"] for key in entry["RecordIdentifiersValueAsString"]]
    for error in answer["Errors"]:
        code, message = error["ErrorCode"], error["ErrorMessage"]
        if code not in TRANSIENT:
            raise StoreError(f"Feature Store: {code}: {message}")
        left.append(error["RecordIdentifierValueAsString"])
    return list(dict.fromkeys(left))


def _converted(convert: Callable[[str], object], text: str | None) -> object:
    if text is None:
        return None
    try:
        return convert(text)
    except ValueError:
        return text


def _seconds(moment: object) -> float | None:
    if isinstance(moment, int | float):
        return float(moment)
    if not isinstance(moment, str):
        return None
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
