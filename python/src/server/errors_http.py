"""The one error body of the REST face, whatever failed: `{"detail": {error, code, retryable, next_step, …}}`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from src.errors import ArchonError, ErrorContext, InvalidInput, JsonValue, NotFound, TokenRequired


class MethodNotAllowed(ArchonError):
    """The path is there, for another method."""

    code = "method_not_allowed"
    http_status = 405
    meaning = "The path exists, but not for this method."
    default_next_step = "Look the call up in docs/reference/rest.md."


class NotReady(ArchonError):
    """The server answers but its parts are still starting."""

    code = "starting"
    http_status = 503
    retryable = True
    meaning = "The server was just started; its parts are not ready."
    default_next_step = "Wait a few seconds and try again; GET /health says what is missing."


class UnexpectedFailure(ArchonError):
    """A fault of the program, without its inner words: those stand in the log beside the request id."""

    code = "internal"
    http_status = 500
    meaning: ClassVar[str] = "The program has a fault."


def register(app: FastAPI) -> None:
    """Give every failure inside a route the one body."""
    app.add_exception_handler(ArchonError, _archon_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


def error_response(error: ArchonError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """`error` as an answer with its own status; Retry-After where the error knows it."""
    extra = dict(headers or {})
    if error.context.retry_after_s is not None:
        extra["Retry-After"] = str(math.ceil(error.context.retry_after_s))
    if isinstance(error, TokenRequired):
        extra["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"detail": error.to_dict()}, status_code=error.http_status, headers=extra)


def unexpected(request_id: str) -> UnexpectedFailure:
    """What the caller sees of a fault of ours."""
    return UnexpectedFailure(
        "Archon made a mistake while it answered; nothing is known about the cause yet.",
        next_step=f"Look for request id {request_id} in the server's log and report what stands there.",
        context=ErrorContext(request_id=request_id),
    )


def from_validation(problems: Sequence[Mapping[str, object]]) -> InvalidInput:
    """The first of pydantic's `problems` as one sentence; the others are counted, not listed."""
    first = problems[0] if problems else {}
    place = [str(part) for part in _sequence(first.get("loc"))]
    where = ".".join(place[1:]) or ".".join(place) or "request"
    message = str(first.get("msg", "is not valid")).removeprefix("Value error, ")
    more = f" ({len(problems) - 1} more of this kind)" if len(problems) > 1 else ""
    return InvalidInput(f"'{where}' cannot be used: {message}.{more}", context=ErrorContext(field=where))


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


async def _archon_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ArchonError)  # noqa: S101 - registered for this class only
    request.app.state.metrics.failed(error.code, error.context.provider)
    return error_response(error)


async def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    return error_response(from_validation(error.errors()))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    headers = dict(error.headers or {})
    if isinstance(error.__cause__, ArchonError):
        # FastAPI gives whatever stops the reading of a body this shape; ours (too large) says more.
        return error_response(error.__cause__)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return error_response(no_such_path(request.url.path), headers)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return error_response(MethodNotAllowed(f"{request.method} is not possible on {request.url.path}."), headers)
    if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return error_response(InvalidInput(str(error.detail)), headers)
    body: dict[str, JsonValue] = UnexpectedFailure(str(error.detail)).to_dict()
    return JSONResponse({"detail": body}, status_code=error.status_code, headers=headers)


def no_such_path(path: str) -> NotFound:
    """The answer for a path that no route has."""
    return NotFound(f"There is no {path[:200]} here.", next_step="Look the call up in docs/reference/rest.md.")
