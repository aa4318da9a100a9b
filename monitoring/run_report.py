"""The report of a run, as users of Python hold it: the result, as a table, as a page, in a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitoring.errors import UsageError
from monitoring.result import ColumnResult, Outcome, RunResult, Status, Violation, decode, encode

if TYPE_CHECKING:
    import pandas as pd

_PAGES = (".html", ".htm")


class Report:
    """What one run found.

    `result` is the typed result; `violations` the violated constraints; `outcome` what the run says of the window. `str` gives
    the table of the command line, a notebook shows the verdict and the table.
    """

    def __init__(self, result: RunResult) -> None:
        self.result = result

    @property
    def outcome(self) -> Outcome:
        """What the run says of its window."""
        return self.result.outcome

    @property
    def verdict(self) -> str:
        """The verdict, one sentence."""
        return self.result.verdict

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The violated constraints, predictions first."""
        return self.result.violations

    @property
    def columns(self) -> dict[str, ColumnResult]:
        """The columns by name."""
        return {column.name: column for column in self.result.columns}

    @property
    def drifted(self) -> tuple[str, ...]:
        """The names of the columns that drifted."""
        return tuple(column.name for column in self.result.columns if column.status is Status.DRIFT)

    def to_frame(self) -> pd.DataFrame:
        """Returns a row for each column. Needs pandas.

        Columns: `column`, `status`, `grade`, `p_value`, `linf`, `shift`, `psi`, `jensen_shannon`, `missing_baseline`,
        `missing_window`, `mean_baseline`, `mean_window`, `detectable`, `violations`, `sentence`.
        """
        import pandas as pd

        return pd.DataFrame([_row(column) for column in self.result.columns])

    def to_json(self) -> str:
        """Returns the result as JSON."""
        return encode(self.result).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Report:
        """Returns the report of a `result.json`. Raises UsageError where `text` is none."""
        import msgspec

        try:
            return cls(decode(text if isinstance(text, bytes) else text.encode()))
        except msgspec.DecodeError as error:
            raise UsageError(f"this is not the result of a run: {error}") from error

    def save(self, path: str | Path) -> Path:
        """Writes the page (`.html`) or the result (`.json`) and returns its path. Raises UsageError for another name."""
        path = Path(path)
        if path.suffix.lower() in _PAGES:
            from monitoring.report.page import render

            text = render(self.result)
        elif path.suffix.lower() == ".json":
            text = self.to_json()
        else:
            raise UsageError(f"{path} is neither .html nor .json: the name says what is written")
        path.write_text(text, encoding="utf-8")
        return path

    def __str__(self) -> str:
        from monitoring.report.terminal import render

        return render(self.result, 100)

    def _repr_html_(self) -> str:
        from monitoring.report.notebook import render

        return render(self.result)

    def __repr__(self) -> str:
        return f"<Report {self.outcome}: {self.verdict}>"


def _row(column: ColumnResult) -> dict[str, Any]:
    baseline, window = column.baseline, column.window
    return {
        "column": column.name,
        "status": str(column.status),
        "grade": str(column.grade),
        "p_value": column.p_value,
        "linf": column.linf,
        "shift": column.shift,
        "psi": column.distances.get("psi"),
        "jensen_shannon": column.distances.get("jensen_shannon"),
        "missing_baseline": None if baseline is None else 1 - baseline.completeness,
        "missing_window": None if window is None else 1 - window.completeness,
        "mean_baseline": None if baseline is None else baseline.mean,
        "mean_window": None if window is None else window.mean,
        "detectable": column.detectable,
        "violations": len(column.violations),
        "sentence": column.sentence,
    }
