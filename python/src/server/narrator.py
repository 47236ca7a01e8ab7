"""The chat model that tells where passages stand in their documents, where the settings want that."""

from __future__ import annotations

from src.inference.chat import build_chat_model
from src.inference.models import ChatModel
from src.inference.provider import ActiveProvider
from src.inference.retry import NO_RETRIES
from src.ingest.situating import Narrator
from src.settings import CONTEXTS_AT_ONCE, CONTEXTS_WANTED, SettingsService

from .models import ModelInUse

_MOST_AT_ONCE = 64
_TRUE = frozenset({"true", "1", "yes", "on"})


class ChosenNarrator:
    """Gives the narrator of the settings in force: the chosen chat model alone.

    Its fallbacks are for people who wait; this work can wait for the model itself.
    """

    def __init__(self, settings: SettingsService) -> None:
        self._settings = settings
        self._chat: ModelInUse[ChatModel] = ModelInUse(settings, "llm", _once)
        self._made: Narrator | None = None

    async def __call__(self) -> Narrator | None:
        """The narrator; None where contextual embeddings are off.

        Raises:
            ConfigurationError: they are on, and the settings name no chat model that can be used.
            StoreError: the settings cannot be read.
        """
        values = (await self._settings.snapshot()).in_force()
        if values.get(CONTEXTS_WANTED, "").lower() not in _TRUE:
            return None
        chat, at_once = await self._chat(), _number(values.get(CONTEXTS_AT_ONCE, ""))
        if self._made is None or (self._made.chat, self._made.at_once) != (chat, at_once):
            self._made = Narrator(chat, at_once)
        return self._made


def _once(active: ActiveProvider) -> ChatModel:
    """Asked again by the job itself, which knows how long to wait and shows it."""
    return build_chat_model(active, policy=NO_RETRIES)


def _number(text: str) -> int:
    return min(max(int(text), 1), _MOST_AT_ONCE) if text.isdecimal() else 1
