"""Column names are interned once, whatever order they come in, and restricted before anything is written."""

from __future__ import annotations

import collections
import hashlib
import hmac
import re
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.writing.column_names import MAX_NAMES, Shapes

names = st.lists(st.text(max_size=5), unique=True, max_size=8)


@given(names, st.randoms(use_true_random=False))
def test_a_mapping_has_one_shape_in_every_order_of_its_names(given_names: list[str], random: Any) -> None:
    shapes = Shapes()
    mapping = {name: position for position, name in enumerate(given_names)}
    shape, row = shapes.read(mapping)
    assert dict(zip(shape.names, row, strict=True)) == mapping
    shuffled = list(mapping)
    random.shuffle(shuffled)
    again, same_row = shapes.read({name: mapping[name] for name in shuffled})
    assert again is shape
    assert same_row == row


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(), max_size=4), max_size=12))
def test_no_mapping_takes_anothers_names(mappings: list[dict[str, int]]) -> None:
    shapes = Shapes()
    for mapping in mappings:
        shape, row = shapes.read(mapping)
        assert dict(zip(shape.names, row, strict=True)) == mapping


def test_as_many_names_but_others_are_another_shape() -> None:
    shapes = Shapes()
    first, _ = shapes.read({"a": 1, "b": 2})
    second, row = shapes.read({"a": 1, "c": 3})
    assert second is not first
    assert (second.names, row) == (("a", "c"), (1, 3))


def test_names_that_are_no_text_are_their_text() -> None:
    shape, row = Shapes().read({1: "x", ("a", 2): "y", None: "z"})
    assert (shape.names, row) == (("1", "('a', 2)", "None"), ("x", "y", "z"))


def test_a_clients_endless_new_names_take_no_endless_memory() -> None:
    shapes = Shapes()
    for number in range(5000):
        shape, row = shapes.read({f"key-{number}": number})
        assert (shape.names, row) == ((f"key-{number}",), (number,))
    assert len(shapes._known) <= 1024


def restricted(mapping: dict[Any, Any], **settings: Any) -> dict[str, Any]:
    shapes = Shapes(**settings)
    shape, row = shapes.read(mapping)
    return dict(zip(shape.names, shapes.restrict(shape, row), strict=True))


def test_excluded_names_are_no_names_of_the_shape() -> None:
    assert restricted({"card": 1, "user_id": 2, "user_mail": 3, "seats": 4}, exclude=("card", "user_*")) == {"seats": 4}
    assert restricted({"seats": 4}, exclude=("*",)) == {}


def test_globs_match_the_whole_name_whatever_its_case() -> None:
    names = ("Card", "discard", "card", " CARD ", "ｃａｒｄ")
    assert restricted(dict.fromkeys(names, 1), exclude=("card",)) == {"discard": 1}


@given(
    st.dictionaries(st.sampled_from(["a", "b", "ab", "ba", "c"]), st.integers()),
    st.lists(st.sampled_from(["a", "b*", "*c", "?b"])),
    st.lists(st.sampled_from(["a", "b*", "*c", "?a"])),
)
def test_what_is_excluded_is_gone_and_what_is_hashed_is_a_digest(
    mapping: dict[str, int], exclude: list[str], hashed: list[str]
) -> None:
    found = restricted(mapping, exclude=exclude, hashed=hashed, hash_key="pepper of 16 bytes")
    for name, value in mapping.items():
        if matches(name, exclude):
            assert name not in found
        else:
            assert found[name] == (digest(str(value)) if matches(name, hashed) else value)


def matches(name: str, globs: list[str]) -> bool:
    return any(re.fullmatch(glob.replace("*", ".*").replace("?", "."), name) for glob in globs)


def digest(text: str, key: str = "pepper of 16 bytes") -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("4711", '"4711"'),
        ("é\n", '"é\\n"'),
        ("\ud800", '"\\\\ud800"'),
        (4711, "4711"),
        (2**70, str(2**70)),
        (True, "true"),
        (1.5, "1.5"),
        (float("inf"), '"Infinity"'),
        (float("-inf"), '"-Infinity"'),
        (np.int8(3), "3"),
        (np.float32(1.5), "1.5"),
        (np.longdouble(1.5), "1.5"),
        (np.str_("a"), '"a"'),
        (np.bool_(True), "true"),
        (b"abc", '"YWJj"'),
        ([1, "a", None], '[1,"a",null]'),
        ((1, np.float32(2.5)), "[1,2.5]"),
        (np.array([1, 2]), "[1,2]"),
        (np.array([1.5, np.inf, np.nan]), '[1.5,"Infinity",null]'),
        ({"b": 1, "a": {"d": 2, "c": 3}}, '{"a":{"c":3,"d":2},"b":1}'),
        (collections.OrderedDict(b=1, a=2), '{"a":2,"b":1}'),
        ({2: "x", 1: "y"}, '{"1":"y","2":"x"}'),
        (pd.Timestamp("2026-01-01T01:00", tz="Europe/Berlin"), '"2026-01-01T00:00:00Z"'),
        (pd.Timestamp("2026-01-01"), '"2026-01-01T00:00:00"'),
        (np.datetime64("2026-01-01T00:00:00.000", "ns"), '"2026-01-01T00:00:00"'),
    ],
    ids=repr,
)
def test_a_digest_is_the_hmac_of_the_canonical_json(value: Any, canonical: str) -> None:
    assert Shapes(hashed=("*",), hash_key="pepper of 16 bytes").digest(value) == digest(canonical)


@pytest.mark.parametrize(
    "value", [None, float("nan"), np.nan, np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT", "s")]
)
def test_what_is_missing_is_not_hashed(value: Any) -> None:
    assert Shapes(hashed=("*",), hash_key="pepper of 16 bytes").digest(value) is None


def test_another_key_gives_another_digest() -> None:
    digests = {Shapes(hashed=("*",), hash_key=key).digest("4711") for key in ("pepper of 16 bytes", "salt", "")}
    assert len(digests) == 3


@pytest.mark.parametrize("value", [object(), {"a": object()}, range(3)])
def test_what_cannot_be_captured_cannot_be_hashed(value: Any) -> None:
    with pytest.raises(TypeError):
        Shapes(hashed=("*",), hash_key="pepper of 16 bytes").digest(value)


def test_outputs_are_restricted_by_their_names_but_an_unnamed_one_has_none() -> None:
    shapes = Shapes(exclude=("score", "prediction"), hashed=("rank",), hash_key="pepper of 16 bytes").outputs
    assert shapes.of(("Score", "rank", "other")).names == ("rank", "other")
    assert shapes.of(("Score", "rank", "other")).hashed == (0,)
    assert shapes.of(("",)).names == ("",)
    assert shapes.of(("0", "1")).names == ("0", "1")


def test_names_that_never_come_again_take_bounded_memory() -> None:
    shapes = Shapes()
    tracemalloc.start()
    try:
        for number in range(16):
            shapes.read({f"{number}-{name}": 0 for name in range(20_000)})
        remembered, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert remembered < 16 * 1024 * 1024


def test_a_row_has_a_bounded_number_of_names() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_NAMES} are captured"):
        Shapes().read(dict.fromkeys(map(str, range(MAX_NAMES + 1))))
