"""`kill -9` at each boundary between stages, and at random moments: all is there exactly once, old or new."""

from __future__ import annotations

import pytest

from .crash import BOUNDARIES, crash, random_moments


@pytest.mark.timeout(240)
async def test_a_worker_killed_at_any_boundary_leaves_each_page_old_or_new(database_url: str) -> None:
    world, _ = await crash(database_url, BOUNDARIES)
    assert (world.faults, world.kills) == ([], len(BOUNDARIES))


@pytest.mark.timeout(240)
async def test_a_worker_killed_at_random_moments_leaves_each_page_old_or_new(database_url: str) -> None:
    world, lines = await crash(database_url, random_moments(10, seed=5))
    assert (world.faults, len(lines)) == ([], 10)
