"""How much one body may cost. Frozen: a codec reads its limits once, and they do not change.

No body of `max_bytes` takes a worker more than 2 seconds or 400 MB (`benchmarks/amplification.py`). Bytes alone do not
give that: two bytes of JSON or protobuf are an object of some hundred bytes in Python, and a compressed byte may stand for
thousands. So values, objects and expanded bytes are counted too, before memory is taken for them.
"""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one request body. All are counts of at least 1; ValueError names the one that is not.

    max_bytes: bytes of the body as it arrives; SageMaker's own limit for a real-time endpoint.
    max_depth: levels of nesting: objects and arrays in JSON, messages in protobuf, lists and structs in Arrow.
    max_items: values in all: elements and members in JSON, cells of a table, fields of repeated messages.
    max_objects: values that are objects of some hundred bytes each: objects and arrays in JSON, rows of CSV with text,
        messages and unknown fields in protobuf, records and tensors in RecordIO. Text cells may be four times as many.
    max_columns: columns of a table with names.
    max_expanded_bytes: bytes after decompression (Arrow, Parquet) or densification (sparse tensors).
    """

    max_bytes: int = 6_291_456
    max_depth: int = 64
    max_items: int = 4_000_000
    max_objects: int = 500_000
    max_columns: int = 10_000
    max_expanded_bytes: int = 67_108_864

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{field.name} is {value!r}; it must be an integer of at least 1")
