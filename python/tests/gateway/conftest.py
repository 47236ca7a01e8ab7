"""A factory of misbehaving model servers and of gateways before them; everything is closed after the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from .door import Door, open_door
from .faulty import FaultyServer


class Stage:
    """What a test puts up."""

    def __init__(self) -> None:
        self._servers: list[FaultyServer] = []
        self._doors: list[Door] = []

    async def server(self, model: str = "m", kind: str = "chat", version: str | None = "0.32.0") -> FaultyServer:
        """A model server."""
        server = await FaultyServer(model, kind, version).start()
        self._servers.append(server)
        return server

    async def door(self, *servers: FaultyServer, **tables: object) -> Door:
        """A gateway before `servers`, when it has asked each of them once."""
        door = await open_door([server.url for server in servers], **tables)  # type: ignore[arg-type]
        self._doors.append(door)
        return door

    async def close(self) -> None:
        for door in self._doors:
            await door.close()
        for server in self._servers:
            await server.stop()
        await asyncio.sleep(0)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Puts up model servers and gateways."""
    stage = Stage()
    yield stage
    await stage.close()
