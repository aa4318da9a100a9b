"""A trained model as plain arrays, for the `trees.py` of the artefact.

Why not joblib: a pickle runs code when it is loaded, works only with the scikit-learn that wrote it, and would bring
scikit-learn and its threads into every worker. The trees are a table of nodes; as arrays they load in milliseconds, and
NumPy, which the serving image has, scores them. scikit-learn keeps these nodes in private attributes, so a test
holds the scores against `predict_proba`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from examples.flights.train import COLUMNS, TrainedModel

UNKNOWN = 255  # the number of a category that is missing or was not in the training set; scikit-learn has at most 255


def write_model(model: TrainedModel, path: Path) -> None:
    """Write `path` (.npz): arrays over all nodes of all trees, as `trees.py` reads them."""
    classifier = model.classifier
    trees = [predictor for [predictor] in classifier._predictors]
    nodes = np.concatenate([tree.nodes for tree in trees])
    sizes = np.array([len(tree.nodes) for tree in trees])
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    offset = np.repeat(roots, sizes)
    here = np.arange(len(nodes))
    leaf = nodes["is_leaf"].astype(bool)
    categorical = nodes["is_categorical"].astype(bool) & ~leaf

    # The categories that go left at a categorical node, one row of membership for each such node; row 0 is for others.
    bitsets = np.concatenate([tree.raw_left_cat_bitsets for tree in trees])
    members = (bitsets[:, np.arange(256) // 32] >> (np.arange(256) % 32).astype(np.uint32)) & 1
    members[:, UNKNOWN] = nodes["missing_go_to_left"][categorical]
    category_set = np.zeros(len(nodes), dtype=np.int32)
    category_set[categorical] = 1 + np.arange(categorical.sum())

    arrays = {
        "columns": np.array(COLUMNS),
        "baseline": np.asarray(classifier._baseline_prediction, dtype=np.float64).ravel(),
        "depth": np.array([max(int(tree.nodes["depth"].max()) for tree in trees)]),
        "roots": roots,
        "feature": np.where(leaf, 0, nodes["feature_idx"]),
        "threshold": np.where(categorical, -np.inf, nodes["num_threshold"]),
        "left": np.where(leaf, here, nodes["left"] + offset),
        "right": np.where(leaf, here, nodes["right"] + offset),
        "missing_left": nodes["missing_go_to_left"].astype(bool),
        "value": np.where(leaf, nodes["value"], 0.0),
        "category_set": category_set,
        "category_sets": np.vstack([np.zeros((1, 256)), members]).astype(bool),
    }
    arrays |= {f"categories_{name}": np.array(values) for name, values in model.categories.items()}
    np.savez_compressed(path, allow_pickle=False, **arrays)
