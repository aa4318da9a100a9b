"""The module that Multi Model Server loads in a worker: one function, called with None first, then with requests.

When a worker ends, Multi Model Server deletes every global of this module; so nothing lives here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from container.worker.service import Service

service: Service


def handle(data: Sequence[Mapping[str, Any]] | None, context: Any) -> list[bytes]:
    """Load the model (`data` is None), or answer a request."""
    global service
    if data is None:
        service = Service.start(context)
        return []
    return service.handle(data, context)
