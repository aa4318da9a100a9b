"""What a service takes as a name: lengths and letters of CloudWatch's metrics and dimensions."""

from __future__ import annotations

import hashlib

MAX_METRIC_NAME = 255
MAX_DIMENSION = 1_024
_HASH = 10


def metric_name(template: str, name: str) -> str:
    """Returns CloudWatch's name of a metric: at most 255 characters of printable ASCII, unique for `name`.

    A name that does not fit, or that has other letters, ends with a digest of the whole name.
    """
    cleaned = "".join(letter if " " <= letter <= "~" else "_" for letter in name)
    full = template.replace("{name}", cleaned)
    if cleaned == name and len(full) <= MAX_METRIC_NAME:
        return full
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_HASH // 2).hexdigest()
    return f"{full[: MAX_METRIC_NAME - _HASH - 1]}~{digest}"


def dimension(value: str) -> str:
    """Returns a dimension's value: ASCII without control characters, not blank, at most 1,024 characters."""
    cleaned = "".join(letter if " " <= letter <= "~" else "?" for letter in value)[:MAX_DIMENSION]
    return cleaned if cleaned.strip() else "unknown"
