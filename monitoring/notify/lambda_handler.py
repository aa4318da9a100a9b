"""The subscriber as an AWS Lambda function behind an SQS queue: `monitoring.notify.lambda_handler.handler`.

`MONITOR_TOML` names monitor.toml: a path in the package, or an S3 URI. The event source mapping needs
`FunctionResponseTypes: ["ReportBatchItemFailures"]`, and the queue a visibility timeout of at least six times the function's
timeout. A message that is not done comes back after its visibility timeout, or sooner where the function may shorten it.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from monitoring.notify.consumer import handle
from monitoring.notify.deliverer import Deliverer
from monitoring.notify.settings import NotifySettings


def handler(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    """Handles a batch and returns the messages that are to come back, as `batchItemFailures`."""
    settings, deliverer = _deliverer()
    return answer(event, deliverer, settings.foreign == "count")


def answer(event: dict[str, Any], deliverer: Deliverer, count_foreign: bool = False) -> dict[str, Any]:
    """Handles the records of an event with a given deliverer."""
    failures = []
    for record in event.get("Records", ()):
        receives = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
        verdict = handle(record["body"], record["messageId"], receives, deliverer, count_foreign)
        if verdict.after is not None:
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


@cache
def _deliverer() -> tuple[NotifySettings, Deliverer]:
    from monitoring.notify.wiring import deliverer_of, settings_at

    settings = settings_at(os.environ.get("MONITOR_TOML", "monitor.toml"))
    return settings, deliverer_of(settings)
