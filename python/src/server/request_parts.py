"""What routes ask of the application around them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import JSONResponse

from src.config import Environment
from src.config.access import AccessPolicy
from src.errors import JsonValue

from .composition import Rooms
from .startup import Startup
from .ui_files import UiFiles


async def startup_of(request: Request) -> Startup:
    """The start of this server, done or not."""
    startup: Startup = request.app.state.startup
    return startup


async def rooms_of(startup: Annotated[Startup, Depends(startup_of)]) -> Rooms:
    """The open rooms. Raises NotReady, or what kept them from opening."""
    return startup.rooms()


async def stopping_of(startup: Annotated[Startup, Depends(startup_of)]) -> asyncio.Event:
    """Set when the server shuts down."""
    return startup.stopping


async def policy_of(request: Request) -> AccessPolicy:
    """The access rules in force."""
    policy: AccessPolicy = request.app.state.policy
    return policy


async def environment_of(request: Request) -> Environment:
    """What the environment said at the start."""
    environment: Environment = request.app.state.environment
    return environment


async def ui_of(request: Request) -> UiFiles:
    """The built interface."""
    ui: UiFiles = request.app.state.ui
    return ui


InRooms = Annotated[Rooms, Depends(rooms_of)]
Starting = Annotated[Startup, Depends(startup_of)]
Stopping = Annotated[asyncio.Event, Depends(stopping_of)]
Policy = Annotated[AccessPolicy, Depends(policy_of)]
Configured = Annotated[Environment, Depends(environment_of)]
Ui = Annotated[UiFiles, Depends(ui_of)]


def answer(body: Mapping[str, JsonValue] | list[JsonValue], status: int = 200) -> JSONResponse:
    """`body` as JSON."""
    return JSONResponse(body, status_code=status)
