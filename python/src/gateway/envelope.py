"""Every refusal in OpenAI's envelope: `{"error": {"message", "type", "param", "code"}}`, plus what to do next."""

from __future__ import annotations

import json

from src.errors import (
    AccessDenied,
    ArchonError,
    AuthenticationFailed,
    ConfigurationError,
    ContextTooLong,
    EndpointNotFound,
    InvalidInput,
    ModelNotFound,
    PermissionRefused,
    QuotaExhausted,
    RateLimited,
    TokenRequired,
    UnsupportedFeature,
)

JSON = (b"content-type", b"application/json")

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_CODES: dict[type[ArchonError], str] = {
    TokenRequired: "invalid_api_key",
    ContextTooLong: "context_length_exceeded",
    RateLimited: "rate_limit_exceeded",
    QuotaExhausted: "insufficient_quota",
}
_STATUS: dict[type[ArchonError], int] = {
    InvalidInput: 400,
    UnsupportedFeature: 400,
    ConfigurationError: 502,
    AuthenticationFailed: 502,
    PermissionRefused: 502,
    EndpointNotFound: 502,
    ModelNotFound: 404,
    AccessDenied: 403,
    TokenRequired: 401,
}


class LoopDetected(ConfigurationError):
    """The gateway was given its own address as a model server."""

    code = "loop_detected"
    http_status = 508
    meaning = "The request came back to the gateway that had sent it."
    default_next_step = "Take the gateway's own address out of its upstreams; they must be model servers."


class TooLarge(InvalidInput):
    """The request is larger than this gateway takes."""

    code = "request_too_large"
    http_status = 413
    meaning = "The body is over the gateway's limit."
    default_next_step = "Send less at once, or raise [limits] body_bytes in gateway.toml."


def status_of(error: ArchonError) -> int:
    """The HTTP status that `error` has on this face."""
    for family in type(error).__mro__:
        if family in _STATUS and error.http_status == family.http_status:
            return _STATUS[family]
    return error.http_status


def code_of(error: ArchonError) -> str:
    """OpenAI's word for the failure where it has one, else ours."""
    return _CODES.get(type(error), error.code)


def envelope(error: ArchonError, request_id: str) -> dict[str, object]:
    """The body of an answer, or the last event of a broken stream, that says what failed and what to do."""
    status = status_of(error)
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    inner: dict[str, object] = {
        "message": f"{error.message} {error.next_step}".strip(),
        "type": kind,
        "param": error.context.field,
        "code": code_of(error),
        "request_id": request_id,
    }
    if error.context.upstream_message:
        inner["upstream_message"] = error.context.public()["upstream_message"]
    return {"error": inner}


def envelope_bytes(error: ArchonError, request_id: str) -> bytes:
    """`envelope` as compact JSON."""
    return json.dumps(envelope(error, request_id), ensure_ascii=False, separators=(",", ":")).encode()


def retry_after(error: ArchonError) -> bytes | None:
    """The value of Retry-After, in whole seconds and at least 1, for failures that time can heal."""
    seconds = error.context.retry_after_s
    if seconds is None:
        return b"1" if status_of(error) in (429, 503) else None
    return str(max(1, round(seconds + 0.499))).encode()
