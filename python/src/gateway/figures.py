"""vLLM's own figures (running, waiting, KV cache) for the status page. Scraped only while somebody looks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from src.errors import ArchonError
from src.inference.pools import Upstream

from .server import Server

_FRESH_S = 1.5
_SCRAPE_S = 2.0
_NAMES = {
    b"vllm:num_requests_running": "running",
    b"vllm:num_requests_waiting": "waiting",
    b"vllm:kv_cache_usage_perc": "kv_cache_used",
    b"vllm:prompt_tokens_total": "prompt_tokens",
    b"vllm:generation_tokens_total": "generated_tokens",
}
_SAMPLE = re.compile(rb"^(vllm:[a-z_]+)\{[^}]*\} ([0-9.eE+-]+)$", re.M)


class Figures:
    """The last scrape of each server that is ready."""

    def __init__(self) -> None:
        self._found: dict[Upstream, dict[str, float]] = {}
        self._at = 0.0

    async def refresh(self, servers: Mapping[Upstream, Server]) -> None:
        """Scrape all servers at once, unless that was done a moment ago."""
        now = asyncio.get_running_loop().time()
        if now - self._at < _FRESH_S:
            return
        self._at = now
        ready = [one for one in servers if one.ready]
        found = await asyncio.gather(*(scrape(servers[one]) for one in ready))
        self._found = {one: figures for one, figures in zip(ready, found, strict=True) if figures}

    def of(self, upstream: Upstream) -> dict[str, float] | None:
        """The figures of `upstream`; None when it has none (no vLLM, or it did not answer)."""
        return self._found.get(upstream)


async def scrape(server: Server) -> dict[str, float]:
    """The figures now; empty when the server exports none or does not answer in time."""
    try:
        status, page = await server.get("/metrics", _SCRAPE_S)
    except ArchonError:
        # the page shows the server's state beside it; missing figures are not a failure of their own
        return {}
    return read_figures(page) if status == 200 else {}


def read_figures(page: bytes) -> dict[str, float]:
    """vLLM's gauges and counters in a Prometheus page, summed over engines."""
    figures: dict[str, float] = {}
    for name, value in _SAMPLE.findall(page):
        short = _NAMES.get(name)
        if short is not None:
            figures[short] = figures.get(short, 0.0) + float(value)
    return figures
