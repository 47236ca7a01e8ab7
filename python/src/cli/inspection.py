"""`archon status` and `archon doctor`."""

from __future__ import annotations

import asyncio

import typer

from src.config import load_environment
from src.store.place import place_of

from .diagnosis import diagnose, is_broken
from .gateway_program import GATEWAY
from .local_vllm.roles import ROLES, Role
from .lock import is_held
from .mcp_program import MCP
from .output import JsonOption, print_json, print_table
from .stack import SERVER, Stack
from .steps import Steps

app = typer.Typer()


@app.command()
def status(as_json: JsonOption = False) -> None:
    """What runs here, and where. Exits with 0 when the server answers."""
    stack = Stack(load_environment(), Steps(quiet=True))
    healthy = stack.is_healthy()
    rows = [_database(stack), _server(stack, healthy=healthy), _mcp(stack), _gateway(stack)]
    rows += [_model_server(stack, role) for role in ROLES]
    if as_json:
        print_json({"running": healthy, "address": stack.address, "programs": rows})
    else:
        cells = [(r["name"], r["state"], r["place"], f"{r['memory_mb']} MB" if r["memory_mb"] else "") for r in rows]
        print_table(("", "state", "", "memory"), [tuple(map(str, cell)) for cell in cells], state_column=1)
    raise typer.Exit(0 if healthy else 1)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Look at every part: version, state, next step. Exits with 1 when one is broken."""
    stack = Stack(load_environment(), Steps(quiet=True))
    parts = asyncio.run(diagnose(stack))
    broken = is_broken(parts)
    if as_json:
        print_json({"ok": not broken, "broken": [part.name for part in broken], "parts": [p.public() for p in parts]})
    else:
        rows = [(p.name, p.state, p.version, p.detail) for p in parts]
        print_table(("part", "state", "version", ""), rows, state_column=1)
        for step in dict.fromkeys(part.next_step for part in parts if part.next_step):
            names = ", ".join(part.name for part in parts if part.next_step == step)
            typer.echo(f"\n{names}\n  What to do: {step}")
    raise typer.Exit(1 if broken else 0)


def _database(stack: Stack) -> dict[str, object]:
    place = place_of(stack.environment)
    if place.embedded is None:
        return _row("database", "external", place.shown, 0)
    runs = stack.postgres.is_running()
    return _row("Postgres", "runs" if runs else "stopped", str(stack.postgres.folder), 0)


def _server(stack: Stack, *, healthy: bool) -> dict[str, object]:
    running = stack.processes.find(SERVER)
    state = "ready" if healthy else "starting" if running else "stopped"
    return _row("server", state, stack.address, running.memory_mb() if running else 0)


def _mcp(stack: Stack) -> dict[str, object]:
    running = stack.processes.find(MCP)
    if running is None:
        return _row("MCP", "stopped", stack.mcp.address, 0)
    return _row("MCP", "ready" if stack.mcp.is_alive() else "starting", stack.mcp.address, running.memory_mb())


def _gateway(stack: Stack) -> dict[str, object]:
    running = stack.processes.find(GATEWAY)
    if running is None:
        reason = stack.gateway.why_not()
        return _row("gateway", "off" if reason else "stopped", reason or stack.gateway.address, 0)
    state = "ready" if stack.gateway.is_alive() else "starting"
    return _row("gateway", state, stack.gateway.address, running.memory_mb())


def _model_server(stack: Stack, role: Role) -> dict[str, object]:
    reason = stack.why_models_are_off()
    found = stack.models.state(role)
    if found.state != "stopped":
        return _row(f"local {role.what}", found.state, found.address, found.memory_mb)
    if reason is not None:
        return _row(f"local {role.what}", "off", reason, 0)
    busy = is_held(stack.processes.run_dir)
    return _row(f"local {role.what}", "preparing" if busy else "stopped", found.address, 0)


def _row(name: str, state: str, place: str | None, memory_mb: int) -> dict[str, object]:
    return {"name": name, "state": state, "place": place or "", "memory_mb": memory_mb}
