"""Looks at model servers are kept, and not without end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from src.store import model_looks
from src.store.database import Database
from src.store.model_looks import KEPT, Look


async def test_the_newest_looks_at_each_server_are_kept_for_a_week(database: Database) -> None:
    now = datetime.now(UTC)
    looks = [Look(now + timedelta(seconds=n), 1.5, {"code": "timeout"} if n % 2 else None) for n in range(KEPT + 2)]
    await model_looks.keep(database, "other", Look(now - timedelta(days=8), 2.0, None))
    for look in looks:
        await model_looks.keep(database, "one", look)
    assert await model_looks.kept(database, "one") == looks[2:]
    assert await model_looks.kept(database, "other") == []
