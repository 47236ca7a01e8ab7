"""What all benches print: quartiles, and the machine and commit they were measured on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAIRS = 7
"""Alternating pairs that a figure needs at least."""
_SHARES = (("q1", 0.25), ("median", 0.5), ("q3", 0.75), ("p95", 0.95))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of `values` lie, linear between neighbours."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def spread(values: Sequence[float], unit: str) -> str:
    """Quartiles and 95th percentile of `values`, as a line."""
    shown = [f"{name} {percentile(values, share):.2f}" for name, share in _SHARES]
    return f"{' · '.join(shown)} {unit} (n={len(values)})"


def circumstances() -> str:
    """Load average, cores and commit: a figure means nothing without them."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    return f"load average {load}, {os.cpu_count()} cores, commit {commit.stdout.strip() or 'unknown'}"


def verdict(name: str, values: Sequence[float], bound: float, *, at_most: bool, cpu: str = "", unit: str = "") -> str:
    """A line on figures of pairs (ratios or differences): quartiles, and whether the median keeps to `bound`.

    Where the quartiles lie further apart than the median from the bound, the run decides nothing: the line says so
    and gives `cpu` (processor time per unit, which other programs on the machine do not stretch) instead.
    """
    low, middle, high = (percentile(values, share) for share in (0.25, 0.5, 0.75))
    wanted = f"{'at most' if at_most else 'at least'} {bound:g}{unit} wanted"
    figures = f"{name} {middle:.2f}{unit} (q1 {low:.2f}, q3 {high:.2f}, {len(values)} pairs; {wanted})"
    if len(values) < PAIRS or high - low > abs(middle - bound):
        return f"{figures}: not resolved here{f'; {cpu}' if cpu else ''}"
    return f"{figures}: {'held' if (middle <= bound) == at_most or middle == bound else 'NOT HELD'}"
