"""A worker in a process of its own, to be killed: `… -m tests.ingest.worker_process DATABASE_URL MODEL_URL [CHAT_URL]`.

With a chat server it has contexts written.
"""

from __future__ import annotations

import asyncio
import sys

from src.store.postgres import PostgresDatabase

from .parts import narrators, open_service


async def main(database_url: str, model_url: str, chat_url: str | None = None) -> None:
    database = await PostgresDatabase.connect(database_url)
    told_by = narrators(chat_url) if chat_url else None
    async with open_service(database, model_url, narrators=told_by):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
