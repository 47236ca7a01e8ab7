"""The outer edge of every request: id, log line, access rules, size of the body, and the last net for faults.

Plain ASGI: a middleware that wraps the answer in a stream of its own would break streaming and cancellation.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.config.access import AccessPolicy
from src.errors import ArchonError, DocumentTooLarge, InvalidInput

from .errors_http import error_response, unexpected
from .limits import MAX_FILE_BYTES, MAX_JSON_BODY, MAX_UPLOAD_BODY
from .metrics import ServerMetrics

_log = structlog.get_logger("archon.server.access")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{8,64}")

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match",
    "Access-Control-Max-Age": "600",
}
_SAFETY = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}


@dataclass(slots=True)
class _Exchange:
    """One request on its way, and what became of it."""

    request_id: str
    started_s: float
    status: int = 0


class Edge:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, policy: AccessPolicy, metrics: ServerMetrics) -> None:
        self._app = app
        self._policy = policy
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        exchange = _Exchange(given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8), time.perf_counter())
        scope.setdefault("state", {})["request_id"] = exchange.request_id
        with structlog.contextvars.bound_contextvars(request_id=exchange.request_id):
            self._metrics.in_flight.inc()
            try:
                await self._answer(scope, receive, self._marked(send, exchange, headers), headers)
            except ClientDisconnect:
                _log.info("client left", path=scope["path"])
            except Exception:  # noqa: BLE001 - the request edge: a fault becomes a typed 500, its trace goes to the log
                await self._fault(scope, receive, self._marked(send, exchange, headers), exchange)
            finally:
                self._metrics.in_flight.dec()
                self._metrics.answered(scope, exchange.status, time.perf_counter() - exchange.started_s)
                _write_log(scope, exchange)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        try:
            preflight = self._admit(scope, headers)
            limited = _limited(receive, _body_limit(scope["path"]), headers)
        except ArchonError as error:
            self._metrics.failed(error.code, None)
            await error_response(error)(scope, receive, send)
            return
        if preflight is not None:
            await preflight(scope, receive, send)
            return
        await self._app(scope, limited, send)

    def _admit(self, scope: Scope, headers: Headers) -> Response | None:
        """Raise what refuses the request; a preflight's answer where it is one.

        Raises:
            AccessDenied, TokenRequired: see `AccessPolicy`.
        """
        host, origin, method = headers.get("host", ""), headers.get("origin"), scope["method"]
        self._policy.check_host(host)
        if method == "OPTIONS" and origin is not None and "access-control-request-method" in headers:
            return Response(status_code=204, headers=_PREFLIGHT if self._policy.allows_origin(origin) else None)
        self._policy.check_origin(method, host, origin)
        self._policy.check_token(scope["path"], headers.get("authorization"), headers.get("cookie"))
        return None

    def _marked(self, send: Send, exchange: _Exchange, headers: Headers) -> Send:
        origin = headers.get("origin")

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                answer = MutableHeaders(scope=message)
                answer["X-Request-Id"] = exchange.request_id
                for name, value in _SAFETY.items():
                    answer.setdefault(name, value)
                if origin is not None and self._policy.allows_origin(origin):
                    answer["Access-Control-Allow-Origin"] = origin
                    answer["Access-Control-Allow-Credentials"] = "true"
                    answer["Access-Control-Expose-Headers"] = "ETag, X-Request-Id, X-Poll-Interval"
                    answer.add_vary_header("Origin")
            await send(message)

        return marked

    async def _fault(self, scope: Scope, receive: Receive, send: Send, exchange: _Exchange) -> None:
        _log.exception("request failed", path=scope["path"])
        if exchange.status == 0:
            await error_response(unexpected(exchange.request_id))(scope, receive, send)
            return
        # Half an answer cannot be taken back; closing it tells the caller that it is not whole.
        raise ConnectionAbortedError("the answer broke off")


def _write_log(scope: Scope, exchange: _Exchange) -> None:
    # The path alone: a query can hold a secret, and headers do.
    _log.info(
        "request",
        method=scope["method"],
        path=scope["path"],
        status=exchange.status,
        duration_ms=round((time.perf_counter() - exchange.started_s) * 1000, 1),
        client=(scope.get("client") or [""])[0],
    )


@dataclass(frozen=True, slots=True)
class _Limit:
    """Most bytes of a request's body, and the error for more."""

    bytes: int
    error: ArchonError


def _body_limit(path: str) -> _Limit:
    if path == "/api/documents/upload":
        file = f"The file is larger than {MAX_FILE_BYTES / 1e6:g} MB."
        return _Limit(MAX_UPLOAD_BODY, DocumentTooLarge(file, next_step="Split it into smaller files."))
    request = f"The request is larger than {MAX_JSON_BODY / 1e6:g} MB."
    return _Limit(MAX_JSON_BODY, InvalidInput(request, next_step="Send less at once; nothing of it was used."))


def _limited(receive: Receive, limit: _Limit, headers: Headers) -> Receive:
    """`receive` that stops at the limit, also where no or a wrong length was announced.

    Raises:
        InvalidInput, DocumentTooLarge: the announced length is above the limit.
    """
    announced = headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit.bytes:
        raise limit.error
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit.bytes:
            raise limit.error
        return message

    return counted
