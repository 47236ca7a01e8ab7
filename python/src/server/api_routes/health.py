"""Whether the server works, and what is missing where it does not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from src.config.local_models import local_model_servers
from src.errors import ArchonError, JsonValue, MigrationNeeded, StoreUnavailable

from ..composition import Rooms
from ..errors_http import NotReady
from ..request_parts import Policy, Starting, Ui, answer
from ..startup import Startup
from ..ui_files import UiFiles, wants_html
from ..version import version

router = APIRouter()
PATIENCE_S = 2.0
"""Whoever asks for health wants an answer now; the pool itself would wait longer for a connection."""
_MODULES: list[JsonValue] = ["settings", "knowledge", "search", "chat"]


@dataclass(frozen=True, slots=True)
class Check:
    """One part's state."""

    name: str
    ok: bool
    detail: str | None = None
    next_step: str | None = None

    def public(self, *, whole: bool) -> dict[str, JsonValue]:
        """For JSON; without `whole` only name and state, for callers who did not show the token."""
        if not whole:
            return {"name": self.name, "ok": self.ok}
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "next_step": self.next_step}


@router.get("/")
async def root(request: Request, ui: Ui) -> Response:
    """The interface for a browser, v1's description for everybody else."""
    if wants_html(request.headers):
        return ui.page()
    body: dict[str, JsonValue] = {
        "name": "Archon",
        "version": version(),
        "description": "Knowledge platform for people and their AI assistants",
        "status": "healthy",
        "modules": _MODULES,
    }
    return answer(body)


@router.get("/health")
async def health(request: Request, startup: Starting, policy: Policy, ui: Ui) -> JSONResponse:
    """200 once requests can be served, 503 with the reason before."""
    problem, checks = await _state(startup)
    checks.append(_interface(ui))
    ready = problem is None
    whole = policy.authenticated(request.headers.get("authorization"), request.headers.get("cookie"))
    body: dict[str, JsonValue] = {
        "status": _word(problem),
        "service": "archon-backend",
        "ready": ready,
        "timestamp": _now(),
        "credentials_loaded": ready,
        "schema_valid": not isinstance(problem, MigrationNeeded),
        "version": version(),
        "checks": [check.public(whole=whole) for check in checks],
    }
    if problem is not None:
        body |= {"message": problem.message if whole else type(problem).meaning, "next_step": problem.next_step}
    if isinstance(problem, MigrationNeeded):
        body |= {"migration_required": True, "migration_instructions": problem.next_step}
    return answer(body, 200 if ready else 503)


@router.get("/api/health")
async def api_health(startup: Starting) -> JSONResponse:
    """v1's second health: 200 in every state."""
    problem, _ = await _state(startup)
    body: dict[str, JsonValue] = {
        "status": _word(problem),
        "service": "knowledge-api",
        "timestamp": _now(),
        "ready": problem is None,
    }
    if isinstance(problem, MigrationNeeded):
        body |= {
            "migration_required": True,
            "message": problem.message,
            "migration_instructions": problem.next_step,
        }
    return answer(body)


async def _state(startup: Startup) -> tuple[ArchonError | None, list[Check]]:
    rooms = startup.opened
    if rooms is None:
        problem = startup.problem or NotReady("Archon is starting: the database is not open yet.")
        return problem, [Check("database", ok=False, detail=problem.message, next_step=problem.next_step)]
    try:
        async with asyncio.timeout(PATIENCE_S):
            return None, [await _database(rooms), await _secrets(rooms), *_local_models(rooms)]
    except TimeoutError:
        error = StoreUnavailable(f"The database did not answer within {PATIENCE_S:.0f} seconds.")
        return error, [Check("database", ok=False, detail=error.message, next_step=error.next_step)]
    except ArchonError as error:
        return error, [Check("database", ok=False, detail=error.message, next_step=error.next_step)]


async def _database(rooms: Rooms) -> Check:
    state = await rooms.database.state()
    return Check("database", ok=True, detail=f"Postgres {state.server_version}, pgvector {state.vector_version}")


async def _secrets(rooms: Rooms) -> Check:
    """Secrets that the present key does not open; everything else works without them."""
    lost = await rooms.settings.unreadable_secrets()
    if not lost:
        return Check("secrets", ok=True)
    return Check(
        "secrets", ok=False, detail=f"Unreadable: {', '.join(lost)}.", next_step="Enter them again in Settings."
    )


def _local_models(rooms: Rooms) -> list[Check]:
    """The model servers that were started beside this one; they load for about a minute."""
    return [
        Check(f"local vLLM for {server.name}", ok=True)
        if server.is_warm
        else Check(
            f"local vLLM for {server.name}",
            ok=False,
            detail=f"Warming up at {server.address}: it loads its model.",
            next_step="Wait about a minute; everything that needs no model works already.",
        )
        for server in local_model_servers(rooms.environment.data_dir)
    ]


def _interface(ui: UiFiles) -> Check:
    if ui.is_built:
        return Check("interface", ok=True)
    return Check("interface", ok=False, detail="Not built.", next_step="Run `make up`; it builds the pages.")


def _word(problem: ArchonError | None) -> str:
    if problem is None:
        return "healthy"
    if isinstance(problem, MigrationNeeded):
        return "migration_required"
    return "initializing" if isinstance(problem, NotReady) else "unhealthy"


def _now() -> str:
    return datetime.now(UTC).isoformat()
