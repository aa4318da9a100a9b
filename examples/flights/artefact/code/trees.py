"""Gradient-boosted trees as arrays: loads without pickle, scores with NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

UNKNOWN = 255


class Trees:
    """A binary classifier over named features; text features are categories, missing and unknown values are allowed."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.columns: list[str] = arrays["columns"].tolist()
        self._codes = {
            name: {value: code for code, value in enumerate(arrays[f"categories_{name}"].tolist())}
            for name in self.columns
            if f"categories_{name}" in arrays
        }
        self._depth = int(arrays["depth"][0])
        self._baseline = float(arrays["baseline"][0])
        self._roots = arrays["roots"]
        self._feature = arrays["feature"]
        self._threshold = arrays["threshold"]
        self._left = arrays["left"]
        self._right = arrays["right"]
        self._missing_left = arrays["missing_left"]
        self._value = arrays["value"]
        self._category_set = arrays["category_set"]
        self._category_sets = arrays["category_sets"]

    @classmethod
    def load(cls, path: Path) -> Trees:
        with np.load(path, allow_pickle=False) as arrays:
            return cls(dict(arrays))

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """The probability of the positive class for each row, float64 (n,)."""
        numbers, categories = self._encode(rows)
        row = np.arange(len(rows))[:, None]
        node = np.repeat(self._roots[None, :], len(rows), axis=0)
        for _ in range(self._depth):  # a leaf's children are itself
            feature = self._feature[node]
            number = numbers[row, feature]
            in_set = self._category_sets[self._category_set[node], categories[row, feature]]
            left = in_set | (number <= self._threshold[node]) | (np.isnan(number) & self._missing_left[node])
            node = np.where(left, self._left[node], self._right[node])
        score = self._baseline + self._value[node].sum(axis=1)
        risk: np.ndarray = 1.0 / (1.0 + np.exp(-score))
        return risk

    def _encode(self, rows: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (n, k), NaN where missing, and category codes (n, k): each is neutral where the other decides."""
        numbers = np.full((len(rows), len(self.columns)), np.inf)
        categories = np.zeros((len(rows), len(self.columns)), dtype=np.intp)
        for index, name in enumerate(self.columns):
            codes = self._codes.get(name)
            if codes is None:
                numbers[:, index] = [np.nan if row.get(name) is None else row[name] for row in rows]
            else:
                categories[:, index] = [codes.get(row.get(name), UNKNOWN) for row in rows]
        return numbers, categories
