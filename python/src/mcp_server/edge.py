"""The outer edge of the MCP server: access rules, its own health, and an end that closes what was opened."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from src.config.access import AccessPolicy
from src.errors import ArchonError, JsonValue

from .visitors import Visitors

GUARDED = ("/mcp", "/clients")
"""What is behind the token; /health tells nothing but that it runs."""


class Edge:
    """Wraps the protocol's application. `/mcp/` is served as `/mcp`: a redirect would lose the body in many clients."""

    def __init__(self, app: ASGIApp, policy: AccessPolicy, at_end: Callable[[], Awaitable[None]]) -> None:
        self._app = app
        self._policy = policy
        self._at_end = at_end
        self._visitors = Visitors()
        self._started = time.monotonic()
        self.ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            try:
                await self._app(scope, receive, send)
            finally:
                await self._at_end()
                self.ended = True
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, path = Headers(scope=scope), scope["path"]
        host = headers.get("host", "")
        try:
            self._policy.check_host(host)
            self._policy.check_origin(scope["method"], host, headers.get("origin"))
            self._policy.check_token(path, headers.get("authorization"), headers.get("cookie"))
        except ArchonError as error:
            await JSONResponse({"detail": error.to_dict()}, status_code=error.http_status)(scope, receive, send)
            return
        if path in ("/health", "/clients"):
            body = self._health() if path == "/health" else self._clients()
            await JSONResponse(body)(scope, receive, send)
            return
        if path == "/mcp/":
            scope = {**scope, "path": "/mcp", "raw_path": b"/mcp"}
        heard = self._visitors.listening(scope, receive) if scope["method"] == "POST" else receive
        await self._app(scope, heard, send)

    def _health(self) -> dict[str, JsonValue]:
        uptime = round(time.monotonic() - self._started, 1)
        return {"status": "healthy", "service": "archon-mcp", "uptime_seconds": uptime}

    def _clients(self) -> dict[str, JsonValue]:
        clients: list[JsonValue] = [visitor.public() for visitor in self._visitors.recent()]
        return self._health() | {"clients": clients, "total": len(clients)}
