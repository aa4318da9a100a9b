"""A progress bar on stderr, only where stderr is a terminal and the work takes over two seconds."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 2.0


@contextmanager
def progress_bar(total: int | None, what: str) -> Iterator[Callable[[], None]]:
    """Yields a function that counts one step. `total` is None where the number of steps is unknown."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    begun = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, visible=False)

        def advance() -> None:
            bar.update(task, advance=1, visible=time.monotonic() - begun > PATIENCE)

        yield advance
