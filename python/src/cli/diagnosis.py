"""What `archon doctor` looks at: every part with its version, its state and what to do about it."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from src.config import REPOSITORY, Environment
from src.errors import ArchonError, JsonValue
from src.inference.registry import load_registry
from src.server.version import version
from src.settings import SecretBox, SettingsService
from src.store.database import Database
from src.store.place import StorePlace, place_of
from src.store.supabase_access import SETUP_STEP

from .gateway_program import GATEWAY
from .local_vllm.roles import ROLES
from .mcp_program import MCP
from .server_client import CallFailed, JsonObject, ServerClient
from .stack import SERVER, Stack

LOW_DISK_GB = 2.0
_INTERFACE = REPOSITORY / "archon-ui-main" / "dist" / "index.html"
_DEFAULT_STEP = "Run `make up`."


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `state` is ok, warning (works, but look at it), broken, or off (not wanted here)."""

    name: str
    state: str
    version: str = ""
    detail: str = ""
    next_step: str | None = None

    def public(self) -> dict[str, JsonValue]:
        """For JSON."""
        return dict(asdict(self))


async def diagnose(stack: Stack) -> list[Part]:
    """Every part of this installation, in the order in which one needs the other. Raises nothing of ours."""
    environment = stack.environment
    found = [Part("archon", "ok", version(), str(REPOSITORY)), _python(), _data_folder(environment)]
    found += await _database_parts(stack)
    found += [_server(stack), _mcp(stack), _gateway(stack), _interface()]
    found += [_model_server(stack, name) for name in range(len(ROLES))]
    if stack.is_healthy():
        found += await asyncio.to_thread(_providers, stack)
    return found


def is_broken(parts: list[Part]) -> list[Part]:
    """Those that keep Archon from working."""
    return [part for part in parts if part.state == "broken"]


def _python() -> Part:
    return Part("python", "ok", platform.python_version(), platform.platform(terse=True))


def _data_folder(environment: Environment) -> Part:
    folder = environment.data_dir
    if not folder.exists():
        return Part("data folder", "broken", detail=f"{folder} is not there yet.", next_step=_DEFAULT_STEP)
    if not os.access(folder, os.W_OK):
        step = "Correct its owner, or choose another folder with ARCHON_DATA_DIR."
        return Part("data folder", "broken", detail=f"{folder} cannot be written.", next_step=step)
    free_gb = shutil.disk_usage(folder).free / 1e9
    detail = f"{folder}, {free_gb:.1f} GB free"
    if free_gb < LOW_DISK_GB:
        return Part("data folder", "warning", detail=detail, next_step="Make room before the next large crawl.")
    return Part("data folder", "ok", detail=detail)


async def _database_parts(stack: Stack) -> list[Part]:
    try:
        place = await asyncio.to_thread(place_of(stack.environment).running)
        async with place.opened() as database:
            state = await database.state()
            detail = f"{state.kind}, pgvector {state.vector_version or 'missing'}, {state.location}"
            parts = [Part("database", "ok", f"Postgres {state.server_version}", detail), await _migrations(place)]
            return [*parts, await _secrets(stack.environment, database)]
    except ArchonError as error:
        return [Part("database", "broken", detail=error.message, next_step=error.next_step)]


async def _migrations(place: StorePlace) -> Part:
    state = await place.schema_state()
    step = SETUP_STEP if place.kind == "supabase" else "Run `archon migrate`."
    if state.unknown:
        detail = f"newer than this program: {', '.join(state.unknown)}"
        return Part("schema", "broken", detail=detail, next_step="Start the newer version of Archon.")
    if state.pending:
        names = ", ".join(file.path.name for file in state.pending)
        return Part("schema", "broken", detail=f"pending: {names}", next_step=step)
    files = state.files
    return Part("schema", "ok", files[-1].version if files else "", f"{len(files)} migrations applied, none pending")


async def _secrets(environment: Environment, database: Database) -> Part:
    try:
        box = SecretBox.of(environment.secret_key, environment.data_dir)
        service = SettingsService(database, box, environment, load_registry())
        unreadable = await service.unreadable_secrets()
        mark = box.fingerprint()
    except ArchonError as error:
        return Part("secret key", "broken", detail=error.message, next_step=error.next_step)
    where = f"from {'the variable ' if box.source == 'environment' else ''}{box.location}"
    if unreadable:
        detail = f"{where}; must be entered again: {', '.join(unreadable)}"
        step = "Enter them again in Settings, or restore the former key. The rest works."
        return Part("secret key", "broken", mark or "", detail, step)
    if mark is None:
        return Part("secret key", "ok", "", f"{where}; made with the first secret that is saved")
    return Part("secret key", "ok", mark, f"{where}; opens every stored secret")


def _server(stack: Stack) -> Part:
    running = stack.processes.find(SERVER)
    if stack.is_healthy():
        who = f"process {running.pid}, {running.memory_mb()} MB" if running else "not started by this checkout"
        return Part("server", "ok" if running else "warning", version(), f"{stack.address}, {who}")
    if running:
        step = f"Read {stack.processes.log(SERVER)}; `make down`, then `make up`."
        return Part("server", "broken", detail=f"process {running.pid} runs but is not ready", next_step=step)
    died = " It ended by itself." if stack.processes.was_started(SERVER) else ""
    return Part("server", "broken", detail=f"It does not run at {stack.address}.{died}", next_step=_DEFAULT_STEP)


def _mcp(stack: Stack) -> Part:
    running = stack.processes.find(MCP)
    if stack.mcp.is_alive():
        who = f"process {running.pid}" if running else "not started by this checkout"
        return Part("MCP", "ok" if running else "warning", version(), f"{stack.mcp.address}, {who}")
    if running is None and not stack.processes.was_started(MCP):
        return Part("MCP", "off", detail="It does not run; `make up` or `archon mcp` starts it.")
    step = f"Read {stack.processes.log(MCP)}; then run `make up`."
    return Part("MCP", "broken", detail=f"It does not answer at {stack.mcp.address}.", next_step=step)


def _gateway(stack: Stack) -> Part:
    gateway, running = stack.gateway, stack.processes.find(GATEWAY)
    health = gateway.health()
    if health is None:
        reason = gateway.why_not()
        if running is None and not stack.processes.was_started(GATEWAY):
            return Part("gateway", "off", detail=reason or "It does not run; `make up` or `make gateway` starts it.")
        step = f"Read {stack.processes.log(GATEWAY)}; then run `make up`."
        return Part("gateway", "broken", detail=f"It does not answer at {gateway.address}.", next_step=step)
    out = [upstream for upstream in _upstreams(health) if upstream.get("state") != "ready"]
    if not out:
        return Part("gateway", "ok", version(), f"{gateway.address}, {len(_upstreams(health))} model servers ready")
    names = ", ".join(f"{one.get('name')} ({one.get('state')})" for one in out)
    step = "Start these model servers; the gateway notices by itself."
    return Part("gateway", "warning", version(), f"{gateway.address}; not ready: {names}", step)


def _upstreams(health: Mapping[str, object]) -> list[dict[str, object]]:
    pools = health.get("pools")
    found = [pool.get("upstreams") for pool in pools if isinstance(pool, dict)] if isinstance(pools, list) else []
    return [one for ups in found if isinstance(ups, list) for one in ups if isinstance(one, dict)]


def _interface() -> Part:
    if _INTERFACE.exists():
        return Part("pages", "ok", detail=str(_INTERFACE.parent))
    return Part("pages", "broken", detail="The interface is not built.", next_step="Run `make up`; it builds it.")


def _model_server(stack: Stack, number: int) -> Part:
    role = ROLES[number]
    name = f"local {role.what}"
    reason = stack.why_models_are_off()
    if reason:
        return Part(name, "off", detail=reason)
    state = stack.models.state(role)
    detail = f"{role.model} at {state.address}: {state.state}"
    if state.pid:
        detail += f", process {state.pid}, {state.memory_mb} MB"
    if state.state == "ready":
        return Part(name, "ok", "0.32.0", detail)
    if state.state == "warming":
        return Part(name, "warning", "0.32.0", detail, "Wait a minute; the first start takes longest.")
    step = (
        f"Read {stack.processes.log(role.program)}; then run `make up`." if state.state == "failed" else _DEFAULT_STEP
    )
    return Part(name, "broken", detail=detail, next_step=step)


def _providers(stack: Stack) -> list[Part]:
    with ServerClient(stack.address, stack.environment.token) as server:
        try:
            settings = server.get("/api/settings")
        except CallFailed as failure:
            return [Part("providers", "broken", detail=str(failure), next_step=failure.next_step or None)]
        services, first_run = settings.get("services"), settings.get("first_run")
        if isinstance(first_run, dict) and not first_run.get("provider_chosen"):
            step = f"Open {stack.address} and choose one in Settings."
            return [Part("providers", "warning", detail="None is chosen yet.", next_step=step)]
        chosen = services.items() if isinstance(services, dict) else ()
        return [_provider(server, name, state) for name, state in chosen if isinstance(state, dict)]


def _provider(server: ServerClient, service: str, state: JsonObject) -> Part:
    name = f"provider for {service}"
    provider = state.get("provider")
    try:
        result = server.post(f"/api/providers/{provider}/check", {"service": service, "values": {}})
    except CallFailed as failure:
        return Part(name, "broken", detail=f"{provider}: {failure}", next_step=failure.next_step or None)
    if result.get("ok"):
        detail = f"{provider}, {result.get('model')} at {result.get('base_url')}, {result.get('latency_ms')} ms"
        return Part(name, "ok", str(result.get("server") or ""), detail)
    error = result.get("error")
    problem: JsonObject = error if isinstance(error, dict) else {}
    detail = f"{provider}: {problem.get('error', 'the check failed')}"
    return Part(name, "broken", detail=detail, next_step=str(problem.get("next_step") or "") or None)
