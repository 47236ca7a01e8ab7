"""Who used the MCP server lately: names that assistants gave themselves, and when they were last heard."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from src.errors import JsonValue

MOST = 50
"""Visitors that are remembered; the one heard longest ago is forgotten first."""
RECENT_S = 3600.0
"""Heard within this many seconds, a visitor counts as there. v1's session time-out."""
_READ = 64_000
"""Bytes of a request that are looked at; introductions are short."""
_META = "io.modelcontextprotocol/clientInfo"


@dataclass(slots=True)
class Visitor:
    """One assistant on one machine. `heard_s` is seconds since the epoch."""

    name: str
    version: str
    heard_s: float
    requests: int = 0

    def public(self) -> dict[str, JsonValue]:
        """As JSON."""
        heard = datetime.fromtimestamp(self.heard_s, UTC).isoformat()
        return {"name": self.name, "version": self.version, "last_seen": heard, "requests": self.requests}


class Visitors:
    """Every assistant that called since the start."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Visitor] = {}

    def listening(self, scope: Scope, receive: Receive) -> Receive:
        """`receive` that notes who is calling, once the request's body is there."""
        headers, body = Headers(scope=scope), bytearray()
        client = scope.get("client") or ("", 0)
        key = (str(client[0]), headers.get("user-agent", "")[:200])

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                body.extend(message.get("body", b"")[: _READ - len(body)])
                if not message.get("more_body"):
                    self._note(key, bytes(body))
            return message

        return heard

    def recent(self) -> list[Visitor]:
        """Those heard within the last hour, the latest first."""
        since = time.time() - RECENT_S
        return sorted((one for one in self._known.values() if one.heard_s >= since), key=lambda one: -one.heard_s)

    def _note(self, key: tuple[str, str], body: bytes) -> None:
        visitor = self._known.pop(key, None) or Visitor(key[1].partition(" ")[0] or "unnamed", "", 0.0)
        name, version = _introduction(body)
        if name:
            visitor.name, visitor.version = name, version
        visitor.heard_s = time.time()
        visitor.requests += 1
        self._known[key] = visitor
        while len(self._known) > MOST:
            self._known.pop(next(iter(self._known)))


def _introduction(body: bytes) -> tuple[str, str]:
    """Name and version in a request, where it has them: in the handshake, or in each request's own notes."""
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return "", ""
    params = request.get("params") if isinstance(request, dict) else None
    if not isinstance(params, dict):
        return "", ""
    notes = params.get("_meta")
    told = params.get("clientInfo") or (notes.get(_META) if isinstance(notes, dict) else None)
    if not isinstance(told, dict):
        return "", ""
    return str(told.get("name") or "")[:100], str(told.get("version") or "")[:40]
