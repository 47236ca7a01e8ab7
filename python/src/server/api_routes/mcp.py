"""The MCP server as the interface shows it: state, address, who uses it, and a trial."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from src.config import public_mcp_url
from src.config.access import host_name
from src.errors import ArchonError, ConfigurationError, JsonValue, ProviderUnavailable

from ..composition import Rooms
from ..mcp_face import McpFace
from ..request_parts import Configured, InRooms, Policy, answer

router = APIRouter(prefix="/api/mcp")
SESSION_TIMEOUT_S = 3600
_PORTS = {"http": 80, "https": 443}


@router.get("/status")
async def status(environment: Configured) -> JSONResponse:
    """Whether it runs; always 200."""
    body: dict[str, JsonValue] = {"status": "running", "uptime": None, "logs": [], "container_status": "running"}
    try:
        told = await McpFace(environment).clients()
    except ArchonError as error:
        state = "stopped" if isinstance(error, ProviderUnavailable) else "error"
        return answer(body | {"status": state, "container_status": state, "message": error.message} | _why(error))
    return answer(body | {"uptime": told.get("uptime_seconds")})


@router.get("/config")
async def config(request: Request, environment: Configured, policy: Policy, rooms: InRooms) -> JSONResponse:
    """What an assistant is told: address and transport, seen from where the browser is.

    Raises:
        ConfigurationError: ARCHON_MCP_PUBLIC_URL is no web address.
    """
    host = host_name(request.headers.get("host", "")) or "localhost"
    url = public_mcp_url(environment, host)
    body: dict[str, JsonValue] = {
        "host": url.hostname,
        "port": url.port or _PORTS[url.scheme],
        "transport": "streamable-http",
        "model_choice": await _model(rooms),
        "url": url.geturl(),
        "token_required": policy.token is not None,
    }
    return answer(body)


@router.get("/clients")
async def clients(environment: Configured) -> JSONResponse:
    """The assistants heard within the last hour. Raises ProviderUnavailable where it does not run."""
    told = await McpFace(environment).clients()
    return answer({"clients": told.get("clients", []), "total": told.get("total", 0)})


@router.get("/sessions")
async def sessions(environment: Configured) -> JSONResponse:
    """Assistants that are there, as v1 counted sessions; the protocol itself needs none here."""
    body: dict[str, JsonValue] = {"active_sessions": 0, "session_timeout": SESSION_TIMEOUT_S}
    try:
        told = await McpFace(environment).clients()
    except ArchonError as error:
        return answer(body | {"message": error.message})
    return answer(body | {"active_sessions": told.get("total", 0), "server_uptime_seconds": told.get("uptime_seconds")})


@router.get("/health")
async def health(environment: Configured) -> JSONResponse:
    """Whether it is well; always 200."""
    body: dict[str, JsonValue] = {"service": "mcp", "status": "healthy", "timestamp": datetime.now(UTC).isoformat()}
    try:
        await McpFace(environment).clients()
    except ArchonError as error:
        return answer(body | {"status": "unhealthy", "message": error.message} | _why(error))
    return answer(body)


@router.post("/test")
async def trial(environment: Configured) -> JSONResponse:
    """List its tools and call one, as an assistant would; always 200 when the trial itself ran."""
    return answer((await McpFace(environment).try_it()).to_dict())


async def _model(rooms: Rooms) -> str | None:
    try:
        return (await rooms.settings.active("llm")).model
    except ConfigurationError:
        return None


def _why(error: ArchonError) -> dict[str, JsonValue]:
    return {"error": error.message, "next_step": error.next_step}
