"""`archon gateway`: one OpenAI-compatible address for several model servers."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from src.config import Environment, garbage, load_environment
from src.errors import ArchonError
from src.gateway.config import GatewayConfig, LocalServers, load_config
from src.gateway.serve import serve_forever

from .local_vllm.roles import CHAT, EMBEDDINGS

app = typer.Typer()


@app.command("gateway")
def gateway(
    host: Annotated[str | None, typer.Option(help="Address to listen at.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen at; 0 takes a free one.")] = None,
    config: Annotated[Path | None, typer.Option(help="gateway.toml to read.")] = None,
    check: Annotated[bool, typer.Option(help="Only say whether the configuration can be used.")] = False,
) -> None:
    """Run the gateway until it is told to stop. SIGHUP reads the configuration again, SIGTERM drains."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        environment = load_environment()
        first = load_config(environment, config, _local(environment))
        if check:
            typer.echo(f"The configuration can be used; pools: {', '.join(pool.name for pool in first.pools)}.")
            return
        whole = uvloop.run(_run(environment, config, host, port))
    except ArchonError as error:
        typer.echo(f"{error.message}\n{error.next_step}", err=True)
        raise typer.Exit(1) from error
    raise typer.Exit(0 if whole else 1)


def _local(environment: Environment) -> LocalServers:
    chat, embedding = (f"http://127.0.0.1:{role.port_in(environment)}" for role in (CHAT, EMBEDDINGS))
    return LocalServers(chat, embedding)


async def _run(environment: Environment, file: Path | None, host: str | None, port: int | None) -> bool:
    address = host or environment.host
    asyncio.get_running_loop().set_debug(False)

    def load() -> GatewayConfig:
        fresh = load_environment()
        return load_config(fresh, file, _local(fresh))

    def ready(bound: int) -> None:
        garbage.settle()
        typer.echo(f"The gateway answers at http://{address}:{bound}/v1", err=True)

    return await serve_forever(environment, load, address, environment.gateway_port if port is None else port, ready)
