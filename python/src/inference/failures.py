"""Turns whatever a model server or the way to it did into one class of the error family.

Status first. The message decides only where a status means several things: an ambiguous 400, a 429 that is really an
empty account, a 500 for a prompt that is too long. So a 500 whose text mentions "quota" is an outage, not a quota.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from src.errors import (
    ArchonError,
    AuthenticationFailed,
    BadRequest,
    ConnectionBroken,
    EndpointNotFound,
    ErrorContext,
    FirstByteTimeout,
    JsonValue,
    Overloaded,
    PermissionRefused,
    ProtocolError,
    ProviderError,
    ProviderTimeout,
    QuotaExhausted,
    RateLimited,
    ServerFailure,
    redact,
)

from .bad_requests import bad_request, is_missing_model, is_too_long, missing_model, too_long, unsupported
from .error_body import ErrorBody, read_error_body

_EMPTY_ACCOUNT = ("insufficient_quota", "exceeded your current quota", "credit balance", "billing", "out of credit")
_MAX_RETRY_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came: HTTP status, headers (lower-case names) and body. `secrets` are cut out of every text."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | str | JsonValue = None
    secrets: Sequence[str] = field(default=(), repr=False)


def error_from_reply(reply: Reply, context: ErrorContext, *, models: Sequence[str] = ()) -> ArchonError:
    """The error that a refusing reply means. `models` are the names the server is known to serve."""
    body = read_error_body(reply.body)
    body = replace(body, message=redact(body.message, *reply.secrets) if body.message else None)
    filled = _with_reply(context, reply, body)
    return _by_status(reply.status, body, filled, models)


def error_from_event(error: JsonValue, context: ErrorContext, *, secrets: Sequence[str] = ()) -> ArchonError:
    """The error that stands inside a stream (HTTP 200): its own `code` counts as the status, 500 where it has none."""
    body = read_error_body({"error": error})
    return error_from_reply(Reply(body.code_number or 500, {}, {"error": error}, secrets), context)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that `Retry-After` (seconds or a date) or `retry-after-ms` ask for, at most an hour; None if unclear."""
    seconds = _number(headers.get("retry-after-ms"), 1000.0)
    if seconds is None:
        seconds = _number(headers.get("retry-after"), 1.0)
    if seconds is None and headers.get("retry-after"):
        try:
            at = parsedate_to_datetime(headers["retry-after"])
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - (now or datetime.now(UTC))).total_seconds()
    return None if seconds is None else min(max(seconds, 0.0), _MAX_RETRY_AFTER_S)


def _number(text: str | None, divisor: float) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number / divisor if 0 <= number < 1e12 else None


def _with_reply(context: ErrorContext, reply: Reply, body: ErrorBody) -> ErrorContext:
    return replace(
        context,
        status=reply.status,
        upstream_message=body.message,
        request_id=reply.headers.get("x-request-id") or context.request_id,
        retry_after_s=retry_after(reply.headers) if "retry-after" in reply.headers else body.retry_after_s,
    )


def _by_status(status: int, body: ErrorBody, context: ErrorContext, models: Sequence[str]) -> ArchonError:
    if status in {400, 413, 422}:
        return bad_request(status, body, context, models)
    if status in {404, 405, 410}:
        return _not_found(status, body, context, models)
    if 400 <= status < 500:
        return _client_error(status, body, context)
    if status >= 500:
        return _server_error(status, body, context)
    return _strange_success(status, body, context)


def _who(context: ErrorContext) -> str:
    return "The model server" if context.provider is None else f"The {context.provider} server"


def _said(body: ErrorBody) -> str:
    return f": {body.message.strip()[:300]}" if body.message else ""


def _not_found(status: int, body: ErrorBody, context: ErrorContext, models: Sequence[str]) -> ArchonError:
    if status != 405 and is_missing_model(body):
        return missing_model(body, context, models)
    return EndpointNotFound(
        f"{_who(context)} has no such route (HTTP {status}{_said(body)})",
        next_step=(
            "Check that the base URL is right and that this is the right kind of server: one that generates text has "
            "no embeddings route, and one that embeds has no chat route."
        ),
        context=context,
    )


def _client_error(status: int, body: ErrorBody, context: ErrorContext) -> ArchonError:
    who = _who(context)
    if status == 401:
        return AuthenticationFailed(f"{who} refused the API key, or wants one (HTTP 401{_said(body)})", context=context)
    if status == 402:
        return QuotaExhausted(f"The account has no credit left (HTTP 402{_said(body)})", context=context)
    if status == 403:
        return PermissionRefused(f"{who} refuses access (HTTP 403{_said(body)})", context=context)
    if status == 429:
        return _too_many(body, context)
    if status == 408:
        return ProviderTimeout(f"{who} gave up waiting (HTTP 408{_said(body)})", context=context)
    if status in {409, 425}:
        return Overloaded(f"{who} cannot take the request now (HTTP {status}{_said(body)})", context=context)
    return BadRequest(f"{who} refused the request (HTTP {status}{_said(body)})", context=context)


def _too_many(body: ErrorBody, context: ErrorContext) -> ArchonError:
    if body.code == "insufficient_quota" or body.kind == "insufficient_quota" or body.says(*_EMPTY_ACCOUNT):
        return QuotaExhausted(f"The account behind the key has no credit left{_said(body)}", context=context)
    wait = context.retry_after_s
    said = f"; it asks to wait {wait:g} s" if wait is not None else ""
    return RateLimited(f"{_who(context)} answered 429, too many requests{said}{_said(body)}", context=context)


def _server_error(status: int, body: ErrorBody, context: ErrorContext) -> ArchonError:
    who = _who(context)
    if status == 503 or status == 529:
        return Overloaded(f"{who} takes no more work now, or is loading (HTTP {status}{_said(body)})", context=context)
    if status == 504:
        return FirstByteTimeout(f"A proxy before the server waited in vain (HTTP 504{_said(body)})", context=context)
    if status == 502 or 520 <= status <= 527:
        return ConnectionBroken(
            f"A proxy did not get through to the model server (HTTP {status}{_said(body)})",
            next_step="Look whether the model server behind the proxy runs.",
            context=context,
        )
    if status == 500 and is_too_long(body):
        return too_long(body, context)
    if status in {500, 501}:
        lacking = unsupported(body, context)
        if lacking is not None:
            return lacking
    return ServerFailure(f"{who} failed (HTTP {status}{_said(body)})", context=context)


def _strange_success(status: int, body: ErrorBody, context: ErrorContext) -> ProviderError:
    if 300 <= status < 400:
        return ProtocolError(
            f"{_who(context)} sends on to another address (HTTP {status}); the key was not sent there",
            next_step="If the other address is the right one, enter it as the base URL.",
            context=context,
        )
    what = {"html": "a web page", "empty": "nothing"}.get(body.shape, "something else")
    return ProtocolError(f"{_who(context)} answered {what} where JSON was expected{_said(body)}", context=context)
