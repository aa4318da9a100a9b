"""Follow the MLflow-on-SageMaker samples: the toolkit's own decoder and encoder, called by the handler."""

from sagemaker_inference import decoder, encoder


def model_fn(model_dir):
    return 10


def input_fn(input_data, content_type):
    return decoder.decode(input_data, content_type=content_type)


def predict_fn(input_data, model):
    return (input_data * model).sum(axis=1)


def output_fn(prediction, accept):
    return encoder.encode(prediction, accept)
