"""What the columns of a file mean: which name events, items and times, and what the file says of its features."""

from __future__ import annotations

from dataclasses import dataclass, field

from capture import dataset

_PANDAS_INDEX = "__index_level_"
"""How pandas names an index without a name, which it writes for a table that was filtered."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that are not features. A name that is empty stands for no such column.

    Without `event_id` each row is an event of its own. Without `item_index` the first row of an event is the one that comes
    first, and equal rows are different rows. `unit` names the column whose values are units; it stays a feature. `ignored`
    are further columns that are not features; `health_prefixes` begin the names of columns of store health.
    """

    event_id: str = ""
    item_index: str = ""
    item_count: str = ""
    time: str = ""
    model_name: str = ""
    model_version: str = ""
    sampling_percentage: str = ""
    rescued: str = ""
    age_prefix: str = ""
    missing_prefix: str = ""
    unit: str = ""
    ignored: tuple[str, ...] = ()

    def is_feature(self, name: str) -> bool:
        """Returns True for a column that is monitored. An index that pandas wrote into Parquet is not."""
        if name.startswith(_PANDAS_INDEX):
            return False
        if self.age_prefix and name.startswith((self.age_prefix, self.missing_prefix)):
            return False
        own = (self.event_id, self.item_index, self.item_count, self.time, self.model_name, self.model_version)
        return name not in (*own, self.sampling_percentage, self.rescued, *self.ignored)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What one file's metadata says of its columns, by name. `renamed` gives a feature's own name by column."""

    request: frozenset[str] = frozenset()
    predictions: frozenset[str] = frozenset()
    hashed: frozenset[str] = frozenset()
    json: frozenset[str] = frozenset()
    renamed: dict[str, str] = field(default_factory=dict)


def captured_layout(unit: str = "") -> Layout:
    """Returns the layout of captured data (docs/dataset.md)."""
    return Layout(
        event_id=dataset.EVENT_ID,
        item_index=dataset.ITEM_INDEX,
        item_count=dataset.ITEM_COUNT,
        time=dataset.EVENT_TIME,
        model_name=dataset.MODEL_NAME,
        model_version=dataset.MODEL_VERSION,
        sampling_percentage=dataset.SAMPLING_PERCENTAGE,
        rescued=dataset.RESCUED_DATA,
        age_prefix=dataset.AGE_PREFIX,
        missing_prefix=dataset.MISSING_PREFIX,
        unit=unit,
        ignored=(dataset.INFERENCE_ID, dataset.CUSTOM_ATTRIBUTES, dataset.ENDPOINT_NAME, dataset.VARIANT_NAME),
    )
