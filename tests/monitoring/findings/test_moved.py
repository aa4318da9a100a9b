"""What moved in a column: the part that explains most."""

import numpy as np
import pytest

from monitoring.findings.moved import UNITS, what_moved
from monitoring.result import Bin, Grade, SideSummary
from tests.monitoring.findings.samples import column, summary

RANKS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def sided(values: np.ndarray, reference: np.ndarray) -> SideSummary:
    return summary(
        len(values),
        mean=float(values.mean()),
        std_dev=float(values.std()),
        minimum=float(values.min()),
        maximum=float(values.max()),
        quantiles=tuple(float(q) for q in np.quantile(values, RANKS)),
        below=int((values < reference.min()).sum()),
        above=int((values > reference.max()).sum()),
    )


def moved(before: np.ndarray, after: np.ndarray, **more):
    shift = float(np.abs(np.sort(after) - np.sort(before)).mean() / before.std())
    return what_moved(
        column("x", Grade.LARGE, shift=shift, baseline=sided(before, before), window=sided(after, before), **more)
    )


VALUES = np.random.default_rng(3).normal(20, 5, 4000)


@pytest.mark.parametrize(("factor", "offset", "name"), UNITS)
@pytest.mark.parametrize("forward", [True, False])
def test_a_change_of_unit_is_recognised_in_both_directions(factor, offset, name, forward) -> None:
    after = VALUES * factor + offset if forward else (VALUES - offset) / factor
    found = moved(VALUES, after)
    assert (found.part, found.likely) == ("unit", f"a unit ({name})")


@pytest.mark.parametrize("factor", [0.013, 5.3, 140.0])
def test_a_factor_of_no_known_unit_is_named(factor: float) -> None:
    found = moved(VALUES, VALUES * factor)
    assert (found.part, found.likely) == ("unit", "another unit or scale")
    assert f"multiplied by about {factor:.3g}: " in found.sentence


@pytest.mark.parametrize("after", [VALUES + 8, VALUES * 1.3, VALUES[::-1] + np.linspace(0, 4, 4000), VALUES**2])
def test_other_movements_are_not_called_a_change_of_unit(after: np.ndarray) -> None:
    assert moved(VALUES, after).part != "unit"


def test_values_above_the_largest_of_training_are_counted() -> None:
    after = VALUES + 30
    found = moved(VALUES, after)
    assert found.part == "above"
    assert found.sentence.endswith(f"are above {VALUES.max():.1f} in `x`, the largest value in training.")
    assert found.condition == f'"x" > {float(VALUES.max())!r}'
    assert found.affected == np.count_nonzero(after > VALUES.max())


def test_a_finer_rounding_is_called_a_rounding() -> None:
    before = np.tile([1.0, 2.0, 3.0], 1000)
    assert moved(before, before + 0.001, linf=0.33).part == "rounding"


def test_a_column_that_turns_into_one_value_says_so() -> None:
    found = moved(VALUES, np.zeros(4000))
    assert found.part in ("one value", "below")
    counts = np.random.default_rng(0).poisson(4, 5000).astype(float)
    assert moved(counts, np.zeros(5000)).sentence == "Every value of `x` is 0; training had many values."


def test_missing_values_come_first_where_they_explain_the_distance() -> None:
    gone = column("f", Grade.LARGE, linf=0.3, baseline=summary(4000), window=summary(4000, 1200))
    found = what_moved(gone)
    assert found.sentence == "30.0 % of the 4,000 rows lack `f`; 0 % in training."
    assert (found.condition, found.affected) == ('"f" IS NULL', 1200)


def test_a_fall_of_missing_values_selects_the_rows_that_have_one() -> None:
    back = column("f", Grade.LARGE, linf=0.3, baseline=summary(1000, 300), window=summary(1000, 0))
    assert what_moved(back).condition == '"f" IS NOT NULL'


def test_the_categories_that_moved_most_are_named() -> None:
    bins = (Bin("UA", 0.2, 0.35), Bin("B6", 0.5, 0.36), Bin("DL", 0.3, 0.29), Bin("null", 0.0, 0.0, is_null=True))
    found = what_moved(column("carrier", Grade.LARGE, kind="categorical", linf=0.15, bins=bins))
    assert found.sentence == "In `carrier`: `UA` 35.0 %, was 20.0 %; `B6` 36.0 %, was 50.0 %."
    assert found.condition == "CAST(\"carrier\" AS VARCHAR) = 'UA'"


def test_one_value_instead_of_many_is_named() -> None:
    bins = (Bin("None", 0.02, 0.97), Bin("b", 0.98, 0.03))
    assert what_moved(column("c", Grade.LARGE, kind="categorical", bins=bins)).part == "one value"


def test_the_largest_gap_of_the_curves_is_named() -> None:
    level = column("rank", Grade.SMALL, cdf=((1.0, 0.1, 0.1), (12.0, 0.651, 0.612), (30.0, 0.99, 0.985)))
    found = what_moved(level)
    assert found.sentence == "61.2 % of rows are at or below 12 in `rank`; 65.1 % in training."
    assert found.condition == '"rank" > 12.0'


def test_a_column_without_rows_moved_nowhere() -> None:
    assert what_moved(column("x", window=None)).part == ""
    assert what_moved(column("x", window=summary(0))).part == ""
