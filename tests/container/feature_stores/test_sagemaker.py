"""SageMaker Feature Store: chunks, types, unprocessed ids, deadlines, over real HTTP and botocore."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from container.feature_stores.protocol import StoreError, StoreUnavailable
from container.feature_stores.recording import FailurePolicy, RecordingStore
from container.feature_stores.sagemaker import SageMakerStore
from tests.container.feature_stores.feature_store_fake import FeatureStoreFake, served

MOMENT = 1_372_654_800.0


@pytest.fixture
def fake() -> FeatureStoreFake:
    records = {
        f"N{n}": {"tailnum": f"N{n}", "seats": n, "speed": n / 4, "maker": "BOEING", "event_time": MOMENT + n}
        for n in range(1, 251)
    }
    records["N2"]["event_time"] = "2013-07-01T05:00:00Z"
    del records["N3"]["speed"]
    records["N4"]["seats"] = [1, 2]
    definitions = {
        "tailnum": "String",
        "seats": "Integral",
        "speed": "Fractional",
        "maker": "String",
        "event_time": "Fractional",
    }
    return FeatureStoreFake(definitions, records)


@pytest.fixture
def store(fake: FeatureStoreFake) -> Iterator[SageMakerStore]:
    with served(fake, read_timeout=30) as (runtime, service):
        yield SageMakerStore(runtime, service, timeout=30)


@pytest.fixture
def hurried(fake: FeatureStoreFake) -> Iterator[SageMakerStore]:
    """Its limit is far below what the fake takes where a test slows it, and above what a busy machine needs."""
    with served(fake, read_timeout=30) as (runtime, service):
        yield SageMakerStore(runtime, service, timeout=3)


def test_there_is_one_typed_answer_for_each_id_in_order(store: SageMakerStore):
    records = store.get("planes", ["N8", "absent", "N1", "N8"])
    assert records == [
        {"seats": 8, "speed": 2.0, "maker": "BOEING"},
        None,
        {"seats": 1, "speed": 0.25, "maker": "BOEING"},
        {"seats": 8, "speed": 2.0, "maker": "BOEING"},
    ]
    assert isinstance(records[0]["seats"], int)  # type: ignore[index]


def test_event_times_are_numbers_or_iso_text(store: SageMakerStore):
    assert [record and record.event_time for record in store.get("planes", ["N1", "N2"])] == [MOMENT + 1, MOMENT]


def test_a_feature_without_a_value_is_null_and_a_list_is_a_list(store: SageMakerStore):
    three, four = store.get("planes", ["N3", "N4"], ["speed", "seats"])
    assert three == {"speed": None, "seats": 3}
    assert four == {"speed": 1.0, "seats": [1, 2]}


def test_more_than_a_hundred_ids_go_in_several_calls_and_each_id_once(store: SageMakerStore, fake: FeatureStoreFake):
    ids = [f"N{n}" for n in range(1, 251)]
    records = store.get("planes", ids + ids)
    assert [record and record["seats"] for record in records[4:250]] == list(range(5, 251))
    assert records[:250] == records[250:]
    assert sorted(len(asked) for asked in fake.asked) == [50, 100, 100]


def test_the_event_time_is_asked_for_whatever_features_are_wanted(store: SageMakerStore):
    (record,) = store.get("planes", ["N1"], ["maker"])
    assert record == {"maker": "BOEING"}
    assert record is not None
    assert record.event_time == MOMENT + 1


def test_unprocessed_ids_are_asked_for_again(store: SageMakerStore, fake: FeatureStoreFake):
    fake.unprocessed = 2
    records = store.get("planes", ["N1", "N5", "N6"])
    assert [record and record["seats"] for record in records] == [1, 5, 6]
    assert fake.asked == [["N1", "N5", "N6"], ["N5", "N6"], ["N6"]]


def test_ids_that_stay_unprocessed_make_the_store_unavailable_within_the_limit(
    hurried: SageMakerStore, fake: FeatureStoreFake
):
    fake.unprocessed = 10**9
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable):
        hurried.get("planes", [f"N{n}" for n in range(1, 100)])
    assert time.monotonic() - begun < 15


def test_a_slow_store_is_unavailable_within_the_limit(hurried: SageMakerStore, fake: FeatureStoreFake):
    hurried.get("planes", ["N1"])
    fake.seconds = 20
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable):
        hurried.get("planes", [f"N{n}" for n in range(1, 200)])
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize(
    "failure", [(500, "InternalFailure"), (503, "ServiceUnavailable"), (400, "ThrottlingException")]
)
def test_an_error_that_may_pass_makes_it_unavailable(
    store: SageMakerStore, fake: FeatureStoreFake, failure: tuple[int, str]
):
    fake.failures = [failure]
    with pytest.raises(StoreUnavailable):
        store.get("planes", ["N1"])
    assert store.get("planes", ["N1"]) != [None]


def test_a_refusal_is_an_error_that_says_why(store: SageMakerStore, fake: FeatureStoreFake):
    fake.failures = [(403, "AccessForbidden")]
    with pytest.raises(StoreError, match="AccessForbidden") as refused:
        store.get("planes", ["N1"])
    assert not isinstance(refused.value, StoreUnavailable)


def test_an_error_of_one_record_is_no_missing_record(store: SageMakerStore, fake: FeatureStoreFake):
    fake.record_error = "ValidationError"
    with pytest.raises(StoreError, match="ValidationError"):
        store.get("planes", ["N1"])
    fake.record_error = "InternalFailure"
    with pytest.raises(StoreUnavailable):
        store.get("planes", ["N1"])


def test_a_store_that_is_down_is_unavailable(fake: FeatureStoreFake):
    with served(fake) as clients:
        pass
    with pytest.raises(StoreUnavailable):
        SageMakerStore(*clients, timeout=0.5).get("planes", ["N1"])


def test_an_unknown_feature_is_named(store: SageMakerStore):
    with pytest.raises(StoreError, match="no feature wings"):
        store.get("planes", ["N1"], ["wings"])


def test_a_group_is_described_once_and_connections_are_kept(store: SageMakerStore, fake: FeatureStoreFake):
    for _ in range(20):
        store.get("planes", ["N1"])
    assert fake.described == 3
    assert len(fake.connections) <= 5


def test_a_look_up_that_hangs_is_given_up_when_the_request_s_time_is_over(fake: FeatureStoreFake):
    with served(fake, read_timeout=30) as (runtime, service):
        store = SageMakerStore(runtime, service, timeout=20)
        store.get("planes", ["N1"])
        fake.awake.clear()
        begun = time.monotonic()
        assert RecordingStore(store, FailurePolicy(0.1, True)).get("planes", ["N1"]) == [None]
        assert time.monotonic() - begun < 10


def test_unprocessed_ids_are_not_asked_for_when_the_request_s_time_is_over(
    store: SageMakerStore, fake: FeatureStoreFake
):
    fake.unprocessed = 1000
    store = SageMakerStore(store._runtime, store._service, timeout=20)
    ids = [f"N{n}" for n in range(1, 100)]
    begun = time.monotonic()
    assert RecordingStore(store, FailurePolicy(0.1, True)).get("planes", ids) == [None] * 99
    assert time.monotonic() - begun < 10


def test_definitions_that_come_too_late_for_one_request_are_there_for_the_next_and_read_once(fake: FeatureStoreFake):
    with served(fake, read_timeout=30) as (runtime, service):
        store = SageMakerStore(runtime, service, timeout=20)
        fake.awake.clear()
        for _ in range(3):
            assert RecordingStore(store, FailurePolicy(0.05, True)).get("planes", ["N1"]) == [None]
        assert not fake.asked
        fake.awake.set()
        assert store.get("planes", ["N1"], ["seats"]) == [{"seats": 1}]
        assert fake.described == 3


def test_definitions_that_could_not_be_read_are_read_again(store: SageMakerStore, fake: FeatureStoreFake):
    fake.describe_failures = [(403, "AccessDeniedException")]
    with pytest.raises(StoreError, match="AccessDenied"):
        store.get("planes", ["N1"])
    assert store.get("planes", ["N1"], ["seats"]) == [{"seats": 1}]
