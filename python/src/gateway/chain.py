"""The gateway's fallbacks: chats that no pool can answer are relayed to other providers, and the answer says so."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from src.config import Environment
from src.errors import ArchonError, ConfigurationError, ErrorContext
from src.inference.address import parse_address
from src.inference.fallback import HealthBoard, can_fall_back, links
from src.inference.pools import Ability, Pool, Served
from src.inference.provider import ActiveProvider
from src.inference.registry import load_registry

from .config import GatewayConfig, PoolTable, UpstreamTable
from .deadlines import Deadlines
from .discovery import ask_models
from .fleet import Route
from .metrics import Metrics
from .server import Server
from .trip import AttemptFailed, Trip, Whole
from .verdict import Blame

if TYPE_CHECKING:
    from .relay import Relay

_ABILITIES = frozenset({Ability.CHAT, Ability.COMPLETIONS})


@dataclass(frozen=True, slots=True)
class Link:
    """One fallback: its provider, its server, and the way to it."""

    provider: str
    server: Server
    route: Route


class Chain:
    """The fallbacks in their order."""

    def __init__(self, chain: tuple[Link, ...], metrics: Metrics, board: HealthBoard) -> None:
        self.links = chain
        self.board = board
        self._metrics = metrics

    @classmethod
    def of(
        cls, config: GatewayConfig, environment: Environment, deadlines: Deadlines, metrics: Metrics
    ) -> Chain | None:
        """The chain that is configured; None when there is none.

        Raises:
            ConfigurationError: a provider of it is unknown or lacks its address, key or model.
        """
        table = config.fallback
        if not table.enabled or not table.chain:
            return None
        found = links(table.chain, environment.values, load_registry(), table.models)
        board = HealthBoard(interval_s=table.check_interval_s, timeout_s=table.check_timeout_s)
        chain = tuple(_link(active, config, deadlines) for active in found)
        for link in chain:
            board.watch(link.provider, "fallback", partial(_models, link.server, table.check_timeout_s))
        return cls(chain, metrics, board)

    def takes(self, ability: Ability, error: ArchonError) -> bool:
        """Whether a request that failed with `error` may go to a fallback; embeddings may not (another space)."""
        return ability in _ABILITIES and can_fall_back(error)

    async def answer(self, relay: Relay, trip: Trip, error: ArchonError) -> Whole | None:
        """The answer of the first fallback that has one; None when it was a stream and is sent.

        Raises:
            ArchonError: the first failure, when no fallback could answer either, or a fallback's refusal.
        """
        known_down = [link for link in self.links if self.board.is_down(link.provider)]
        for link in [*(one for one in self.links if one not in known_down), *known_down]:
            trip.provider = link.provider
            try:
                whole = await relay.attempt_on(trip, link.route, link.server)
            except AttemptFailed as failure:
                self._note(link, failure.verdict.error)
                if failure.verdict.blame is Blame.CLIENT:
                    raise failure.verdict.error from error
                continue
            self._note(link, None)
            return whole
        trip.provider = ""
        raise error

    def _note(self, link: Link, error: ArchonError | None) -> None:
        self.board.note(link.provider, error)
        self._metrics.fallbacks.labels(link.provider, error.code if error is not None else "answered").inc()


def _link(active: ActiveProvider, config: GatewayConfig, deadlines: Deadlines) -> Link:
    provider = active.provider
    listing = provider.listing.url or ""
    base_url = active.endpoint.base_url or listing.removesuffix("/models")
    if not base_url or not active.model:
        raise ConfigurationError(
            f"{provider.label} as a fallback needs a model.",
            next_step="Name it in gateway.toml under [fallback.models].",
            context=ErrorContext(field="fallback.models", provider=provider.id),
        )
    server = Server(
        provider.id,
        parse_address(base_url),
        key=active.endpoint.api_key,
        deadlines=deadlines,
        connect_s=config.timeouts.connect_s,
        limit=config.pools[0].max_outstanding,
        owner=provider.id,
    )
    server.api_at(urlsplit(base_url).path.rstrip("/"))
    server.upstream.admit(Served({active.model: None}, _ABILITIES))
    options = PoolTable(name=provider.id, upstreams=(UpstreamTable(url=base_url),), queue=0)
    pool = Pool(provider.id, [server.upstream], queue=0, queue_s=1.0, threshold=config.discovery.failures_to_eject)
    route = Route(pool, options, (server.upstream,), active.model, renamed=True, max_model_len=None)
    return Link(provider.id, server, route)


async def _models(server: Server, within_s: float) -> list[str]:
    return list(await ask_models(server, within_s))
