"""Looks at model servers, so that their history outlives the program that looked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from src.errors import JsonValue

from . import columns
from .database import Database, Json

KEPT = 120
"""Looks kept of each server: two hours of a server of one's own."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: when, how long the server took for its list of models, and what went wrong (an error body), if so."""

    at: datetime
    took_ms: float
    error: dict[str, JsonValue] | None


async def keep(database: Database, server: str, look: Look) -> None:
    """Keep a look at `server`; its oldest go, and every server's after a week. Raises StoreError."""
    await database.call(
        "archon_model_look_keep",
        server=server,
        at=look.at,
        took_ms=look.took_ms,
        error=None if look.error is None else Json(look.error),
        most=KEPT,
    )


async def kept(database: Database, server: str) -> list[Look]:
    """The looks at `server`, oldest first. Raises StoreError."""
    rows = await database.call("archon_model_looks_of", server=server)
    return [
        Look(columns.moment(row, "at"), columns.need(row, "took_ms", float), columns.json_object(row, "error") or None)
        for row in rows
    ]
