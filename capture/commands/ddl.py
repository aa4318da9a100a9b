"""`python -m capture ddl URI`: the Athena table over captured data.

The table's partitions are projected from the layout of the keys, so that nothing has to be registered when an hour
begins: `capture_endpoint` and `capture_variant` by the values found (or given by each query, with `--injected`), and
`capture_hour` as one date of the form `yyyy/MM/dd/HH`, which is how the keys spell it.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capture import dataset
from capture.commands.visible import visible
from capture.errors import CaptureError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from capture.reading.reader import Dataset, FoundObject

PARTITIONS = ("capture_endpoint", "capture_variant", "capture_hour")
_HOUR = "%Y/%m/%d/%H"
_HOUR_OF_ATHENA = "yyyy/MM/dd/HH"
_MAX_SCHEMAS = 500
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_HIVE = {
    "bool": "boolean", "int8": "tinyint", "int16": "smallint", "int32": "int", "int64": "bigint", "uint8": "smallint",
    "uint16": "int", "uint32": "bigint", "uint64": "bigint", "float": "float", "double": "double", "string": "string",
    "json": "string", "date32[day]": "date", "time64[us]": "bigint", "timestamp[us]": "timestamp",
    "timestamp[us, tz=UTC]": "timestamp", "duration[us]": "bigint",
}  # fmt: skip
_BODY = "struct<observedcontenttype:string,mode:string,data:string,encoding:string>"
_LINE_COLUMNS = {
    "capturedata": f"struct<endpointinput:{_BODY},endpointoutput:{_BODY}>",
    "eventmetadata": "struct<eventid:string,inferenceid:string,inferencetime:string,customattributes:array<string>>",
    "eventversion": "string",
    "capture": (
        "struct<event_time:string,item_index:int,item_count:int,model_name:string,model_version:string,"
        "sampling_percentage:double,ages:map<string,double>,missing:map<string,int>,request_columns:array<string>,"
        "rescued_data:string>"
    ),
}
_STORED = {
    "parquet": "STORED AS PARQUET",
    "jsonl": "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'\nSTORED AS TEXTFILE",
}


class TableError(CaptureError):
    """What lies below a URI is no one table."""


@dataclass(frozen=True, slots=True)
class AthenaTable:
    """All that the statement says: Hive types by column; the values of the partitions, `since` in the keys' own form.

    `endpoints` and `variants` are empty where every query is to name them (`injected`).
    """

    name: str
    columns: dict[str, str]
    format: str
    location: str
    endpoints: tuple[str, ...]
    variants: tuple[str, ...]
    since: str

    @property
    def template(self) -> str:
        """Where a partition lies, in the placeholders of Athena."""
        return "/".join((self.location.rstrip("/"), *(f"${{{name}}}" for name in PARTITIONS), ""))

    def statement(self) -> str:
        """The statement, as Athena takes it."""
        columns = ",\n".join(f"  {_quoted(name)} {kind}" for name, kind in self.columns.items())
        partitions = ",\n".join(f"  {_quoted(name)} string" for name in PARTITIONS)
        properties = ",\n".join(f"  '{name}' = '{_text(value)}'" for name, value in self._properties().items())
        return (
            f"CREATE EXTERNAL TABLE IF NOT EXISTS {'.'.join(map(_quoted, self.name.split('.')))} (\n{columns}\n)\n"
            f"PARTITIONED BY (\n{partitions}\n)\n"
            f"{_STORED[self.format]}\n"
            f"LOCATION '{_text(self.location.rstrip('/'))}/'\n"
            f"TBLPROPERTIES (\n{properties}\n);\n"
        )

    def _properties(self) -> dict[str, str]:
        found = {"projection.enabled": "true"}
        for name, values in zip(PARTITIONS, (self.endpoints, self.variants), strict=False):
            found[f"projection.{name}.type"] = "enum" if values else "injected"
            if values:
                found[f"projection.{name}.values"] = ",".join(values)
        hour = f"projection.{PARTITIONS[2]}"
        found |= {
            f"{hour}.type": "date",
            f"{hour}.format": _HOUR_OF_ATHENA,
            f"{hour}.range": f"{self.since},NOW",
            f"{hour}.interval": "1",
            f"{hour}.interval.unit": "HOURS",
            "storage.location.template": self.template,
        }
        return found


def table_of(
    captured: Dataset,
    name: str | None = None,
    location: str | None = None,
    endpoint: str | None = None,
    variant: str | None = None,
    injected: bool = False,
) -> tuple[AthenaTable, list[str]]:
    """The table over what is captured, and a line for each column whose type is not the same everywhere.

    Types come from the newest 500 objects. Raises TableError where there is no object, where there are objects of both formats,
    and where a name cannot be a partition's value.
    """
    found = sorted(captured.objects(endpoint=endpoint, variant=variant), key=lambda entry: entry.key.hour)
    if not found:
        raise TableError(f"there is no captured object under {captured.uri}: the table's columns are those of the data")
    formats = {entry.key.format for entry in found}
    if len(formats) > 1:
        raise TableError(
            f"{captured.uri} holds Parquet and JSON Lines, which are no one table: narrow it by --endpoint or --variant"
        )
    form = formats.pop()
    columns, warnings = dict(_LINE_COLUMNS), list[str]()
    if form == "parquet":
        columns, warnings = _columns(captured, found[-_MAX_SCHEMAS:])
    endpoints = sorted({entry.key.endpoint for entry in found})
    variants = sorted({entry.key.variant for entry in found})
    if not injected:
        _check_values([*endpoints, *variants])
    table = AthenaTable(
        name or f"{re.sub('[^a-z0-9]', '_', endpoints[0].lower())}_captured",
        columns,
        form,
        location or captured.uri,
        () if injected else tuple(endpoints),
        () if injected else tuple(variants),
        f"{dataset.to_datetime(found[0].key.hour):{_HOUR}}",
    )
    return table, warnings


def _check_values(names: Iterable[str]) -> None:
    """Refuses names of endpoints and variants that the list of a partition's values cannot hold. Raises TableError."""
    for name in names:
        if "," in name or not name.isprintable():
            raise TableError(
                f"{name!r} cannot be a value of a partition: it has a comma or a character that is not printable; narrow "
                "the table by --endpoint or --variant, or give --injected"
            )


def _columns(captured: Dataset, found: Sequence[FoundObject]) -> tuple[dict[str, str], list[str]]:
    """Hive types by column over the objects' schemas, and what to say of those that differ."""
    types: dict[str, Counter[str]] = {}
    names: dict[str, str] = {}
    for schema in captured.schemas(entry.key for entry in found):
        for field in schema:
            kind = dataset.column_type(str(field.type)) or "string"
            name = names.setdefault(field.name.lower(), field.name)  # Athena knows no case
            types.setdefault(name, Counter())[kind] += 1
    hidden = [name for name in types if not name.isprintable()]
    for name in hidden:
        del types[name]
    last = types.pop(dataset.RESCUED_DATA, None)
    if last is not None:
        types[dataset.RESCUED_DATA] = last
    warnings = [
        f"column {name} is {' and '.join(f'{kind} in {count} objects' for kind, count in kinds.most_common())}: "
        f"the table says {hive_type(_chosen(kinds))}, and Athena cannot read it in the others; give it a type in [types]"
        for name, kinds in types.items()
        if len({hive_type(kind) for kind in kinds}) > 1
    ]
    warnings += [f"column {name} is left out: its name has characters that are not printable" for name in hidden]
    return {name: hive_type(_chosen(kinds)) for name, kinds in types.items()}, warnings


def _chosen(kinds: Counter[str]) -> str:
    return max(kinds, key=lambda kind: (kinds[kind], kind))


def hive_type(kind: str) -> str:
    """The Hive type for a type that `dataset.column_type` gave; times of day and durations are microseconds."""
    if found := re.fullmatch(r"list<(.+)>", kind):
        return f"array<{hive_type(found[1])}>"
    if found := re.fullmatch(r"decimal128\((\d+), (\d+)\)", kind):
        return f"decimal({found[1]},{found[2]})"
    return _HIVE[kind]


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("uri", metavar="URI", help="s3://bucket/prefix, file:///directory, or a directory's path")
    parser.add_argument("--table", metavar="NAME", help="table, or database.table (default: {endpoint}_captured)")
    parser.add_argument("--location", metavar="S3_URI", help="where Athena finds the data, if not at URI")
    parser.add_argument("--endpoint", help="only this endpoint")
    parser.add_argument("--variant", help="only this variant")
    parser.add_argument(
        "--injected",
        action="store_true",
        help="every query names endpoint and variant, so that new ones need no new table",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the statement, and on stderr what a person should know; raises CaptureError where there is none."""
    from capture.reading.reader import Dataset

    if args.table is not None and not all(map(_LABEL.fullmatch, args.table.split("."))):
        raise TableError(f"--table={args.table!r} is no name: letters, digits and '_', with a database before a '.'")
    table, warnings = table_of(Dataset(args.uri), args.table, args.location, args.endpoint, args.variant, args.injected)
    if not table.location.startswith("s3://"):
        warnings.append(f"Athena reads from S3 only, and this is {table.location}: give --location s3://bucket/prefix")
    _warn(warnings)
    sys.stdout.write(table.statement())
    return 0


def _warn(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stderr.write(f"capture ddl: {visible(line)}\n")
