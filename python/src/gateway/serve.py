"""Listens, reloads on SIGHUP, drains on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from src.config import Environment
from src.errors import ArchonError, ConfigurationError, ErrorContext

from .app import Gateway
from .config import GatewayConfig
from .front import Front, Guests
from .log import AccessLog

_BACKLOG = 2048
_logger = logging.getLogger("archon.gateway")


@dataclass(slots=True)
class Listening:
    """A gateway that listens. `port` is the one really bound."""

    gateway: Gateway
    host: str
    port: int
    server: asyncio.Server = field(repr=False)
    guests: Guests = field(repr=False)

    async def drain(self) -> bool:
        """Take no more requests and let those under way end; False when time ran out and some were cut."""
        self.server.close()
        for front in self.guests:
            front.finish()
        try:
            async with asyncio.timeout(self.gateway.config.timeouts.drain_s):
                await self.guests.gone.wait()
        except TimeoutError:
            _logger.warning("%d requests did not end in time and were cut", len(self.guests))
        cut = len(self.guests)
        for front in self.guests:
            front.abort()
        await asyncio.sleep(0)
        await self.gateway.stop()
        return cut == 0


async def listen(
    config: GatewayConfig, environment: Environment, host: str, port: int, log: AccessLog | None = None
) -> Listening:
    """Bind and answer. Port 0 takes a free one.

    Raises:
        ConfigurationError: the port is taken, or the address may not be listened on without a key.
    """
    gateway = Gateway(config, environment, host, log)
    guests = Guests()
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(
            lambda: Front(gateway.handle, gateway.limits, gateway.deadlines, guests, gateway.refused),
            host.strip("[]"),
            port,
            backlog=_BACKLOG,
        )
    except OSError as error:
        raise ConfigurationError(
            f"The gateway cannot listen at {host}:{port}: {error.strerror or error}.",
            next_step="Stop what uses the port, or set ARCHON_GATEWAY_PORT.",
            context=ErrorContext(field="ARCHON_GATEWAY_PORT"),
        ) from error
    await gateway.start()
    return Listening(gateway, host, int(server.sockets[0].getsockname()[1]), server, guests)


async def serve_forever(
    environment: Environment, load: Callable[[], GatewayConfig], host: str, port: int, ready: Callable[[int], None]
) -> bool:
    """Serve until SIGTERM or SIGINT, then drain. Returns False when the drain had to cut requests.

    Raises:
        ConfigurationError: the configuration or the address cannot be used.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    listening = await listen(load(), environment, host, port)
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: reload(listening, load))
    ready(listening.port)
    await stop.wait()
    return await listening.drain()


def reload(listening: Listening, load: Callable[[], GatewayConfig]) -> bool:
    """Read the configuration again; one that cannot be used changes nothing and is logged."""
    try:
        listening.gateway.reload(load())
    except ArchonError as error:
        _logger.error("configuration not reloaded: %s %s", error.message, error.next_step)  # noqa: TRY400
        return False
    _logger.info("configuration reloaded")
    return True
