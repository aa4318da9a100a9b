"""Retraining: `python -m examples.flights.retrain OUT`, started by the monitor with a manifest in its environment.

The manifest names captured rows whose labels are final (`RETRAINING_MANIFEST_URI`). They are added to the flights of January
to March, and the new artefact is built below OUT. It replaces nothing: `container replay` compares it before it serves.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pandas as pd

from examples.flights import data
from examples.flights.build import Artefact, build_artefact
from monitoring.quality.training_table import write_training_table


def retrain(manifest: str, directory: Path) -> Artefact:
    """Builds the artefact that is trained on January to March and on the rows of a manifest."""
    directory.mkdir(parents=True, exist_ok=True)
    table = directory / "captured_training.parquet"
    write_training_table([manifest], str(table))
    return build_artefact(directory, captured=captured_rows(table))


def captured_rows(table: Path) -> pd.DataFrame:
    """Returns the rows of a training table with the columns and types of `data.featured`."""
    rows = pd.read_parquet(table)
    rows["late"] = rows["label"].astype("float64") > 0.5
    types = {name: data.PANDAS_TYPES[kind] for name, kind in data.FEATURES.items()}
    return rows[[*data.FEATURES, "late"]].astype(types)


def main() -> int:
    """Runs from the environment that the monitor's starter sets."""
    retrain(os.environ["RETRAINING_MANIFEST_URI"], Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
