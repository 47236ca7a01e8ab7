"""Archon v1's routes between its own services. They hand out settings, never a key: each service has its own way."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from src.errors import ConfigurationError, JsonValue

from ..composition import Rooms
from ..request_parts import Configured, InRooms, answer

router = APIRouter(prefix="/internal")


@router.get("/health")
async def health() -> JSONResponse:
    """v1's sign of life."""
    return answer({"status": "healthy", "service": "internal-api"})


@router.get("/credentials/agents")
async def for_agents(rooms: InRooms, environment: Configured) -> JSONResponse:
    """What v1's agents service asked for, without its key: the agents run inside the server and need none."""
    model = await _chat_model(rooms)
    settings: dict[str, JsonValue] = {
        "OPENAI_MODEL": model,
        "DOCUMENT_AGENT_MODEL": model,
        "RAG_AGENT_MODEL": model,
        "TASK_AGENT_MODEL": model,
        "AGENT_RATE_LIMIT_ENABLED": "true",
        "AGENT_MAX_RETRIES": "3",
        "MCP_SERVICE_URL": f"http://{environment.host}:{environment.mcp_port}",
        "LOG_LEVEL": environment.log_level,
    }
    return answer({key: value for key, value in settings.items() if value is not None})


@router.get("/credentials/mcp")
async def for_mcp(environment: Configured) -> JSONResponse:
    """What v1's MCP service asked for."""
    return answer({"LOG_LEVEL": environment.log_level})


async def _chat_model(rooms: Rooms) -> str | None:
    try:
        return (await rooms.settings.active("llm")).model
    except ConfigurationError:
        # Nothing is chosen yet: the settings go without a model, as v1's did on a fresh database.
        return None
