"""How the gateway is, asked on behalf of the pages: they talk to this server only."""

from __future__ import annotations

from typing import cast

import httpx2

from src.config import Environment, reachable
from src.config.access import is_loopback
from src.errors import ArchonError, ErrorContext, JsonValue, ProtocolError, TokenRequired, redact_url
from src.inference.address import parse_address
from src.inference.pool import http_client
from src.inference.provider import Detour
from src.inference.registry import Registry
from src.inference.transport_failures import error_from_transport
from src.settings import Snapshot

_WITHIN_S = 5.0
_PATH = "/gateway/status"


async def gateway_status(environment: Environment, registry: Registry, snapshot: Snapshot) -> dict[str, JsonValue]:
    """The gateway's own account below `status`, or `error` with what to do; `used_by` are providers that go through it.

    Never raises for a gateway that does not answer.
    """
    values = snapshot.in_force()
    ways = {one.id: one.detour for one in registry.all() if one.detour is not None}
    way = next(iter(ways.values()), None)
    if way is None:
        return {"address": None, "used_by": [], "status": None, "error": None}
    used: list[JsonValue] = [
        registry.get(name).label for name, one in ways.items() if any(one.is_taken(values, s) for s in one.services)
    ]
    address = values.get(way.url, "")
    body: dict[str, JsonValue] = {"address": redact_url(address), "used_by": used, "status": None, "error": None}
    try:
        body["status"] = await _ask(address, values.get(way.key) or _own_token(environment, address), way)
    except ArchonError as error:
        body["error"] = error.to_dict()
    return body


def _own_token(environment: Environment, address: str) -> str | None:
    """The token that our own gateway accepts too; it is shown to no other machine."""
    host = parse_address(address).host
    return environment.token if is_loopback(host) or host == reachable(environment.host) else None


async def _ask(address: str, key: str | None, way: Detour) -> JsonValue:
    url = f"{parse_address(address, way.url).root}{_PATH}"
    context = ErrorContext(operation="gateway status", url=url, field=way.url, remedy=way.remedy)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with http_client(timeout_s=_WITHIN_S, cloud=False) as client:
            reply = await client.get(url, headers=headers)
            found = cast(JsonValue, reply.json()) if reply.is_success else None
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
        raise error_from_transport(error, context) from error
    except ValueError:
        found = None
    if reply.status_code in (401, 403):
        raise TokenRequired("The gateway wants an API key.", next_step=f"Enter {way.key} in Settings.", context=context)
    if not isinstance(found, dict) or "pools" not in found:
        raise ProtocolError(
            f"What answers at {url} ({reply.status_code}) is not Archon's gateway.",
            next_step=f"Correct {way.url} in Settings.",
            context=context,
        )
    return found
