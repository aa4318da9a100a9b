"""Follow the PyTorch MNIST sample: a JSON image, a module in eval mode, the scores as JSON with their type."""

import json
import logging
import sys

import numpy as np

logger = logging.getLogger(__name__)
logger.addHandler(logging.StreamHandler(sys.stdout))


class Net:
    """Stand in for a `torch.nn.Module`."""

    def eval(self):
        return self

    def __call__(self, images):
        return np.stack([images.sum(axis=(1, 2)), images.max(axis=(1, 2))], axis=1)


def model_fn(model_dir):
    return Net().eval()


def input_fn(request_body, request_content_type):
    assert request_content_type == "application/json"
    return np.array(json.loads(request_body)["inputs"], dtype=np.float32)


def predict_fn(input_object, model):
    logger.info("predicting %s", input_object.shape)
    return model(input_object)


def output_fn(predictions, response_content_type):
    assert response_content_type == "application/json"
    return json.dumps(predictions.tolist()), response_content_type
