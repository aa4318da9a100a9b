"""What one run found: the typed result that the report, the publishers, the alarms and Python users see.

A result is plain data (`msgspec.Struct`), written as `result.json` beside the report. Everything a page or a message shows
stands here; no renderer computes a statistic. Only finite numbers stand in it: what is undefined is None with a reason.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import msgspec

RESULT_VERSION = 1


class Grade(StrEnum):
    """How large a change is, in the words of the report."""

    NONE = "none"
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class Status(StrEnum):
    """What the drift decision says of a column."""

    DRIFT = "drift"
    NO_DRIFT = "no drift"
    NOT_JUDGED = "not judged"


class Outcome(StrEnum):
    """What a run says of its window."""

    OK = "ok"
    VIOLATIONS = "violations"
    NOT_JUDGED = "not judged"


class Urgency(StrEnum):
    """What a cause asks of a person: an incident now, a message, or a line in the report. Urgency is not size."""

    PAGE = "page"
    MESSAGE = "message"
    NOTE = "note"


class CauseKind(StrEnum):
    """The kinds of causes. The values are the first part of a cause's key."""

    DRIFT = "drift"
    DATA_TYPE = "data_type"
    COMPLETENESS = "completeness"
    MISSING_COLUMN = "missing_column"
    EXTRA_COLUMN = "extra_column"
    CATEGORICAL_VALUES = "categorical_values"
    NON_NEGATIVE = "non_negative"
    RANGE = "range"
    RENAMED_COLUMN = "renamed_column"
    STALE_STORE = "stale_store"
    MISSING_ENTITIES = "missing_entities"
    NO_DATA = "no_data"
    INCOMPLETE = "incomplete"
    QUALITY = "quality"
    CONCEPT = "concept"
    HEARTBEAT = "heartbeat"
    RETRAINING = "retraining"


class Subject(msgspec.Struct, frozen=True):
    """What a run judged. `model_version` is None where the captured data names none."""

    endpoint: str
    variant: str
    model_name: str
    model_version: str | None
    monitor: str


class WindowCompleteness(msgspec.Struct, frozen=True):
    """Whether the window is complete. `proved` is None where no ledger exists ("completeness unknown").

    `found` and `expected` count records (events), `expected` None where unknown. `gaps` are sentences. `until` is the time
    until which a live endpoint's data is proved complete.
    """

    proved: bool | None
    found: int
    expected: int | None
    gaps: tuple[str, ...] = ()
    until: dt.datetime | None = None
    duplicates: int = 0


class Violation(msgspec.Struct, frozen=True):
    """A violated constraint, as `constraint_violations.json` holds it, with our own sentence and grade beside it."""

    feature_name: str
    constraint_check_type: str
    description: str
    sentence: str
    grade: Grade = Grade.SMALL


class Bin(msgspec.Struct, frozen=True):
    """One bar of a column's chart: shares of all rows of each side. `low` and `high` are None for a category."""

    label: str
    baseline: float
    window: float
    low: float | None = None
    high: float | None = None
    is_null: bool = False
    is_other: bool = False


class SideSummary(msgspec.Struct, frozen=True):
    """The numbers of one side of a column. Quantiles are (q01, q05, q25, q50, q75, q95, q99).

    `rows` counts events for a request-level column. `nans` of the `missing` are NaN. `rescued` counts cells that did not fit
    the column's type. `below` and `above` count values outside the range of the baseline, `negatives` numbers below 0.
    `infinities` are (negative, positive).
    """

    rows: int
    missing: int
    completeness: float
    mean: float | None = None
    std_dev: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    quantiles: tuple[float, ...] = ()
    distinct: int | None = None
    kinds: dict[str, int] = {}
    infinities: tuple[int, int] = (0, 0)
    nans: int = 0
    rescued: int = 0
    below: int = 0
    above: int = 0
    negatives: int = 0


class ColumnResult(msgspec.Struct, frozen=True):
    """What a run found about one column.

    `kind` is a `ColumnKind`; `type_name` the Arrow type most rows have. `linf` is the largest difference of the CDFs or of
    the shares, missing values included; `shift` is the Wasserstein distance in baseline standard deviations; `distances`
    holds the others by name. `detectable` is the smallest L-infinity that this window could have shown. `reason` says why a
    column was not judged. `cdf` holds (value, baseline CDF, window CDF) points of numeric columns. `tests` explains what
    moved: ("missing values", p), ("location", p). `group` is the feature group of the online store that the column comes
    from, "" where unknown. `condition` is the SQL condition of the rows that moved, `affected` their number where it is
    known. `recent` grades the last 24 hours or days (`recent_unit`) one by one, oldest first, None for one that was not
    judged; `recent_end` is the end of the last of them. `segment` is the (column, value) in whose rows alone the column moved, None
    where that is not certain.
    """

    name: str
    kind: str
    type_name: str
    is_prediction: bool
    request_level: bool
    status: Status
    grade: Grade
    baseline: SideSummary | None
    window: SideSummary | None
    p_value: float | None = None
    linf: float | None = None
    shift: float | None = None
    distances: dict[str, float] = {}
    detectable: float | None = None
    reason: str = ""
    sentence: str = ""
    since: str = ""
    bins: tuple[Bin, ...] = ()
    cdf: tuple[tuple[float, float, float], ...] = ()
    unseen: tuple[tuple[str, int], ...] = ()
    violations: tuple[Violation, ...] = ()
    event_ids: tuple[str, ...] = ()
    query: str = ""
    tests: tuple[tuple[str, float], ...] = ()
    group: str = ""
    condition: str = ""
    affected: int | None = None
    recent: tuple[Grade | None, ...] = ()
    recent_end: dt.datetime | None = None
    recent_unit: str = "hour"
    segment: tuple[str, str] | None = None


class Cause(msgspec.Struct, frozen=True):
    """Something that happened, with the columns that show it.

    `key` identifies the cause within endpoint and variant over time: `drift:weather`, `completeness:wind_gust`. `title` has at
    most 14 words; `sentence` gives number, unit and comparison; `tonight` and `tomorrow` say what to do. `slice` narrows the
    cause ("origin = LGA"). `since` is empty where unknown.
    """

    key: str
    kind: CauseKind
    grade: Grade
    urgency: Urgency
    title: str
    sentence: str
    columns: tuple[str, ...] = ()
    since: str = ""
    slice: str = ""
    event_ids: tuple[str, ...] = ()
    query: str = ""
    tonight: str = ""
    tomorrow: str = ""


class StoreHealth(msgspec.Struct, frozen=True):
    """One online feature store group: ages in seconds (None where no record has a time) and counts of missing ids.

    `baseline_missing` is the share of the baseline's events that miss an id of this group, None where the baseline has no
    lookups (training data).
    """

    group: str
    events: int
    age_median: float | None
    age_maximum: float | None
    baseline_age_median: float | None
    missing_ids: int
    events_with_missing: int
    baseline_missing: float | None = None


class DriftMethod(msgspec.Struct, frozen=True):
    """How the decision was made: which question was answered, by which unit, at which level, and what it promises.

    `floor` is the smallest L-infinity that counts as large enough, `shuffles` the number of permutations (0 where none were
    made), `budget` a sentence about the month's budget of false alarms, "" where no budget is kept. `p_rank` and `p_tail` are the
    p-values over all columns, by rank and extrapolated, of the window or of its most unusual hour or day; None where nothing was
    judged.
    `neighbours` is the correlation of neighbouring units.
    """

    question: str
    unit: str
    units_baseline: int
    units_window: int
    level: float
    promise: str
    one_sample: bool = False
    declined: str = ""
    floor: float = 0.02
    shuffles: int = 0
    budget: str = ""
    p_rank: float | None = None
    p_tail: float | None = None
    neighbours: float = 0.0


class RunResult(msgspec.Struct, frozen=True):
    """All that one run found about one window of one subject.

    `verdict` has at most 14 words, `lead` explains it, `action` says what to do ("It can wait until morning.") or is "".
    `ruled_out` are sentences of the form "Stale store: …". `checks_off` names the checks that the constraints switch off.
    `sampling_percentage` is the smallest that the rows state, None where they state none. Below `min_complete`, the share of the
    window's records that is there, a window that is not proved complete has no verdict.
    """

    subject: Subject
    start: dt.datetime
    end: dt.datetime
    created: dt.datetime
    outcome: Outcome
    verdict: str
    lead: str
    completeness: WindowCompleteness
    rows: int
    events: int
    columns: tuple[ColumnResult, ...]
    violations: tuple[Violation, ...]
    causes: tuple[Cause, ...]
    ruled_out: tuple[str, ...]
    stores: tuple[StoreHealth, ...] = ()
    method: DriftMethod | None = None
    baseline: str = ""
    baseline_rows: int = 0
    notes: tuple[str, ...] = ()
    source: str = ""
    version: int = RESULT_VERSION
    baseline_events: int = 0
    sampling_percentage: float | None = None
    checks_off: tuple[str, ...] = ()
    action: str = ""
    min_complete: float = 0.95


def encode(result: RunResult) -> bytes:
    """Returns the result as JSON."""
    return msgspec.json.format(msgspec.json.encode(result), indent=1)


def decode(data: bytes) -> RunResult:
    """Returns the result in `data`. Raises msgspec.ValidationError where it is not one."""
    return msgspec.json.decode(data, type=RunResult)
