"""The SDK's exceptions as errors of our family that are still instances of the SDK's classes.

Code around a client of `get_llm_client` may say `except openai.RateLimitError`; it goes on working, and what it
catches has also code, next step and context.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, cast

import httpx2

from src.errors import (
    ArchonError,
    ConnectionBroken,
    ErrorContext,
    JsonValue,
    ProtocolError,
    ProviderTimeout,
    redact_url,
)

from .failures import Reply, error_from_event, error_from_reply
from .transport_failures import causes_of, error_from_transport

if TYPE_CHECKING:
    import openai

_FILLED = ("provider", "connection", "operation", "model", "url")
_MERGED: dict[tuple[type[ArchonError], type[openai.OpenAIError]], type[ArchonError]] = {}


@cache
def sdk_failures(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What a call of the SDK raises on a refusal, on a broken connection, and an answer that is no JSON; `others`."""
    import openai

    return (openai.OpenAIError, httpx2.HTTPError, OSError, ValueError, *others)


def typed_sdk_error(
    exc: Exception, context: ErrorContext, *, secrets: Sequence[str] = (), models: Sequence[str] = ()
) -> ArchonError:
    """The error of our family for an exception of the OpenAI SDK: also an instance of `type(exc)`, which is its cause.

    An ArchonError comes back with what its context lacked. Use it as `raise typed_sdk_error(exc, context) from exc`.
    """
    import openai

    if isinstance(exc, ArchonError):
        return filled(exc, context)
    plain = classify_sdk_error(exc, context, secrets=secrets, models=models)
    if not isinstance(exc, openai.OpenAIError):
        plain.__cause__ = exc
        return plain
    merged = _merged_class(type(plain), type(exc))
    error = merged.__new__(merged, plain.message)
    error.__dict__.update({name: value for name, value in vars(exc).items() if name != "code"})
    error.__dict__.update(vars(plain))
    error.args = (plain.message,)
    error.__cause__ = exc
    return error


def classify_sdk_error(
    exc: Exception, context: ErrorContext, *, secrets: Sequence[str] = (), models: Sequence[str] = ()
) -> ArchonError:
    """The plain error of our family for an exception of the SDK or of its HTTP client."""
    import openai

    if isinstance(exc, ArchonError):
        return filled(exc, context)
    context = _with_url(exc, context)
    if isinstance(exc, openai.APIStatusError):
        return error_from_reply(_reply(exc, secrets), context, models=models)
    if isinstance(exc, openai.APIConnectionError):
        return _connection(exc, context)
    if isinstance(exc, openai.APIResponseValidationError) or not isinstance(exc, openai.APIError):
        return _unreadable(exc, context)
    return error_from_event(cast(JsonValue, exc.body), context, secrets=secrets)


def filled(error: ArchonError, context: ErrorContext) -> ArchonError:
    """`error` with what its context lacks of where it happened."""
    known = context.public()
    return error.with_context(**{name: known.get(name) for name in _FILLED})


def _merged_class(ours: type[ArchonError], theirs: type[openai.OpenAIError]) -> type[ArchonError]:
    merged = _MERGED.get((ours, theirs))
    if merged is None:
        merged = _MERGED[ours, theirs] = _merge(ours, theirs)
    return merged


def _merge(ours: type[ArchonError], theirs: type[openai.OpenAIError]) -> type[ArchonError]:
    return type(ours.__name__, (ours, theirs), {"__module__": __name__, "__doc__": ours.__doc__})


def _with_url(exc: Exception, context: ErrorContext) -> ErrorContext:
    request = getattr(exc, "request", None)
    if context.url is not None or not isinstance(request, httpx2.Request):
        return context
    return replace(context, url=redact_url(str(request.url)))


def _reply(exc: openai.APIStatusError, secrets: Sequence[str]) -> Reply:
    # Stand-ins for the response are common in tests of code around a client; the class tells the status then.
    response = cast(object, exc.response)
    if not isinstance(response, httpx2.Response):
        status = int(getattr(type(exc), "status_code", 500))
        return Reply(status, {}, cast(JsonValue, exc.body) or {"error": {"message": exc.message}}, secrets)
    try:
        body: bytes | JsonValue = response.content
    except httpx2.ResponseNotRead:
        body = cast(JsonValue, exc.body)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(exc.status_code, headers, body, secrets)


def _connection(exc: openai.APIConnectionError, context: ErrorContext) -> ArchonError:
    import openai

    if isinstance(exc.__cause__, ArchonError):
        # We refused to send it, or to hand out what came.
        return filled(exc.__cause__, context)
    for cause in causes_of(exc):
        if isinstance(cause, (httpx2.RequestError, httpx2.InvalidURL)):
            return error_from_transport(cause, context)
    if isinstance(exc, openai.APITimeoutError):
        return ProviderTimeout("The model server did not answer in time", context=context)
    return ConnectionBroken("The connection to the model server failed", context=context)


def _unreadable(exc: Exception, context: ErrorContext) -> ArchonError:
    if isinstance(exc, (httpx2.HTTPError, httpx2.InvalidURL, OSError)):
        return error_from_transport(exc, context)
    what = "no JSON" if isinstance(exc, json.JSONDecodeError) else type(exc).__name__
    return ProtocolError(f"The answer of the model server cannot be read ({what})", context=context)
