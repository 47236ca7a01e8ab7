"""`archon mcp`: the MCP server, by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Annotated

import typer

from src.config import Environment, load_environment
from src.errors import ArchonError

app = typer.Typer()


@app.command("mcp")
def mcp(
    host: Annotated[str | None, typer.Option(help="Address to listen at; ARCHON_BIND unless given.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen at; ARCHON_MCP_PORT unless given.")] = None,
) -> None:
    """Run the MCP server until it is told to stop. `archon up` starts it too; this is for running it elsewhere."""
    try:
        environment = load_environment()
        # Loaded here: the protocol's library takes as long as the rest of all commands, which do not need it.
        serve: Callable[[Environment], None] = import_module("src.mcp_server.mcp_server").serve
        serve(replace(environment, host=host or environment.host, mcp_port=port or environment.mcp_port))
    except ArchonError as error:
        typer.echo(f"{error.message}\n{error.next_step}", err=True)
        raise typer.Exit(1) from error
