"""Follow the scikit-learn nearest-neighbour samples: `model_fn` and `predict_fn`, the rest by default."""

import numpy as np
from sklearn.neighbors import NearestNeighbors


def model_fn(model_dir):
    return NearestNeighbors(n_neighbors=2).fit(np.array([[0.0, 0.0], [1.0, 1.0], [9.0, 9.0]]))


def predict_fn(input_data, model):
    _, neighbours = model.kneighbors(input_data.reshape(1, -1))
    return neighbours
