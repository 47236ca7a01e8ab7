"""Tells a server that works silently from one that hangs.

A plain call shows no sign of life until its end, and `/health` is 200 while vLLM's engine hangs. Where nothing at all
came from a server that has requests of ours, its own counters say whether it still produces tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

from src.errors import ErrorContext, FirstByteTimeout

from .figures import read_figures
from .server import Server


@dataclass(slots=True)
class Pulse:
    """What a server's counters showed last, and since when they have stood still (the loop's clock)."""

    tokens: float = -1.0
    still_since: float = 0.0


async def feel_pulse(server: Server, pulse: Pulse, now: float, hang_s: float, within_s: float) -> None:
    """Look whether `server` gets on with its work; servers without vLLM's counters pass.

    Raises:
        FirstByteTimeout: it has work and has produced no token for `hang_s` seconds.
        ProviderError: it does not answer.
    """
    heard, server.dialer.heard = server.dialer.heard, False
    if heard or not server.upstream.outstanding or not hang_s:
        pulse.tokens = -1.0
        return
    status, page = await server.get("/metrics", within_s)
    figures = read_figures(page) if status == 200 else {}
    tokens = figures.get("prompt_tokens", 0.0) + figures.get("generated_tokens", 0.0)
    if not figures.get("running", 0.0) + figures.get("waiting", 0.0) or tokens != pulse.tokens:
        pulse.tokens, pulse.still_since = tokens, now
        return
    still_s = now - pulse.still_since
    if still_s >= hang_s:
        raise FirstByteTimeout(
            f"{server.name} has requests but has produced nothing for {still_s:.0f} s: its engine hangs.",
            context=ErrorContext(connection=server.name),
        )
