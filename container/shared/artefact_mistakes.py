"""Finds likely mistakes in a model artefact that stop nothing. Each is one line for the log.

`Artefact.check` refuses what cannot be served, or what would be ignored at the cost of privacy. Here is the rest.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from container.shared.artefact import Artefact

_DEPENDENCIES = frozenset(("boto3", "botocore", "google", "msgspec", "numpy", "prometheus_client", "pyarrow"))
_HARMLESS = frozenset(("antigravity", "idlelib", "test", "this", "turtledemo"))
_IMPORTED = (sys.stdlib_module_names | _DEPENDENCIES) - _HARMLESS
"""Modules that the endpoint, or a package of the user's, may import by a name that a file of the artefact takes."""
_IN_CODE = ("requirements.txt",)


def likely_mistakes(artefact: Artefact) -> Iterator[str]:
    """Yields a line for each file that is ignored where it lies, and for each module that hides another one."""
    for name in _IN_CODE:
        path = artefact.directory / name
        if path.is_file() and not (artefact.code / name).exists():
            yield f"{path} does nothing there: move it to {artefact.code / name}"
    for place in (artefact.code, artefact.directory):
        for path in sorted(place.glob("*")):
            module = _module(path)
            if module in _IMPORTED:
                yield f"{path} is imported instead of the module {module} that Python or the endpoint has: rename it"


def _module(path: Path) -> str | None:
    """Returns the name by which Python imports a file or folder, None where it imports none."""
    if path.suffix == ".py":
        return path.stem
    return path.name if (path / "__init__.py").is_file() else None
