"""Lines of SageMaker Data Capture for tests."""

import json


def side(data, encoding="CSV", content_type="text/csv", mode="INPUT"):
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}


def line(given, output=None, event_id="e1", time="2026-01-01T00:00:30Z", **metadata):
    """One line; sides are CSV texts or what `side` makes."""
    sides = {"endpointInput": side(given) if isinstance(given, str) else given}
    if output is not None:
        sides["endpointOutput"] = side(output, mode="OUTPUT") if isinstance(output, str) else output
    about = {"eventId": event_id, **metadata}
    if time is not None:
        about["inferenceTime"] = time
    return {"captureData": sides, "eventMetadata": about, "eventVersion": "0"}


def body(*lines):
    return "".join(entry if isinstance(entry, str) else json.dumps(entry) + "\n" for entry in lines).encode()


def json_side(value, **more):
    return side(value if isinstance(value, str) else json.dumps(value), "JSON", "application/json", **more)
