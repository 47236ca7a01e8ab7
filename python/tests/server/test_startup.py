"""When the server is ready, and when all that its first requests need is loaded."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from src.config import REPOSITORY
from src.server.composition import Rooms
from src.server.startup import Startup


async def test_it_is_said_when_all_is_loaded_and_the_rooms_are_open_then() -> None:
    rooms, loaded = cast("Rooms", object()), asyncio.Event()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Rooms]:
        yield rooms

    startup = Startup(opened, loaded.set)
    running = asyncio.create_task(startup.run())
    await asyncio.wait_for(loaded.wait(), 60)
    assert startup.rooms() is rooms
    startup.close()
    await running


def test_what_is_loaded_is_left_out_of_looks_for_garbage() -> None:
    program = "import gc; from src.config import garbage; garbage.settle(); print(gc.get_freeze_count() > 1000)"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY / "python", capture_output=True, text=True, check=True
    )
    assert ran.stdout == "True\n"
