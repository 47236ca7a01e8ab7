"""Figures of the installation: jobs by state, rows of the large tables, size of the database."""

from __future__ import annotations

from dataclasses import dataclass

from .columns import need
from .database import Database


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; `label` tells those of one name apart and may be blank. Row counts are the planner's estimate."""

    name: str
    label: str
    value: float


async def figures(database: Database) -> list[Figure]:
    """All figures, as of now. Raises StoreError."""
    rows = await database.call("archon_operation_figures")
    return [Figure(need(row, "name", str), need(row, "label", str), need(row, "value", float)) for row in rows]
