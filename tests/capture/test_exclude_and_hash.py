"""`CAPTURE_EXCLUDE` and `CAPTURE_HASH` act before anything is written: no byte of the spool holds what they name."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from capture import CaptureBuffer, Features, new_event_id
from tests.capture.spools import Scribe, buffer, column, events, raw

CARD = "4711-0815-SECRET"
USER = "ada@SECRET.example"
NUMBER = 1234567.890625
SECRETS = (CARD.encode(), USER.encode(), np.float64(NUMBER).tobytes(), np.float64(NUMBER).tobytes()[::-1])
RESTRICTED: dict[str, Any] = {"exclude": ("card", "sal*"), "hash": ("user",), "hash_key": "pepper of 16 bytes"}
DIGEST = hmac.new(b"pepper of 16 bytes", f'"{USER}"'.encode(), hashlib.sha256).hexdigest()
ROW = {"card": CARD, "seats": 180, "user": USER, "salary": NUMBER}
FRAME = pd.DataFrame([ROW, ROW])

SHAPES: dict[str, Callable[[], Any]] = {
    "mapping": lambda: dict(ROW),
    "mapping of another class": lambda: types.MappingProxyType(ROW),
    "mappings": lambda: [dict(ROW), dict(ROW)],
    "ragged mappings": lambda: [dict(ROW), {**ROW, "more": 1}, {"user": USER}],
    "columns": lambda: {name: [value, value] for name, value in ROW.items()},
    "columns of NumPy": lambda: {name: np.array([value, value]) for name, value in ROW.items()},
    "columns of Arrow": lambda: {name: pa.array([value, value]) for name, value in ROW.items()},
    "columns of chunked Arrow": lambda: {name: pa.chunked_array([[value], [value]]) for name, value in ROW.items()},
    "columns of pandas": lambda: {name: pd.Series([value, value]) for name, value in ROW.items()},
    "records": lambda: np.array([tuple(ROW.values())] * 2, dtype=[(n, "O") for n in ROW]),
    "records of fixed width": lambda: FRAME.astype({"card": object, "user": object}).to_records(
        index=False, column_dtypes={"card": "U20", "user": "U20"}
    ),
    "matrix of objects": lambda: FRAME.to_numpy(dtype=object),
    "matrix of text": lambda: FRAME.astype(object).astype(str).to_numpy(dtype="U20"),
    "sequences": lambda: [list(ROW.values()), tuple(ROW.values())],
    "one sequence": lambda: list(ROW.values()),
    "ragged sequences": lambda: [list(ROW.values()), list(ROW.values())[:3]],
    "frame": lambda: FRAME.copy(),
    "frame of objects": lambda: FRAME.astype(object),
    "frame of categories": lambda: FRAME.astype({"card": "category", "user": "category"}),
    "sliced frame": lambda: pd.concat([FRAME] * 3).iloc[1:3],
    "row of a frame": lambda: FRAME.iloc[0],
    "Arrow table": lambda: pa.Table.from_pandas(FRAME),
    "Arrow batch": lambda: pa.RecordBatch.from_pandas(FRAME),
    "Arrow table with dictionaries": lambda: pa.Table.from_pandas(
        FRAME.astype({"card": "category", "user": "category"})
    ),
    "sliced Arrow table": lambda: pa.concat_tables([pa.Table.from_pandas(FRAME)] * 3).slice(1, 2),
    "Features": lambda: Features(request=dict(ROW), items=[dict(ROW)]),
}


def rows_of(features: Any) -> int:
    if isinstance(features, Features):
        return rows_of(features.items)
    if isinstance(features, pa.Table | pa.RecordBatch):
        return int(features.num_rows)
    if isinstance(features, dict | types.MappingProxyType):
        first = features["card"]
        return 1 if isinstance(first, str) else len(first)
    if isinstance(features, list):
        return len(features) if isinstance(features[0], list | dict) else 1
    return 1 if isinstance(features, pd.Series) else len(features)


def direct(opened: CaptureBuffer, features: Any, **more: Any) -> bool:
    return opened.append(features, [0.5] * rows_of(features), **more)


def prepared(opened: CaptureBuffer, features: Any, **more: Any) -> bool:
    made = opened.prepare(features, event_id=new_event_id(), **more)
    return opened.append(made, [0.5] * rows_of(features))


@pytest.mark.parametrize("sort", SHAPES)
@pytest.mark.parametrize("way", [direct, prepared])
def test_nothing_of_what_is_excluded_or_hashed_reaches_the_spool(
    tmp_path: Path, sort: str, way: Callable[..., bool]
) -> None:
    features = SHAPES[sort]()
    with buffer(tmp_path, **RESTRICTED) as opened:
        assert way(opened, features, feature_names=list(ROW), request_features={"card": CARD, "user": USER, "hour": 7})
    written = raw(tmp_path / "spool")
    assert [secret for secret in SECRETS if secret in written] == []
    (event,) = events(tmp_path / "spool")
    assert event.request is not None
    for block in (event.items, event.request):
        assert set(column(block, "user")) == {DIGEST}
        found = block.rows[0] if hasattr(block, "rows") and isinstance(block.rows[0], dict) else None
        names = set(found or (block.batch.schema.names if hasattr(block, "batch") else block.names))  # type: ignore[union-attr]
        assert not {"card", "salary"} & names
    assert int(column(event.items, "seats")[0]) == 180


@pytest.mark.parametrize("sort", SHAPES)
def test_what_is_restricted_leaves_the_callers_object_alone(tmp_path: Path, sort: str) -> None:
    features = SHAPES[sort]()
    with buffer(tmp_path, **RESTRICTED) as opened:
        assert direct(opened, features, feature_names=list(ROW))
    assert told(features) == told(SHAPES[sort]())


def told(features: Any) -> str:
    """The whole object as text, without addresses."""
    if isinstance(features, dict):
        return repr({name: told(value) for name, value in features.items()})
    if isinstance(features, pa.Array | pa.ChunkedArray | pa.Table | pa.RecordBatch):
        return repr(features.to_pylist())
    return repr(features)


def test_a_matrix_of_numbers_loses_its_excluded_columns_and_hashes_the_others(tmp_path: Path) -> None:
    array = np.array([[NUMBER, 1.0, 2.0], [NUMBER, 3.0, 4.0]])
    with buffer(tmp_path, exclude=("salary",), hash=("user",), hash_key="pepper of 16 bytes") as opened:
        scribe = Scribe(opened, tmp_path / "spool")
        for given_as in (
            array,
            np.asfortranarray(array),
            array.astype(object),
            pd.DataFrame(array),
            pd.DataFrame(array).astype(object),
        ):
            if isinstance(given_as, pd.DataFrame):
                given_as.columns = pd.Index(["salary", "user", "seats"])
            items = scribe.write(given_as, [0, 1], feature_names=["salary", "user", "seats"]).items
            assert items.names == ("user", "seats")  # type: ignore[union-attr]
            assert column(items, "seats") == [2.0, 4.0]
            assert column(items, "user") == [
                hmac.new(b"pepper of 16 bytes", text, "sha256").hexdigest() for text in (b"1.0", b"3.0")
            ]
    assert np.float64(NUMBER).tobytes() not in raw(tmp_path / "spool")


@pytest.fixture
def hashing(tmp_path: Path) -> Iterator[Scribe]:
    with buffer(tmp_path, hash=("h",), exclude=("x",), hash_key="pepper of 16 bytes") as opened:
        yield Scribe(opened, tmp_path / "spool")


MISSING: dict[str, Callable[[], Any]] = {
    "text": lambda: pd.Series(["a", None], dtype="str"),
    "objects": lambda: pd.Series(["a", None], dtype=object),
    "objects with NaN": lambda: pd.Series(["a", np.nan], dtype=object),
    "category": lambda: pd.Series(["a", None], dtype="category"),
    "Int64": lambda: pd.Series([1, None], dtype="Int64"),
    "boolean": lambda: pd.Series([True, None], dtype="boolean"),
    "float": lambda: pd.Series([1.5, None]),
    "datetime": lambda: pd.Series([pd.Timestamp("2026-01-01"), None]),
    "datetime with zone": lambda: pd.Series([pd.Timestamp("2026-01-01", tz="Europe/Berlin"), None]),
    "Arrow": lambda: pd.Series([1, None], dtype="int64[pyarrow]"),
}


@pytest.mark.parametrize("sort", MISSING)
def test_a_missing_value_stays_null_in_a_hashed_column_and_in_the_columns_beside_it(hashing: Scribe, sort: str) -> None:
    series = MISSING[sort]()
    frame = pd.DataFrame({"h": series, "beside": series, "x": [1, 2]})
    for given_as in (frame, pa.Table.from_pandas(frame), {"h": series, "beside": series, "x": [1, 2]}):
        items = hashing.write(given_as, [0, 1]).items
        digest, nothing = column(items, "h")
        assert (len(digest), nothing) == (64, None)
        missing = column(items, "beside")[1]
        assert missing is None or missing != missing


@pytest.mark.parametrize("sort", MISSING)
def test_the_columns_beside_keep_the_type_that_they_have_without_any_setting(
    hashing: Scribe, tmp_path: Path, sort: str
) -> None:
    frame = pd.DataFrame({"beside": MISSING[sort](), "n": [1, 2]})
    with buffer(tmp_path / "other") as opened:
        plain = Scribe(opened, tmp_path / "other" / "spool").write(frame, [0, 1]).items
    restricted = hashing.write(frame.assign(h="secret", x=1), [0, 1]).items
    one, other = (items.columns[items.names.index("beside")] for items in (plain, restricted))  # type: ignore[union-attr]
    assert type(one) is type(other)
    assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
    assert getattr(one, "type", None) == getattr(other, "type", None)


def test_the_same_value_has_the_same_digest_in_every_shape(hashing: Scribe) -> None:
    for value in ("ada", 7, 1.5, True, dt.datetime(2026, 1, 1, 7, tzinfo=dt.UTC)):
        shapes = [
            {"h": value},
            [{"h": value}],
            {"h": [value]},
            {"h": np.array([value])} if not isinstance(value, dt.datetime) else {"h": pd.Series([value])},
            pd.DataFrame({"h": [value]}),
            pd.DataFrame({"h": [value]}, dtype=object),
            pa.table({"h": [value]}),
        ]
        assert len({column(hashing.write(given_as, [0]).items, "h")[0] for given_as in shapes}) == 1, value


@pytest.mark.parametrize(
    "given_as", [np.zeros((2, 3)), [[1, 2, 3], [4, 5, 6]], [1, 2, 3], [[1, 2, 3], [4]], np.zeros((1, 1))]
)
def test_where_the_names_do_not_fit_it_is_refused_because_nobody_knows_what_to_leave_out(
    hashing: Scribe, tmp_path: Path, given_as: Any
) -> None:
    assert hashing.refused(given_as, [0, 1], feature_names=["x", "y"]) == {"unencodable": 1}
    with buffer(tmp_path / "open") as opened:
        assert opened.append(given_as, [0, 1], feature_names=["x", "y"])


def test_an_arrow_table_of_which_nothing_is_left_still_has_its_rows(hashing: Scribe) -> None:
    for given_as in (pa.table({"x": [1, 2]}), pd.DataFrame({"x": [1, 2]}), [{"x": 1}, {"x": 2}], {"x": [1, 2]}):
        assert len(hashing.write(given_as, [0, 1]).items) == 2


SSN = "078-05-1120"
NESTED: dict[str, Callable[[], Any]] = {
    "another case": lambda: {"SSN": SSN, "seats": 1},
    "both cases": lambda: {"ssn": SSN, "Ssn": SSN, "seats": 1},
    "spaces": lambda: {" ssn ": SSN, "seats": 1},
    "bytes": lambda: {b"ssn": SSN, "seats": 1},
    "a tuple": lambda: {("user", "ssn"): SSN, "seats": 1},
    "a MultiIndex": lambda: pd.DataFrame({("user", "SSN"): [SSN], ("flight", "seats"): [1]}),
    "a mapping in a mapping": lambda: {"user": {"SSN": SSN, "age": 1}, "seats": 1},
    "deep in lists": lambda: {"users": [{"all": [{"ssn": SSN}]}], "seats": 1},
    "by path": lambda: {"user": {"secret": SSN, "age": 1}, "seats": 1},
    "in mappings": lambda: [{"user": {"ssn": SSN}, "seats": 1}],
    "ragged": lambda: [{"user": {"ssn": SSN}}],
    "columns of mappings": lambda: {"user": [{"ssn": SSN}], "seats": [1]},
    "objects": lambda: np.array([[{"ssn": SSN}, 1]], dtype=object),
    "a frame": lambda: pd.DataFrame({"user": [{"ssn": SSN}], "seats": [1]}),
    "a frame with Arrow's structs": lambda: pd.DataFrame(
        {"user": pd.Series([{"ssn": SSN}], dtype=pd.ArrowDtype(pa.struct([("ssn", pa.string())])))}
    ),
    "Arrow's structs": lambda: pa.table({"user": [{"ssn": SSN}], "seats": [1]}),
    "Arrow's lists of structs": lambda: pa.table({"user": [[{"ssn": SSN}]], "seats": [1]}),
    "Arrow's maps": lambda: pa.table({"user": pa.array([[("ssn", SSN)]], pa.map_(pa.string(), pa.string()))}),
    "a structured array": lambda: np.array(
        [((SSN, 1), 2)], dtype=[("user", [("ssn", "U20"), ("age", "i4")]), ("x", "i4")]
    ),
    "Features": lambda: Features(request={"user": {"ssn": SSN}}, items=[{"SSN": SSN, "seats": 1}]),
}


@pytest.mark.parametrize("how", ["exclude", "hash"])
@pytest.mark.parametrize("shape", NESTED)
def test_what_is_excluded_or_hashed_is_so_in_every_spelling_and_at_every_level(
    tmp_path: Path, shape: str, how: str
) -> None:
    patterns = ("ssn", "user.secret")
    with buffer(tmp_path, **{how: patterns}, hash_key="pepper of 16 bytes", feature_names=("user", "seats")) as opened:
        assert opened.append(NESTED[shape](), [0.5])
        assert opened.append(opened.prepare(NESTED[shape](), event_id=new_event_id()), [0.5])
    data = raw(tmp_path / "spool")
    assert SSN.encode() not in data
    assert SSN.encode("utf-32-le") not in data
    digest = hmac.new(b"pepper of 16 bytes", f'"{SSN}"'.encode(), hashlib.sha256).hexdigest()
    assert (digest.encode() in data) == (how == "hash")


@pytest.mark.parametrize(
    "predictions",
    [
        {"ssn": SSN, "score": 0.5},
        [{"SSN": SSN, "score": 0.5}],
        {"score": [0.5], "Ssn": [SSN]},
        pd.DataFrame({"score": [0.5], "ssn": [SSN]}),
        pa.table({"score": [0.5], "ssn": [SSN]}),
        {"score": 0.5, "about": {"ssn": SSN}},
        [[{"ssn": SSN}, 0.5]],
        [{"about": [{"ssn": SSN}]}, {"score": 1.0}],
    ],
    ids=str,
)
def test_what_is_excluded_is_so_in_predictions_too(tmp_path: Path, predictions: Any) -> None:
    with buffer(tmp_path, exclude=("ssn",)) as opened:
        assert opened.append({"seats": 1}, predictions)
        assert opened.append([{"seats": 1}] * 3, predictions), "also where they are rescued"
    assert SSN.encode() not in raw(tmp_path / "spool")


def test_an_unnamed_prediction_is_captured_whatever_the_patterns(tmp_path: Path) -> None:
    with buffer(tmp_path, exclude=("p*", "*")) as opened:
        assert opened.append({"phone": 1, "other": 2}, 0.25)
    (event,) = events(tmp_path / "spool")
    assert column(event.predictions, "") == [0.25]
    assert event.items.names == ()  # type: ignore[union-attr]
