"""The flights model as a team would write it for the toolkit: protobuf decoded by `input_fn`, look-ups in `predict_fn`.

The benchmark copies this file into an artefact as its `inference.py`, beside the flights example's own `inference.py`
under the name `flights_model.py`: features and prediction are that file's functions, so the work is the same.
"""

# mypy: ignore-errors

import json
from pathlib import Path

from flights_model import features_fn
from flights_model import model_fn as load_model
from flights_model import predict_fn as predict
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from container.feature_stores.sqlite import SqliteStore

CODE = Path(__file__).parent
POOL = descriptor_pool.DescriptorPool()
for file in descriptor_pb2.FileDescriptorSet.FromString((CODE / "flights.desc").read_bytes()).file:
    POOL.Add(file)
Request = message_factory.GetMessageClass(POOL.FindMessageTypeByName("flights.DeparturesRequest"))
Response = message_factory.GetMessageClass(POOL.FindMessageTypeByName("flights.DeparturesResponse"))


def model_fn(model_dir):
    return load_model(model_dir), SqliteStore(CODE / "store.db", 0.5)


def input_fn(data, content_type):
    if content_type.startswith("application/json"):
        return json.loads(data)
    message = Request.FromString(bytes(data))
    return {
        "airport": message.airport,
        "hour": message.hour,
        "flights": [
            {
                "carrier": flight.carrier,
                "flight": flight.flight,
                "tailnum": flight.tailnum if flight.HasField("tailnum") else None,
                "dest": flight.dest,
                "distance": flight.distance,
                "minute": flight.minute,
                "sched_arr_minute": flight.sched_arr_minute,
            }
            for flight in message.flights
        ],
    }


def predict_fn(request, loaded):
    model, store = loaded
    return predict(features_fn(request, store), model)


def output_fn(prediction, accept):
    if accept.startswith("application/json"):
        return json.dumps(prediction)
    return Response(predictions=prediction).SerializeToString()
