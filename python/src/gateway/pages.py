"""What the gateway says of itself: models, health, version, metrics, and the state of its pools for a page to draw."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from src.errors import ArchonError, ErrorContext, ModelNotFound
from src.inference.fallback import LinkHealth
from src.inference.pools import Pool, Standing, Upstream

from .config import PoolTable
from .figures import Figures
from .fleet import Fleet
from .metrics import Metrics
from .server import Server
from .status import first_tokens, summed, totals

Page: TypeAlias = "Callable[[], Awaitable[tuple[int, bytes, bytes]]]"
Told: TypeAlias = "Callable[[ArchonError | None], dict[str, object] | None]"

_JSON = b"application/json"
_BREAKER = {Standing.READY: 0, Standing.EJECTED: 1, Standing.NEW: 2, Standing.WRONG: 1}


class Pages:
    """The endpoints that need no model server."""

    def __init__(
        self,
        fleet: Fleet,
        metrics: Metrics,
        fallbacks: Callable[[], list[LinkHealth]],
        running: Callable[[], int],
    ) -> None:
        self._fleet = fleet
        self._running = running
        self._fallbacks = fallbacks
        self._metrics = metrics
        self._figures = Figures()
        self._started = int(time.time())
        self._pages: dict[bytes, Page] = {
            b"/v1/models": self._models,
            b"/health": self._health,
            b"/health/live": self._live,
            b"/version": self._version,
            b"/metrics": self._print_metrics,
            b"/gateway/status": self._status,
        }

    def find(self, path: bytes) -> Page | None:
        """The page at `path`; None when there is none."""
        page = self._pages.get(path)
        if page is None and path.startswith(b"/v1/models/"):
            name = unquote_to_bytes(path.removeprefix(b"/v1/models/")).decode("utf-8", "replace")
            return lambda: self._model(name)
        return page

    async def _models(self) -> tuple[int, bytes, bytes]:
        rows = [self._row(name, upstream) for name, upstream in self._fleet.models().items()]
        return 200, _JSON, _dump({"object": "list", "data": rows})

    async def _model(self, name: str) -> tuple[int, bytes, bytes]:
        models = self._fleet.models()
        if name not in models:
            raise ModelNotFound(
                f"The model '{name}' is not served here.",
                next_step=f"Served are: {', '.join(models) or 'none'}.",
                context=ErrorContext(field="model", model=name),
            )
        return 200, _JSON, _dump(self._row(name, models[name]))

    def _row(self, name: str, upstream: Upstream) -> dict[str, object]:
        served = upstream.served
        real = self._fleet.real_name(name)
        return {
            "id": name,
            "object": "model",
            "created": self._started,
            "owned_by": "archon-gateway",
            "root": real,
            "parent": real if real != name else None,
            "is_alias": real != name,
            "max_model_len": served.models.get(real) if served is not None else None,
            "abilities": sorted(served.abilities) if served is not None else [],
        }

    async def _health(self) -> tuple[int, bytes, bytes]:
        pools = [self._pool(pool, options, _without_words) for pool, options in self._fleet.pools]
        well = all(pool["can_serve"] for pool in pools)
        return (200 if well else 503), _JSON, _dump({"status": "ok" if well else "degraded", "pools": pools})

    async def _live(self) -> tuple[int, bytes, bytes]:
        return 200, _JSON, b'{"status":"ok"}'

    async def _version(self) -> tuple[int, bytes, bytes]:
        return 200, _JSON, _dump({"version": own_version(), "name": "archon-gateway"})

    async def _print_metrics(self) -> tuple[int, bytes, bytes]:
        metrics = self._metrics
        for gauge in (metrics.queued, metrics.outstanding, metrics.breaker, metrics.upstream_up):
            gauge.clear()  # servers that a new configuration no longer names
        for pool, _ in self._fleet.pools:
            metrics.queued.labels(pool.name).set(pool.queued)
            for one in pool.members:
                metrics.outstanding.labels(one.name).set(one.outstanding)
                metrics.breaker.labels(one.name).set(_BREAKER[one.standing])
                metrics.upstream_up.labels(one.name).set(one.ready)
        return 200, b"text/plain; version=0.0.4; charset=utf-8", metrics.page()

    async def _status(self) -> tuple[int, bytes, bytes]:
        await self._figures.refresh(self._fleet.servers)
        pools = [
            self._pool(pool, options, _error) | {"options": _options(options)} for pool, options in self._fleet.pools
        ]
        fallback = self._fleet.config.fallback
        return (
            200,
            _JSON,
            _dump(
                {
                    "version": own_version(),
                    "started": self._started,
                    "totals": totals(self._metrics, self._running() - 1),
                    "first_token": first_tokens(self._metrics),
                    "draining": [self._leaving(server) for server in self._fleet.draining],
                    "fallback": {
                        "enabled": fallback.enabled,
                        "chain": fallback.chain,
                        "links": [link.to_dict() for link in self._fallbacks()],
                    },
                    "pools": pools,
                }
            ),
        )

    def _pool(self, pool: Pool, options: PoolTable, told: Told) -> dict[str, object]:
        return {
            "name": pool.name,
            "can_serve": pool.can_serve(),
            "queued": pool.queued,
            "models": sorted(pool.models()),
            "aliases": options.aliases,
            "upstreams": [self._upstream(one, told) for one in pool.members],
        }

    def _leaving(self, server: Server) -> dict[str, object]:
        return {"name": server.name, "url": server.address.root, "outstanding": server.upstream.outstanding}

    def _upstream(self, one: Upstream, told: Told) -> dict[str, object]:
        served, server = one.served, self._fleet.servers[one]
        return {
            "name": one.name,
            "url": server.address.root,
            "state": one.standing.value,
            "outstanding": one.outstanding,
            "limit": one.limit,
            "ejections": one.ejections,
            "failures": one.failures,
            "back_in_s": self._back_in(one),
            "last_error": told(one.last_error),
            "models": served.models if served is not None else {},
            "abilities": sorted(served.abilities) if served is not None else [],
            "version": served.version if served is not None else None,
            "figures": self._figures.of(one),
            "requests": round(sum(summed(self._metrics.attempts, "upstream", upstream=one.name).values())),
            "errors": summed(self._metrics.upstream_errors, "error", upstream=one.name),
        }

    def _back_in(self, one: Upstream) -> float | None:
        """Seconds until the next probe of a server that is out."""
        if one.ready:
            return None
        return round(max(0.0, one.probe_at - asyncio.get_running_loop().time()), 2)


def own_version() -> str:
    """The product's version."""
    try:
        return version("archon")
    except PackageNotFoundError:
        # a checkout that was never installed as a package
        return "0.1.0"


def _options(options: PoolTable) -> dict[str, object]:
    return options.model_dump(include={"affinity", "heal", "queue", "queue_s", "split_inputs", "default_model"})


def _error(error: ArchonError | None) -> dict[str, object] | None:
    if error is None:
        return None
    return {"message": error.message, "code": error.code, "next_step": error.next_step}


def _without_words(error: ArchonError | None) -> dict[str, object] | None:
    """The error without what the server said, which may repeat a prompt: the page is open to everybody."""
    told = _error(error)
    if told is not None and error is not None and error.context.upstream_message:
        told["message"] = error.meaning
    return told


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
