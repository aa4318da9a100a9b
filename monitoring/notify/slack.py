"""Messages to Slack through the vendor's clients: a webhook, or a bot token that can update its messages.

A webhook answers "ok" and no id, so its messages stay as they are. With a token, `chat.postMessage` returns `ts`, and
`chat.update` turns the same message green. A connection that breaks is not retried here: Slack may have posted the message.
"""

from __future__ import annotations

import logging
import ssl
import urllib.error
from typing import TYPE_CHECKING, Any, NoReturn

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryState
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.webhook import WebhookClient

from monitoring.notify.channel import CALL_SECONDS, ChannelRefused, TryAgain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitoring.notify.settings import Slack

MAX_RATE_WAIT = 5
"""Seconds that a rate limit may hold up a call. A longer one goes back to the queue."""
_BLOCKS_REFUSED = {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "invalid_payload", "msg_too_long"}
_TRANSIENT = {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
_UNSAFE_LOGGER = logging.getLogger("monitoring.notify.slack.client")
_UNSAFE_LOGGER.setLevel(logging.CRITICAL)  # the vendor's client logs addresses of webhooks, which are secrets


class BoundedRateLimit(RateLimitErrorRetryHandler):
    """The vendor's rate-limit handler, for waits that are short enough."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        limited = super()._can_retry(state=state, request=request, response=response, error=error)
        return limited and response is not None and _retry_after(response.headers) <= MAX_RATE_WAIT


class SlackChannel:
    """Posts and updates messages. `context` is an SSL context where the service's certificate has its own authority."""

    def __init__(self, context: ssl.SSLContext | None = None, timeout: float = CALL_SECONDS) -> None:
        self._context = context
        self._timeout = max(1, int(timeout))

    def post(self, target: Slack, secret: str, text: str, blocks: Sequence[dict[str, Any]]) -> tuple[str, str]:
        """Posts a message; returns its channel id and `ts`, empty for a webhook. Raises TryAgain or Refused.

        Where Slack refuses the blocks, the text is posted without them.
        """
        call = self._post_webhook if target.webhook else self._post_with_token
        try:
            return call(target, secret, text, blocks)
        except _BlocksRefusedError:
            return call(target, secret, text, ())

    def update(
        self, target: Slack, secret: str, channel: str, ts: str, text: str, blocks: Sequence[dict[str, Any]]
    ) -> None:
        """Replaces a message that was posted with a token. Raises TryAgain or Refused."""
        try:
            self._web(target, secret).chat_update(channel=channel, ts=ts, text=text, blocks=list(blocks))
        except Exception as error:
            self._fail(error)

    def _post_with_token(
        self, target: Slack, secret: str, text: str, blocks: Sequence[dict[str, Any]]
    ) -> tuple[str, str]:
        try:
            answer = self._web(target, secret).chat_postMessage(
                channel=target.channel, text=text, blocks=list(blocks) or None, unfurl_links=False
            )
        except Exception as error:
            self._fail(error)
        return str(answer["channel"]), str(answer["ts"])

    def _post_webhook(self, target: Slack, secret: str, text: str, blocks: Sequence[dict[str, Any]]) -> tuple[str, str]:
        client = WebhookClient(
            secret, timeout=self._timeout, ssl=self._context, retry_handlers=[BoundedRateLimit()], logger=_UNSAFE_LOGGER
        )
        try:
            answer = client.send(text=text, blocks=list(blocks) or None)
        except Exception as error:
            self._fail(error)
        body = answer.body[:200]
        if answer.status_code == 400 and blocks and any(word in body for word in _BLOCKS_REFUSED):
            raise _BlocksRefusedError
        if answer.status_code != 200:
            _judge(answer.status_code, body, _retry_after(answer.headers))
        return "", ""

    def _web(self, target: Slack, secret: str) -> WebClient:
        return WebClient(
            token=secret,
            base_url=target.base_url,
            timeout=self._timeout,
            ssl=self._context,
            retry_handlers=[BoundedRateLimit()],
            logger=_UNSAFE_LOGGER,
        )

    def _fail(self, error: Exception) -> NoReturn:
        """Raises what a caller can act on. The text of a network error may hold the webhook's address: it is left out."""
        if isinstance(error, SlackApiError):
            answer = error.response
            word = str(answer.get("error", "")) if hasattr(answer, "get") else str(answer)[:200]
            if word in _BLOCKS_REFUSED:
                raise _BlocksRefusedError from None
            status = 503 if word in _TRANSIENT - {"ratelimited", "rate_limited"} else int(answer.status_code)
            _judge(429 if "rate" in word and word in _TRANSIENT else status, word, _retry_after(answer.headers))
        if isinstance(error, OSError | urllib.error.URLError):
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            refused = isinstance(reason, ConnectionRefusedError)
            name = type(reason).__name__
            raise TryAgain(f"Slack did not answer: {name}", maybe_sent=not refused, after=10.0) from None
        if type(error).__module__.startswith(("http.", "slack_sdk.")):
            raise TryAgain(f"Slack's answer broke off: {type(error).__name__}", maybe_sent=True, after=10.0) from None
        raise error


class _BlocksRefusedError(Exception):
    """Slack refuses the blocks of a message."""


def _judge(status: int, body: str, after: float) -> NoReturn:
    what = f"Slack answered {status}: {body}"
    if status == 429:
        raise TryAgain(what, maybe_sent=False, after=max(1.0, after))
    if status >= 500:
        raise TryAgain(what, maybe_sent=True, after=10.0)
    raise ChannelRefused(f"{what}. Check the webhook or the token, and that the channel exists")


def _retry_after(headers: Any) -> float:
    for name, value in dict(headers).items():
        if str(name).lower() == "retry-after":
            value = value[0] if isinstance(value, list) else value
            return float(value) if str(value).isdigit() else 1.0
    return 1.0
