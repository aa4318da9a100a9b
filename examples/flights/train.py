"""Training: scikit-learn's histogram gradient boosting on January to March, measured on days it did not see.

Text columns are categories to the model, numbered by their sorted values in the training set; a value that the training
set did not have counts as missing. The seed is fixed, so that the same data gives the same model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn brings it

from examples.flights import data

CATEGORICAL = [name for name, kind in data.FEATURES.items() if kind == "string"]
# Categories come first, which is how scikit-learn arranges columns inside and how its trees number them.
COLUMNS = CATEGORICAL + [name for name in data.FEATURES if name not in CATEGORICAL]


@dataclass(frozen=True)
class TrainedModel:
    """The classifier, the categories that it was trained with, and its ROC AUC on the held-out days."""

    classifier: HistGradientBoostingClassifier
    categories: dict[str, list[str]]
    rows: int
    held_out_auc: float

    def risk(self, features: pd.DataFrame) -> np.ndarray:
        """The probability of being late, float64 (n,), for rows with the columns of `data.FEATURES`."""
        return np.asarray(self.classifier.predict_proba(_matrix(features, self.categories))[:, 1])


def train(limit: int | None = None, trees: int = 120, captured: pd.DataFrame | None = None) -> TrainedModel:
    """Train on at most `limit` flights (all of them if None), spread evenly over the days, with `trees` rounds.

    `captured` are further rows with the columns of `data.featured`: what was captured, and its labels.
    """
    training = data.featured(data.training_rows(limit))
    if captured is not None:
        training = pd.concat([training, captured], ignore_index=True)
    held_out = data.featured(data.held_out_rows())
    classifier, categories = _fitted(training, trees)
    with threadpool_limits(1):
        risk = classifier.predict_proba(_matrix(held_out, categories))[:, 1]
    auc = float(roc_auc_score(held_out["late"].to_numpy(dtype=bool), risk))
    return TrainedModel(classifier, categories, len(training), auc)


def train_on(rows: pd.DataFrame, trees: int = 120) -> TrainedModel:
    """Train on these labelled rows of `data.flights()` alone. `held_out_auc` is NaN: which days are held out is the caller's."""
    training = data.featured(rows)
    return TrainedModel(*_fitted(training, trees), len(training), float("nan"))


def _fitted(training: pd.DataFrame, trees: int) -> tuple[HistGradientBoostingClassifier, dict[str, list[str]]]:
    """The classifier of these featured rows, and the categories that it knows."""
    categories = {name: sorted(training[name].dropna().unique().tolist()) for name in CATEGORICAL}
    classifier = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=0.08,
        max_leaf_nodes=31,
        max_depth=7,
        min_samples_leaf=40,
        l2_regularization=1.0,
        categorical_features=[name in CATEGORICAL for name in COLUMNS],
        early_stopping=False,
        random_state=20130101,
    )
    with threadpool_limits(1):  # on a busy machine OpenMP's threads wait for each other far longer than one alone takes
        classifier.fit(_matrix(training, categories), training["late"].to_numpy(dtype=bool))
    return classifier, categories


def _matrix(features: pd.DataFrame, categories: dict[str, list[str]]) -> np.ndarray:
    """Features as the classifier takes them: float64 (n, k), a category as its number, NaN for missing or unknown."""
    columns = []
    for name in COLUMNS:
        if name in categories:
            codes = pd.Index(categories[name], dtype="string").get_indexer(pd.Index(features[name]))
            columns.append(np.where(codes < 0, np.nan, codes))
        else:
            columns.append(features[name].to_numpy(dtype=np.float64, na_value=np.nan))
    return np.column_stack(columns)
