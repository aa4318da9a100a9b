"""The fragment id of a column: a link to `report.html#temp` opens the column `temp`.

An id may hold no space, and the ids of the page itself begin with "s-". So names are percent-encoded, "s-" too where a name
begins with it, and a very long name ends with a digest.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

MAX_LENGTH = 200


def anchor(name: str) -> str:
    """Returns the fragment id of a column, which is also its fragment in a link."""
    encoded = quote(name.encode("utf-8", "surrogatepass"), safe="")
    if encoded.startswith("s-"):
        encoded = "%73-" + encoded[2:]
    if len(encoded) <= MAX_LENGTH:
        return encoded
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{encoded[:60].rsplit('%', 1)[0]}-{digest}"
