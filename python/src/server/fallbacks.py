"""The chat model in use with its fallbacks behind it: how each of them is, and who answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog

from src.errors import ArchonError, ConfigurationError, JsonValue
from src.inference.chat import build_chat_model
from src.inference.discovery import list_models
from src.inference.fallback import (
    CHAIN,
    INTERVAL,
    TIMEOUT,
    FallbackChat,
    HealthBoard,
    LinkHealth,
    Look,
    ids_in,
    is_enabled,
    link_to,
)
from src.inference.models import ChatModel
from src.inference.provider import ActiveProvider
from src.inference.registry import Registry
from src.inference.retry import RetryPolicy
from src.settings import PROVIDER_KEYS, SettingsService

from .answer_counts import ANSWERS, PASSED_OVER
from .models import ModelInUse

_QUICK = RetryPolicy(attempts=2, base_s=0.2, cap_s=0.5)
"""Where another provider stands ready, the first is not waited for as long as where there is none."""
_LEAST_S = 1.0
_log = structlog.get_logger("archon.server.fallbacks")


class ChatWithFallbacks:
    """Gives the chat model of the settings in force: the chosen one alone, or with FALLBACK_CHAIN behind it."""

    def __init__(self, settings: SettingsService, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry
        self._alone: ModelInUse[ChatModel] = ModelInUse(settings, "llm", build_chat_model)
        self._first: ModelInUse[ChatModel] = ModelInUse(settings, "llm", _quick_model)
        self._behind: dict[str, tuple[ActiveProvider, ChatModel]] = {}
        self._board = HealthBoard()
        self._changed = asyncio.Event()
        settings.on_saved(self._changed.set)

    async def __call__(self) -> ChatModel:
        """The model to ask.

        Raises:
            ConfigurationError: the settings name none, or one that cannot be used.
            StoreError: the settings cannot be read.
        """
        values = (await self._settings.snapshot()).in_force()
        if not is_enabled(values):
            return await self._alone()
        models = [await self._first(), *(self._model(name, link) for name, link in self._usable(values))]
        return FallbackChat(models, self._board, _write_down)

    async def stand_in(self) -> tuple[ChatModel, ActiveProvider] | None:
        """Who answers for the chosen one while the last look at it failed, for callers that keep to one provider to the
        end; None where it answers, where there is no chain, and where all of it is down.

        Raises StoreError.
        """
        snapshot = await self._settings.snapshot()
        values = snapshot.in_force()
        if not is_enabled(values) or not self._board.is_down(snapshot.text(PROVIDER_KEYS["llm"]) or ""):
            return None
        standing = ((name, link) for name, link in self._usable(values) if not self._board.is_down(name))
        return next(((self._model(name, link), link) for name, link in standing), None)

    def forget(self) -> None:
        """Make all of them anew at the next call."""
        self._alone.forget()
        self._first.forget()
        self._behind.clear()

    async def health(self) -> dict[str, JsonValue]:
        """How the chosen provider and its fallbacks are; looks at them where that was longer ago than the interval.

        Raises:
            StoreError: the settings cannot be read.
        """
        enabled = await self._watch_what_is_chosen()
        if not self._board.is_fresh(time.time()):
            await self._board.look()
        seen = self._board.seen()
        fallbacks: list[JsonValue] = [self._row(link) for link in seen if link.role == "fallback"]
        primary: list[JsonValue] = [self._row(link) for link in seen if link.role == "primary"]
        return {
            "status": _word(seen),
            "enabled": enabled,
            "primary": next(iter(primary), None),
            "fallbacks": fallbacks,
            "interval_s": self._board.interval_s,
            "timeout_s": self._board.timeout_s,
        }

    def _row(self, link: LinkHealth) -> dict[str, JsonValue]:
        known = link.provider in self._registry
        return {"label": self._registry.get(link.provider).label if known else link.provider} | link.to_dict()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look at them in the background, as long as there is a chain."""
        task = asyncio.create_task(self._watch(), name="look at fallbacks")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            self._changed.clear()
            try:
                if await self._watch_what_is_chosen():
                    await self._board.look()
            except ArchonError as error:
                # The next look may find the database again; until then what is known stays.
                _log.warning("fallbacks_not_looked_at", code=error.code, error=error.message)
            try:
                async with asyncio.timeout(self._board.interval_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _watch_what_is_chosen(self) -> bool:
        snapshot = await self._settings.snapshot()
        values = snapshot.in_force()
        self._board.interval_s = _seconds(values, INTERVAL, self._board.interval_s)
        self._board.timeout_s = _seconds(values, TIMEOUT, self._board.timeout_s)
        chosen = snapshot.text(PROVIDER_KEYS["llm"]) or "none"
        looks: dict[str, tuple[str, Look]] = {chosen: ("primary", self._look_at_primary)}
        enabled = is_enabled(values)
        for name, link in self._links(values).items() if enabled else ():
            looks.setdefault(name, ("fallback", _look_at(link)))
        self._board.watch_only(looks)
        return enabled

    async def _look_at_primary(self) -> list[str]:
        return [*await _look_at(await self._settings.active("llm"))()]

    def _links(self, values: Mapping[str, str]) -> dict[str, ActiveProvider | ArchonError]:
        """Each provider of the chain, or why it cannot be used; the chosen one itself is left out."""
        found: dict[str, ActiveProvider | ArchonError] = {}
        for name in ids_in(values.get(CHAIN, "")):
            if name == values.get(PROVIDER_KEYS["llm"]):
                continue
            try:
                found[name] = link_to(name, values, self._registry)
            except ConfigurationError as error:
                found[name] = error
        return found

    def _usable(self, values: Mapping[str, str]) -> list[tuple[str, ActiveProvider]]:
        return [(name, link) for name, link in self._links(values).items() if isinstance(link, ActiveProvider)]

    def _model(self, name: str, link: ActiveProvider) -> ChatModel:
        known = self._behind.get(name)
        if known is None or known[0] != link:
            known = self._behind[name] = (link, _quick_model(link))
        return known[1]


def _write_down(chat: FallbackChat) -> None:
    """Log and count who answers, and who was passed over."""
    passed = [(provider, error.code) for provider, error in chat.failures if provider != chat.provider]
    ANSWERS.labels(chat.provider, "fallback" if passed else "primary").inc()
    for provider, code in passed:
        PASSED_OVER.labels(provider, code).inc()
    if passed:
        _log.warning("fallback_answers", provider=chat.provider, model=chat.model, passed_over=passed)


def _quick_model(active: ActiveProvider) -> ChatModel:
    return build_chat_model(active, policy=None if active.provider.keeps_v1_wire else _QUICK)


def _look_at(link: ActiveProvider | ArchonError) -> Look:
    async def look() -> list[str]:
        if isinstance(link, ArchonError):
            raise link
        return [model.name for model in await list_models(link.provider, link.endpoint) if model.serves("llm")]

    return look


def _word(seen: list[LinkHealth]) -> str:
    """`ok`: the chosen one answers; `degraded`: only a fallback does; `down`: none."""
    if any(link.healthy for link in seen if link.role == "primary"):
        return "ok"
    return "degraded" if any(link.healthy for link in seen) else "down"


def _seconds(values: Mapping[str, str], key: str, otherwise: float) -> float:
    try:
        return max(_LEAST_S, float(values.get(key, "")))
    except ValueError:
        return otherwise
