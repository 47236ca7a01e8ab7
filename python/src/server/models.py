"""The models in use: made from the settings in force, kept until those change."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from src.inference.discovery import forget_discoveries
from src.inference.provider import ActiveProvider, Service
from src.inference.rerank import Reranker
from src.settings import PROVIDER_KEYS, SettingsService

T = TypeVar("T")
KEEP_S = 300.0
"""A model that was found by asking may be another one after its server was restarted."""


@dataclass(frozen=True, slots=True)
class _Made(Generic[T]):
    active: ActiveProvider
    model: T
    at: float

    def serves(self, active: ActiveProvider) -> bool:
        """Whether it is still what `active` asks for."""
        return self.active == active and (active.model is not None or time.monotonic() - self.at < KEEP_S)


class ModelInUse(Generic[T]):
    """One service's model. Calling it gives the one that the settings in force name."""

    def __init__(self, settings: SettingsService, service: Service, build: Callable[[ActiveProvider], T]) -> None:
        self._settings = settings
        self._service = service
        self._build = build
        self._made: _Made[T] | None = None
        settings.on_saved(self.forget)

    async def __call__(self) -> T:
        """The model in use.

        Raises:
            ConfigurationError: the settings name none, or one that cannot be used.
            StoreError: the settings cannot be read.
        """
        active = await self._settings.active(self._service)
        if self._made is None or not self._made.serves(active):
            self._made = _Made(active, self._build(active), time.monotonic())
        return self._made.model

    def forget(self) -> None:
        """Make it anew at the next call, and ask its server again what it serves."""
        self._made = None
        forget_discoveries()


class ChosenReranker:
    """The reranker in use, where somebody chose one."""

    def __init__(self, settings: SettingsService) -> None:
        self._settings = settings
        self._model: ModelInUse[Reranker] = ModelInUse(settings, "rerank", Reranker)

    async def __call__(self) -> Reranker | None:
        """The reranker in use; None where none is chosen. Raises as `ModelInUse` does."""
        chosen = (await self._settings.snapshot()).text(PROVIDER_KEYS["rerank"])
        return await self._model() if chosen else None

    def forget(self) -> None:
        """Make it anew at the next call."""
        self._model.forget()
