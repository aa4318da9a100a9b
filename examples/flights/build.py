"""The flights model as an artefact in SageMaker's layout, unpacked for serving here and packed as `model.tar.gz`.

    BASE/model/model.npz                the trees
    BASE/model/code/inference.py        the user's file, with trees.py beside it
    BASE/model/code/flights.desc        the protobuf schema, compiled
    BASE/model/code/store.db            weather and planes
    BASE/model/code/capture.toml        the model's name and its columns' types
    BASE/model.tar.gz                   the content of BASE/model, byte for byte the same for the same inputs
    BASE/training.parquet               the training set
    BASE/baseline.parquet               the same flights as requests, with the model's predictions, for a baseline
    BASE/held_out.parquet               flights that the model did not see, for the baseline of its quality

`BASE` is what `SAGEMAKER_BASE_DIR` names (`/opt/ml` in an image).
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from examples.flights import data, schema
from examples.flights.export import write_model
from examples.flights.reference import write_reference
from examples.flights.store import write_store
from examples.flights.train import train

MODEL_NAME = "flights-delay"
_SOURCES = Path(__file__).parent / "artefact" / "code"


@dataclass(frozen=True)
class Artefact:
    """What was built, and how to serve it."""

    base_dir: Path
    model_dir: Path
    archive: Path
    training_set: Path
    baseline_data: Path
    held_out_data: Path
    training_rows: int
    held_out_auc: float
    request_message: str = schema.REQUEST
    response_message: str = schema.RESPONSE

    @property
    def code_dir(self) -> Path:
        return self.model_dir / "code"

    @property
    def environment(self) -> dict[str, str]:
        """What the endpoint's environment must say to serve this artefact; capture is off unless the caller adds it."""
        return {
            "SAGEMAKER_BASE_DIR": str(self.base_dir),
            "FEATURE_STORE_URI": "sqlite:store.db",
            "PROTOBUF_DESCRIPTOR_SET": "flights.desc",
            "PROTOBUF_REQUEST": self.request_message,
            "PROTOBUF_RESPONSE": self.response_message,
        }


def build_artefact(
    directory: Path, *, training_rows: int | None = None, trees: int = 120, captured: pd.DataFrame | None = None
) -> Artefact:
    """Train and build everything under `directory`, which becomes `base_dir`.

    `captured` are further rows to train on, with the columns of `data.featured`.

    `training_rows=5000, trees=20` is for tests that need a model rather than a good one.
    """
    model_dir = directory / "model"
    code_dir = model_dir / "code"
    shutil.rmtree(model_dir, ignore_errors=True)
    shutil.copytree(_SOURCES, code_dir, ignore=shutil.ignore_patterns("__pycache__"))
    model = train(training_rows, trees, captured)
    write_model(model, model_dir / "model.npz")
    write_store(code_dir / "store.db")
    (code_dir / "flights.desc").write_bytes(schema.descriptor_set())
    (code_dir / "capture.toml").write_text(_capture_toml(), encoding="utf-8")
    archive = directory / "model.tar.gz"
    _pack(model_dir, archive)
    training_set = directory / "training.parquet"
    seen = data.training_rows(training_rows)
    baseline_data, held_out_data = directory / "baseline.parquet", directory / "held_out.parquet"
    write_reference(model, seen, baseline_data)
    write_reference(model, data.held_out_rows(), held_out_data)
    rows = data.featured(seen)
    pq.write_table(pa.Table.from_pandas(rows, schema=data.arrow_schema(), preserve_index=False), training_set)
    return Artefact(
        base_dir=directory,
        model_dir=model_dir,
        archive=archive,
        training_set=training_set,
        baseline_data=baseline_data,
        held_out_data=held_out_data,
        training_rows=model.rows,
        held_out_auc=model.held_out_auc,
    )


def opened(directory: Path) -> Artefact:
    """Returns the artefact that another process built under `directory`."""
    return Artefact(
        base_dir=directory,
        model_dir=directory / "model",
        archive=directory / "model.tar.gz",
        training_set=directory / "training.parquet",
        baseline_data=directory / "baseline.parquet",
        held_out_data=directory / "held_out.parquet",
        training_rows=pq.read_metadata(directory / "training.parquet").num_rows,
        held_out_auc=float("nan"),
    )


def _capture_toml() -> str:
    types = "".join(f'{name} = "{kind}"\n' for name, kind in data.FEATURES.items())
    return f"""# Capture settings that belong to the model; the endpoint's environment wins over them.
model_name = "{MODEL_NAME}"

# The training set's columns, in Arrow's names for types.
[types]
{types}prediction_risk = "float32"
prediction_rank = "int64"
"""


def _pack(model_dir: Path, archive: Path) -> None:
    """Sorted, without times and owners, so that equal content gives an equal archive."""

    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o755 if entry.isdir() else 0o644
        return entry

    with (
        archive.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for path in sorted(model_dir.rglob("*")):
            tar.add(path, path.relative_to(model_dir).as_posix(), recursive=False, filter=anonymous)
