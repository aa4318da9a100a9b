"""Starts a SageMaker pipeline, at most once for a guard.

The request token is derived from the guard's key, but how long SageMaker remembers a token is not documented. So the execution
also bears a display name derived from the key, and `find` looks for it before a start is repeated.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import msgspec

from monitoring.errors import MonitoringError
from monitoring.retraining.settings import Rule
from monitoring.retraining.starter import StartRefused, StartRequest

MAX_VALUE = 1_024
MAX_DISPLAY = 82
_DIGITS = 20
_REFUSALS = {"ResourceNotFound", "ValidationException", "AccessDeniedException", "ResourceLimitExceeded"}


class PipelineStarter:
    """Starts the pipeline that a rule names."""

    def __init__(self, rule: Rule, client: Callable[[], Any] | None = None) -> None:
        self._rule = rule
        self._make = _sagemaker_client if client is None else client
        self._made: Any = None

    def start(self, request: StartRequest) -> str:
        """Starts the pipeline and returns the execution's ARN."""
        parameters = self._parameters(request)
        self._check_names(parameters)
        answer = self._call(
            "start_pipeline_execution",
            PipelineName=self._rule.pipeline,
            PipelineExecutionDisplayName=display_name(request),
            PipelineExecutionDescription=f"Started by the monitor of {request.endpoint}/{request.variant}.",
            PipelineParameters=[{"Name": name, "Value": value} for name, value in sorted(parameters.items())],
            ClientRequestToken=request.token,
        )
        return str(answer["PipelineExecutionArn"])

    def find(self, request: StartRequest, since: dt.datetime) -> str | None:
        """Returns the ARN of the execution that bears the request's display name."""
        wanted = display_name(request)
        token: dict[str, str] = {}
        while True:
            page = self._call(
                "list_pipeline_executions",
                PipelineName=self._rule.pipeline,
                CreatedAfter=since - dt.timedelta(hours=1),
                MaxResults=100,
                **token,
            )
            for execution in page["PipelineExecutionSummaries"]:
                if execution.get("PipelineExecutionDisplayName") == wanted:
                    return str(execution["PipelineExecutionArn"])
            if not page.get("NextToken"):
                return None
            token = {"NextToken": page["NextToken"]}

    def _parameters(self, request: StartRequest) -> dict[str, str]:
        given = dict(self._rule.parameters)
        if self._rule.cause_parameter:
            given[self._rule.cause_parameter] = request.cause_uri
        if self._rule.manifest_parameter and request.manifest_uri:
            given[self._rule.manifest_parameter] = request.manifest_uri
        for name, value in given.items():
            if len(value) > MAX_VALUE:
                raise StartRefused(
                    f"the parameter {name} of pipeline {self._rule.pipeline} has {len(value)} characters; SageMaker takes {MAX_VALUE}"
                )
        return given

    def _check_names(self, parameters: dict[str, str]) -> None:
        """Raises StartRefused where the pipeline does not have one of the parameters."""
        definition = self._call("describe_pipeline", PipelineName=self._rule.pipeline).get("PipelineDefinition", "")
        try:
            known = {str(entry["Name"]) for entry in msgspec.json.decode(definition).get("Parameters", ())}
        except (msgspec.DecodeError, AttributeError, KeyError, TypeError):
            return  # a definition that this reads differently: SageMaker checks the names itself
        unknown = sorted(set(parameters) - known)
        if unknown:
            raise StartRefused(
                f"the pipeline {self._rule.pipeline} has no parameter {', '.join(unknown)}; it has "
                f"{', '.join(sorted(known)) or 'none'}. Add it to the pipeline, or set cause_parameter and "
                "manifest_parameter of the rule"
            )

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

        if self._made is None:
            self._made = self._make()
        try:
            answer: dict[str, Any] = getattr(self._made, operation)(**arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            kind = StartRefused if code in _REFUSALS else MonitoringError
            raise kind(f"pipeline {self._rule.pipeline}: {operation} failed: {error}") from error
        except ParamValidationError as error:
            raise StartRefused(f"pipeline {self._rule.pipeline}: {error}") from error
        except BotoCoreError as error:
            raise MonitoringError(f"pipeline {self._rule.pipeline}: {operation} failed: {error}") from error
        return answer


def display_name(request: StartRequest) -> str:
    """Returns the execution's display name: letters, digits and hyphens, unique for the guard."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", f"{request.cause}-{request.episode}").strip("-")
    room = MAX_DISPLAY - _DIGITS - 1
    return f"{readable[:room].strip('-') or 'retraining'}-{request.token[:_DIGITS]}"


def _sagemaker_client() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 4, "mode": "standard"})
    return boto3.Session().client("sagemaker", config=config)
