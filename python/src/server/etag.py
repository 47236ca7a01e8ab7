"""ETags of JSON answers, as Archon v1 makes them: clients that poll are told when nothing changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from src.errors import JsonValue

_CACHE = "no-cache, must-revalidate"


def etag_of(body: Mapping[str, JsonValue]) -> str:
    """A quoted MD5 of `body` without its `timestamp`, which changes without meaning anything."""
    stable = {name: value for name, value in body.items() if name != "timestamp"}
    text = json.dumps(stable, sort_keys=True, default=str)
    return f'"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}"'


def revalidated(request: Request, body: Mapping[str, JsonValue], headers: Mapping[str, str]) -> Response:
    """304 where the client has this body already, else the body with its ETag."""
    tag = etag_of(body)
    common = {"ETag": tag, "Cache-Control": _CACHE}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=common)
    return JSONResponse(dict(body), headers=common | dict(headers))
