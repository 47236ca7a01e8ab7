"""All model servers in their pools, and the way from a request's model to the servers that can answer it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from src.config import Environment
from src.errors import (
    ArchonError,
    ConfigurationError,
    ErrorContext,
    FirstByteTimeout,
    ModelNotFound,
    ProviderUnavailable,
    UnsupportedFeature,
)
from src.inference.address import parse_address
from src.inference.pools import Ability, Pool, Served, Standing, Upstream

from .ask import PATH_OF_ABILITY
from .config import GatewayConfig, PoolTable, UpstreamTable
from .deadlines import Deadlines
from .dial import OwnLimit
from .discovery import ask_everything, ask_for_work, ask_health, ask_models
from .metrics import Metrics
from .same_vectors import require_same_vectors
from .server import Server
from .vitals import Pulse, feel_pulse

_WRONG_AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests for a model go. `model` is the servers' own name for it; `renamed`: the client used an alias."""

    pool: Pool
    options: PoolTable
    candidates: tuple[Upstream, ...]
    model: str
    renamed: bool
    max_model_len: int | None


class Fleet:
    """The servers. `start` begins to ask them; a new configuration keeps the state of servers that stay."""

    def __init__(self, config: GatewayConfig, environment: Environment, deadlines: Deadlines, metrics: Metrics) -> None:
        self.config = config
        self.metrics = metrics
        self.pools: list[tuple[Pool, PoolTable]] = []
        self.servers: dict[Upstream, Server] = {}
        self._leaving: list[Server] = []
        self._environment = environment
        self._deadlines = deadlines
        self._rows: dict[UpstreamTable, Upstream] = {}
        self._routes: dict[tuple[Ability, str | None], Route] = {}
        self._tasks: dict[Server, asyncio.Task[None]] = {}
        self._pokes: dict[Upstream, asyncio.Event] = {}
        self._looked: dict[Server, asyncio.Event] = {}
        self._pulses: dict[Server, Pulse] = {}
        self._build(config, {})

    def start(self) -> None:
        """Begin to watch the servers that are not watched yet."""
        for server in self.servers.values():
            if server not in self._tasks:
                self._pokes[server.upstream] = asyncio.Event()
                self._looked[server] = asyncio.Event()
                self._pulses[server] = Pulse()
                self._tasks[server] = asyncio.create_task(self._watch(server), name=f"watch {server.name}")

    async def first_look(self, within_s: float) -> None:
        """Return when every server has been asked once, or after `within_s` seconds."""
        looks = [look.wait() for look in self._looked.values()]
        try:
            async with asyncio.timeout(within_s):
                await asyncio.gather(*looks)
        except TimeoutError:
            return

    def reload(self, config: GatewayConfig) -> None:
        """Take `config` on. Requests under way keep their servers; those that are gone get no new ones."""
        before = {row: self.servers[upstream] for row, upstream in self._rows.items()}
        former = [pool for pool, _ in self.pools]
        self.config = config
        self._build(config, before)
        for server in [one for one in self._tasks if one.upstream not in self.servers]:
            self._tasks.pop(server).cancel()
            self._looked.pop(server)
            self._pulses.pop(server)
            server.dialer.close()
            self._leaving.append(server)
        for pool in former:
            pool.replace()
        self.start()

    @property
    def draining(self) -> list[Server]:
        """Servers that the configuration no longer names and that still work on requests begun before."""
        self._leaving = [server for server in self._leaving if server.upstream.outstanding]
        return self._leaving

    async def stop(self) -> None:
        """Stop watching and close idle connections."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for server in self.servers.values():
            server.dialer.close()

    def route(self, ability: Ability, model: str | None) -> Route:
        """The way of a request for `model` (None: the default of the first pool that can do it).

        Raises:
            UnsupportedFeature: the model is served, but not for this.
            ModelNotFound: nobody serves it; the message names what is served.
            ProviderUnavailable: a server that might serve it has not answered yet.
        """
        route = self._routes.get((ability, model))
        if route is None:
            route = self._find(ability, model)
            self._routes[(ability, model)] = route
        return route

    def models(self) -> dict[str, Upstream]:
        """Every name that can be asked for now, aliases too, with a server that is ready for it."""
        found: dict[str, Upstream] = {}
        for pool, options in self.pools:
            for model, ups in pool.models().items():
                ready = next((one for one in ups if one.standing is Standing.READY), None)
                if ready is not None:
                    found.setdefault(model, ready)
            for alias, model in options.aliases.items():
                if model in found:
                    found.setdefault(alias, found[model])
        return found

    def real_name(self, name: str) -> str:
        """The servers' own name behind an alias; any other name is its own."""
        return next((options.aliases[name] for _, options in self.pools if name in options.aliases), name)

    def ejected(self, upstream: Upstream) -> None:
        """Count an ejection and let its watcher know."""
        self.metrics.ejections.labels(upstream.name).inc()
        self.poke(upstream)

    def poke(self, upstream: Upstream) -> None:
        """Ask the server again soon: something about it has changed."""
        event = self._pokes.get(upstream)
        if event is not None:
            event.set()

    async def rediscover(self, upstream: Upstream) -> None:
        """Ask the server now what it serves, unless it was taken out. Raises as `ask_everything` does."""
        server = self.servers.get(upstream)
        if server is None:
            return
        served = await ask_everything(server, self.config.discovery.probe_timeout_s)
        await self._require_same_vectors(server, served)
        self._admit(server, served)

    def _build(self, config: GatewayConfig, before: dict[UpstreamTable, Server]) -> None:
        pools: list[tuple[Pool, PoolTable]] = []
        servers: dict[Upstream, Server] = {}
        self._rows = {}
        for table in config.pools:
            members = [self._server(row, table, before) for row in table.upstreams]
            servers.update({server.upstream: server for server in members})
            pool = Pool(
                table.name,
                [server.upstream for server in members],
                queue=table.queue,
                queue_s=table.queue_s,
                threshold=config.discovery.failures_to_eject,
            )
            pools.append((pool, table))
        self.pools, self.servers = pools, servers
        self._routes.clear()

    def _server(self, row: UpstreamTable, table: PoolTable, before: dict[UpstreamTable, Server]) -> Server:
        server = before.get(row) or Server(
            row.called,
            parse_address(row.url),
            key=row.key or (self._environment.get(row.key_env) if row.key_env else None),
            deadlines=self._deadlines,
            connect_s=self.config.timeouts.connect_s,
            limit=table.max_outstanding,
            owner=table.name,
            tls=row.tls() if row.url.startswith("https") else None,
        )
        self._rows[row] = server.upstream
        server.upstream.limit = table.max_outstanding
        server.owner = table.name
        server.dialer.connect_s = self.config.timeouts.connect_s
        return server

    def _find(self, ability: Ability, model: str | None) -> Route:
        for pool, options in self.pools:
            wanted = options.aliases.get(model, model) if model is not None else _default(pool, options, ability)
            candidates = pool.offering(ability, wanted) if wanted is not None else []
            if wanted is not None and candidates:
                served = candidates[0].served
                return Route(
                    pool=pool,
                    options=options,
                    candidates=tuple(candidates),
                    model=wanted,
                    renamed=wanted != model and (model is not None or options.default_model is not None),
                    max_model_len=served.models.get(wanted) if served is not None else None,
                )
        raise self._missing(ability, model)

    def _missing(self, ability: Ability, model: str | None) -> ArchonError:
        others = self._abilities_of(model) if model is not None else frozenset()
        if others:
            routes = ", ".join(sorted(PATH_OF_ABILITY[one] for one in others if one is not Ability.TOKENIZE))
            return UnsupportedFeature(
                f"The model '{model}' cannot be used for {ability.value}.",
                next_step=f"It is served for {routes}.",
                context=ErrorContext(field="model", model=model),
            )
        wrong = next((one.last_error for one in self.servers if one.standing is Standing.WRONG), None)
        if wrong is not None:
            return wrong
        new = [one.name for one in self.servers if one.standing is Standing.NEW]
        if new:
            return ProviderUnavailable(
                f"No server that has answered so far serves this; {', '.join(new)} has not answered yet.",
                next_step="Start it, or wait until it has loaded its model.",
                context=ErrorContext(retry_after_s=2.0, model=model),
            )
        known = ", ".join(sorted(self._names(ability))) or "none"
        return ModelNotFound(
            f"The model '{model}' is not served here." if model else f"No model here can be used for {ability.value}.",
            next_step=f"Served for {ability.value}: {known}.",
            context=ErrorContext(field="model", model=model),
        )

    def _abilities_of(self, model: str) -> frozenset[Ability]:
        found: set[Ability] = set()
        for pool, options in self.pools:
            for one in pool.members:
                if one.served is not None and options.aliases.get(model, model) in one.served.models:
                    found |= one.served.abilities
        return frozenset(found)

    def _names(self, ability: Ability) -> Iterable[str]:
        for pool, options in self.pools:
            models = pool.models(ability)
            yield from models
            yield from (alias for alias, model in options.aliases.items() if model in models)

    async def _watch(self, server: Server) -> None:
        upstream, poke = server.upstream, self._pokes[server.upstream]
        loop = asyncio.get_running_loop()
        while True:
            if upstream.ready:
                await self._look_again(server)
                pause = self.config.discovery.refresh_s
            else:
                await self._try_in(server)
                pause = max(0.0, upstream.probe_at - loop.time()) if not upstream.ready else 0.0
            self._looked[server].set()
            poke.clear()
            try:
                async with asyncio.timeout(pause or self.config.discovery.refresh_s):
                    await poke.wait()
            except TimeoutError:
                continue
            if upstream.standing is Standing.EJECTED:
                await asyncio.sleep(max(0.0, upstream.probe_at - loop.time()))

    async def _look_again(self, server: Server) -> None:
        """A server that is ready: does it still live, and does it still serve the same?"""
        within_s = self.config.discovery.probe_timeout_s
        try:
            await ask_health(server, within_s)
            models = await ask_models(server, within_s)
            if server.upstream.served is None or models != server.upstream.served.models:
                served = await ask_everything(server, within_s)
                await self._require_same_vectors(server, served)
                self._admit(server, served)
            now = asyncio.get_running_loop().time()
            await feel_pulse(server, self._pulses[server], now, self.config.discovery.hang_s, within_s)
        except FirstByteTimeout as error:
            self._hangs(server, error)
        except ConfigurationError as error:
            self._is_wrong(server.upstream, error)
        except OwnLimit:
            # Nothing is known of the server; it is asked again at the next look.
            return
        except ArchonError as error:
            self._failed(server, error)

    async def _require_same_vectors(self, server: Server, served: Served) -> None:
        """Raises ForeignVectors where another server that is ready embeds differently under the same name."""
        if Ability.EMBEDDINGS not in served.abilities:
            return
        for model in served.models:
            peers = [
                one
                for upstream, one in self.servers.items()
                if one is not server and upstream.ready and model in (upstream.served.models if upstream.served else ())
            ]
            if peers:
                await require_same_vectors(server, peers[0], model, self.config.discovery.probe_timeout_s)

    def _is_wrong(self, upstream: Upstream, error: ConfigurationError) -> None:
        """It is no model server: nothing is sent to it until that changes."""
        upstream.standing = Standing.WRONG
        upstream.last_error = error
        upstream.probe_at = asyncio.get_running_loop().time() + _WRONG_AGAIN_S

    def _hangs(self, server: Server, error: FirstByteTimeout) -> None:
        """Out with it, and let the requests that wait for it try elsewhere."""
        upstream = server.upstream
        upstream.last_error = error
        upstream.eject(asyncio.get_running_loop().time(), needs_proof=True)
        self.ejected(upstream)
        server.dialer.fail_all(error)

    async def _try_in(self, server: Server) -> None:
        """A server that is out: ask it, and let it work where its word is not enough."""
        upstream, within_s = server.upstream, self.config.discovery.probe_timeout_s
        now = asyncio.get_running_loop().time()
        try:
            served = await ask_everything(server, within_s)
            if upstream.needs_proof:
                await ask_for_work(server, served, within_s)
            await self._require_same_vectors(server, served)
        except ConfigurationError as error:
            self._is_wrong(upstream, error)
        except ArchonError as error:
            upstream.stay_out(now, error)
        else:
            self._admit(server, served)

    def _failed(self, server: Server, error: ArchonError) -> None:
        pool = next((pool for pool, _ in self.pools if server.upstream in pool.members), None)
        if pool is not None and pool.failed(server.upstream, error, asyncio.get_running_loop().time()):
            self.ejected(server.upstream)

    def _admit(self, server: Server, served: Served) -> None:
        server.upstream.admit(served)
        self._routes.clear()
        for pool, _ in self.pools:
            for _ in range(pool.queued):
                pool.wake(server.upstream)


def _default(pool: Pool, options: PoolTable, ability: Ability) -> str | None:
    """The model for requests that name none: the pool's own choice, else the first that is ready."""
    if options.default_model is not None:
        return options.aliases.get(options.default_model, options.default_model)
    models = pool.models(ability)
    ready = [model for model, ups in models.items() if any(one.standing is Standing.READY for one in ups)]
    return next(iter(ready or models), None)
