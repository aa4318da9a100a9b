"""Follow the Hugging Face custom-code samples: `inputs` taken out of the decoded dict, a list of labels with scores."""


def model_fn(model_dir):
    return {"love": ("POSITIVE", 0.99), "hate": ("NEGATIVE", 0.98)}


def predict_fn(data, model):
    sentences = data.pop("inputs", data)
    found = [next(value for word, value in model.items() if word in sentence) for sentence in sentences]
    return [{"label": label, "score": score} for label, score in found]
