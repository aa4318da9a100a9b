"""Bytes for a prediction on the flights traffic: ours in both formats, and the managed service's for the same requests.

July's 1,664 requests go through the stages of the endpoint (`container.worker.pipeline`) in this process, and what
`CaptureBuffer` wrote into its spool is encoded as the shipper encodes it. The requests are spread over 300 s, the age
at which a flush is due by default, so that ids and times are what they would be.

The managed service is written as its documentation shows it: one line for a request, `captureData` with both bodies and
`eventMetadata`. It keeps the bodies, so it has no weather and no plane, and its request names each flight by fields.
Beside it stands what it would keep if callers sent every feature themselves, which is what ours keeps, and what it would
keep of an endpoint that writes a float's fewest digits, 0.061572786, where ours, as JSON from Python does, writes the
digits of a double, 0.061572786420583725. The goal, 1/15, is against its plain JSON of the very requests and answers; the
other ratios are printed beside it.

    python -m benchmarks.size [--requests N]

writes benchmarks/results/size.json and size.md.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import io
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow.parquet as pq

from benchmarks.machine import machine, write_results
from benchmarks.tables import markdown
from capture import CaptureBuffer, CaptureConfig
from capture.encoding import encode_objects
from capture.encoding.block_rows import items_of, unfold
from capture.event_id import event_id_bytes, event_id_text
from capture.journal.segment import SegmentReader
from capture.record import Event, Header
from container.feature_stores.recording import FailurePolicy
from container.feature_stores.sqlite import SqliteStore
from container.shared.artefact import Artefact
from container.shared.headers import INFERENCE_ID, RequestHeaders
from container.worker import user_module
from container.worker.pipeline import Pipeline, Request
from examples.flights import schema, traffic
from examples.flights.build import build_artefact
from examples.flights.replay import ACCEPT
from serialization import Codecs, ProtobufSchema

BEGIN = 1_767_261_600_000_000
"""2026-01-01 10:00 UTC, in microseconds: all requests fall into one hour."""
FLUSH = 300_000_000
BATCHES = (100, 10, 1)
GOAL = 15
PLAIN_JSON = "managed, plain JSON"
MIN_DIGITS = "managed, plain JSON, a float's fewest digits in the answer"
EVERY_FEATURE = "managed, plain JSON with every feature in the request"


class Exchange(NamedTuple):
    """A request as it came in and its answer as it went out."""

    event_id: str
    inference_id: str
    content_type: str
    request: bytes
    accept: str
    response: bytes


class _Context:
    """What the stages ask of Multi Model Server's context."""

    def get_response_status(self, index: int) -> tuple[int, str]:
        return 200, "OK"


def _pipeline(model_dir: Path, buffer: CaptureBuffer | None) -> Pipeline:
    artefact = Artefact(model_dir)
    functions = user_module.load(artefact, "inference")
    protobuf = ProtobufSchema.load(artefact.find("flights.desc"), schema.REQUEST, schema.RESPONSE)
    return Pipeline(
        functions=functions,
        model=functions.model_fn(str(model_dir), None),
        codecs=Codecs(protobuf),
        default_accept="application/json",
        max_payload=6_291_456,
        store=SqliteStore(artefact.code / "store.db", 5),
        policy=FailurePolicy(5, fail_open=False),
        buffer=buffer,
    )


def _send(pipeline: Pipeline, requests: Sequence[traffic.Request], content_type: str, accept: str) -> list[Exchange]:
    """The requests through the stages, in time order over `FLUSH`."""
    exchanges = []
    gap = FLUSH // len(requests)
    for number, request in enumerate(requests):
        event_id = event_id_text(event_id_bytes(BEGIN + number * gap))
        body = request.body if "protobuf" in content_type else msgspec.json.encode(request.payload)
        headers = {"Content-Type": content_type, "Accept": accept, INFERENCE_ID: request.inference_id}
        answer = pipeline.answer(Request(event_id, body, RequestHeaders(headers), _Context()))
        assert answer.status == 200, answer.body
        exchanges.append(Exchange(event_id, request.inference_id, content_type, body, accept, answer.body))
    return exchanges


def _events(spool: Path) -> tuple[Header, list[Event]]:
    """What the buffer wrote, in time order, and the header of its segments."""
    events, header = [], None
    for path in sorted((spool / "segments").iterdir()):
        reader = SegmentReader(path)
        header = reader.header
        for number, (at, _, head) in enumerate(reader.frames(0, reader.committed[1])):
            events.append(reader.event(at, head, number))
    assert header is not None
    return header, sorted(events, key=lambda event: event.event_time)


def _objects(header: Header, form: str, events: Sequence[Event], each: int) -> list[bytes]:
    """The objects of the events, so many events in one flush."""
    header = msgspec.structs.replace(header, format=form)
    bodies = []
    for first in range(0, len(events), each):
        bodies += [made.body for made in encode_objects(header, f"b{first:06}", events[first : first + each])]
    return bodies


def managed_line(exchange: Exchange, encoding: str) -> bytes:
    """One request as Data Capture writes it; `encoding` is BASE64 or JSON, as its content types are configured."""

    def end(mode: str, media_type: str, body: bytes) -> dict[str, str]:
        data = base64.b64encode(body) if encoding == "BASE64" else body
        return {"observedContentType": media_type, "mode": mode, "data": data.decode(), "encoding": encoding}

    line = {
        "captureData": {
            "endpointInput": end("INPUT", exchange.content_type, exchange.request),
            "endpointOutput": end("OUTPUT", exchange.accept, exchange.response),
        },
        "eventMetadata": {
            "eventId": exchange.event_id,
            "inferenceId": exchange.inference_id,
            "inferenceTime": "2026-01-01T10:00:00Z",
        },
        "eventVersion": "0",
    }
    return msgspec.json.encode(line) + b"\n"


def _with_features(exchange: Exchange, event: Event) -> Exchange:
    """The same exchange, had the caller sent every feature in its JSON."""
    request = _plain(event.request)[0] if event.request is not None else {}
    body = {**request, "flights": _plain(items_of(event))}
    return exchange._replace(request=msgspec.json.encode(body))


def _with_fewest_digits(exchange: Exchange) -> Exchange:
    """The same exchange, had the endpoint written each risk with no more digits than tell one float from the next."""
    answer = [
        item | {"risk": msgspec.Raw(str(np.float32(item["risk"])).encode())}
        for item in msgspec.json.decode(exchange.response)
    ]
    return exchange._replace(response=msgspec.json.encode(answer))


def _plain(block: Any) -> list[dict[str, Any]]:
    return [dict(zip(names, values, strict=True)) for names, values in unfold(block)]


def _weights(body: bytes) -> dict[str, int]:
    """Compressed bytes of each column of a Parquet file, heaviest first, and of all that is no column."""
    found = pq.ParquetFile(io.BytesIO(body)).metadata
    sizes: dict[str, int] = {}
    for group in range(found.num_row_groups):
        for column in range(found.num_columns):
            chunk = found.row_group(group).column(column)
            sizes[chunk.path_in_schema] = sizes.get(chunk.path_in_schema, 0) + chunk.total_compressed_size
    sizes["(footer)"] = len(body) - sum(sizes.values())
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def measure(limit: int | None) -> dict[str, Any]:
    """Bytes of everything, for `limit` requests of July (None: all)."""
    requests = traffic.july_requests(limit)
    with tempfile.TemporaryDirectory(prefix="size-") as name:
        directory = Path(name)
        model_dir = build_artefact(directory).model_dir
        config = dataclasses.replace(
            CaptureConfig.from_env({}, model_dir / "code" / "capture.toml"),
            destination=f"file://{name}/out",
            endpoint_name="flights",
            spool_dir=directory / "spool",
        )
        buffer = CaptureBuffer(config, start_shipper=False)
        protobuf = _send(_pipeline(model_dir, buffer), requests, traffic.CONTENT_TYPE, ACCEPT)
        json = _send(_pipeline(model_dir, None), requests, "application/json", "application/json")
        header, events = _events(directory / "spool")
        buffer.close(timeout=1)  # nobody ships: this only ends the buffer's thread
        assert [event.event_id for event in events] == [exchange.event_id for exchange in protobuf]
        predictions = sum(len(request.flights) for request in requests)
        featured = [_with_features(exchange, event) for exchange, event in zip(json, events, strict=True)]
        parquet = _objects(header, "parquet", events, len(events))
        sizes = {
            "ours, Parquet": sum(map(len, parquet)),
            "ours, JSON Lines": sum(map(len, _objects(header, "jsonl", events, len(events)))),
            "managed, protobuf as base64": _lines(protobuf, lambda each: managed_line(each, "BASE64")),
            PLAIN_JSON: _lines(json, lambda each: managed_line(each, "JSON")),
            MIN_DIGITS: _lines(list(map(_with_fewest_digits, json)), lambda each: managed_line(each, "JSON")),
            EVERY_FEATURE: _lines(featured, lambda each: managed_line(each, "JSON")),
        }
        small = {each: sum(map(len, _objects(header, "parquet", events, each))) for each in BATCHES}
        weights = _weights(parquet[0])
    return {
        "requests": len(requests),
        "predictions": predictions,
        "bytes for a prediction": {name: round(size / predictions, 2) for name, size in sizes.items()},
        "Parquet, events in an object": {str(n): round(size / predictions, 1) for n, size in small.items()},
        "Parquet columns": {column: round(size / predictions, 3) for column, size in weights.items()},
    }


def _lines(exchanges: Sequence[Exchange], line: Callable[[Exchange], bytes]) -> int:
    return sum(len(line(exchange)) for exchange in exchanges)


def table(found: dict[str, Any]) -> str:
    """For a person: sizes, what a small flush costs, and the heaviest columns."""
    sizes = found["bytes for a prediction"]
    ours = sizes["ours, Parquet"]
    rows = [[name, size, f"{size / ours:.1f}"] for name, size in sizes.items()]
    same_requests, fewest_digits, same_content = (
        sizes[name] / ours for name in (PLAIN_JSON, MIN_DIGITS, EVERY_FEATURE)
    )
    reached = "reached" if same_requests >= GOAL else "not reached"
    small = found["Parquet, events in an object"]
    heavy = list(found["Parquet columns"].items())[:8]
    return "\n".join([
        f"{found['requests']:,} requests, {found['predictions']:,} predictions.",
        "",
        markdown(["", "bytes for a prediction", "÷ ours, Parquet"], rows),
        "",
        f"Goal: Parquet in 1/{GOAL} of the managed service's plain JSON of the same requests, which holds fewer features:",
        f"{same_requests:.1f} times smaller, {reached}; {fewest_digits:.1f} times if its answers had a float's fewest digits.",
        f"Against the same content, every feature in the request: {same_content:.1f} times.",
        "",
        markdown(["Parquet, events in an object", "bytes for a prediction"],
                 [[found["requests"], ours], *([int(n), size] for n, size in small.items())]),
        "",
        markdown(["heaviest columns", "bytes for a prediction"], heavy),
    ])  # fmt: skip


def main() -> int:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--requests", type=int, help="the first N of July's requests (default: all 1,664)")
    found = measure(parser.parse_args().requests)
    text = table(found)
    write_results("size", {"machine": machine(), **found}, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
