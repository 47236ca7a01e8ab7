"""A worker in a process of its own, to be killed: `python -m tests.ingest.worker_process DATABASE_URL MODEL_URL`."""

from __future__ import annotations

import asyncio
import sys

from src.store.postgres import PostgresDatabase

from .parts import open_service


async def main(database_url: str, model_url: str) -> None:
    database = await PostgresDatabase.connect(database_url)
    async with open_service(database, model_url):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
