"""The server: `python -m src.server.main` listens on ARCHON_BIND:ARCHON_SERVER_PORT (127.0.0.1:8181)."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import structlog
import uvicorn
from fastapi import FastAPI

from src.config import REPOSITORY, Environment, garbage, load_environment
from src.config.access import AccessPolicy
from src.errors import ArchonError, ConfigurationError, ErrorContext

from . import errors_http
from .api_routes import ROUTERS
from .composition import open_rooms
from .edge import Edge
from .log import configure_logging
from .metrics import ServerMetrics
from .startup import Startup
from .tracing import tracing
from .ui_files import UiFiles
from .version import version

UI_FOLDER = REPOSITORY / "archon-ui-main" / "dist"
GRACE_S = 8
"""How long requests may take to end after a stop was asked for, in seconds."""


def create_app(environment: Environment, *, loaded: Callable[[], None] = lambda: None) -> FastAPI:
    """The application; its rooms open in the background once it runs, so that the port answers at once.

    `loaded` is called when all that the first requests need is loaded.

    Raises:
        ConfigurationError: `environment` asks for something that must not be served.
    """
    policy = AccessPolicy.of(environment)
    startup = Startup(partial(open_rooms, environment), loaded)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(startup.run())
            try:
                yield
            finally:
                startup.close()

    app = FastAPI(
        title="Archon",
        version=version(),
        lifespan=lifespan,
        # The usual pages load their scripts from elsewhere; the description itself is ours.
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.startup = startup
    app.state.policy = policy
    app.state.environment = environment
    app.state.ui = UiFiles(UI_FOLDER)
    app.state.metrics = ServerMetrics()
    errors_http.register(app)
    for router in ROUTERS:
        app.include_router(router)
    # Not a mount: a path that exists for another method must still answer 405.
    app.router.default = app.state.ui
    app.add_middleware(Edge, policy=policy, metrics=app.state.metrics)
    return app


class ArchonServer(uvicorn.Server):
    """Uvicorn that tells open event streams to end before it waits for them."""

    def __init__(self, config: uvicorn.Config, startup: Startup) -> None:
        super().__init__(config)
        self._startup = startup

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._startup.stopping.set()
        await super().shutdown(sockets)


def listen(environment: Environment) -> socket.socket:
    """The listening socket, bound before anything else is started.

    Raises:
        ConfigurationError: the address is taken or is not one of this machine's.
    """
    host, port = environment.host.strip("[]"), environment.server_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family=family)
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"The server cannot listen on {host}:{port}: {error.strerror}.",
            next_step="Stop what uses the port (`archon down`), or set ARCHON_SERVER_PORT to another one.",
            context=ErrorContext(field="ARCHON_SERVER_PORT"),
        ) from error
    return listener


def main() -> int:
    """Serve until stopped; 0 after a stop, 2 when the configuration forbids to start."""
    try:
        environment = load_environment()
        configure_logging(environment.log_level)
        app = create_app(environment, loaded=garbage.settle)
        listener = listen(environment)
    except ArchonError as error:
        sys.stderr.write(f"{error.message}\n{error.next_step}\n")
        return 2
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_keep_alive=65,
        timeout_graceful_shutdown=GRACE_S,
    )
    structlog.get_logger("archon.server").info("listening", address=environment.host, port=environment.server_port)
    for name in (signal.SIGTERM, signal.SIGINT):
        # Uvicorn stops in order on these, then raises them once more; that second time means nothing here.
        signal.signal(name, lambda _number, _frame: None)
    with tracing(environment, "archon-server"):
        ArchonServer(config, app.state.startup).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
