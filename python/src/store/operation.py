"""Figures of the installation: jobs by state, rows of the large tables, size of the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .columns import maybe, moment, need
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


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that holds `jobs` jobs or looks after the whole store (`duty`), until its lease ends."""

    name: str
    jobs: int
    duty: str | None
    lease_until: datetime


async def workers(database: Database) -> list[Worker]:
    """Every process with work in hand. Raises StoreError."""
    return [
        Worker(need(row, "worker", str), need(row, "jobs", int), maybe(row, "duty", str), moment(row, "lease_until"))
        for row in await database.call("archon_workers")
    ]
