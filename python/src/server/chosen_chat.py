"""The chat model that a conversation names: of Settings, or of a connection."""

from __future__ import annotations

from src.inference.models import ChatModel
from src.settings.connections import ConnectionService
from src.settings.connections_settings import CHOSEN

from .fallbacks import ChatWithFallbacks


class ChosenChat:
    """Gives the chat model that a conversation names; where it names none, the default one: of Settings, with its
    fallbacks, unless a connection was made the default.
    """

    def __init__(self, in_settings: ChatWithFallbacks, connections: ConnectionService) -> None:
        self._in_settings = in_settings
        self._connections = connections

    async def __call__(self, connection_id: str | None, model: str | None) -> ChatModel:
        """The model of a connection (None: of the default one), another one of its server where `model` names it.

        Raises:
            NotFound: there is no such connection (any more).
            ConfigurationError: it cannot be used as it stands.
            StoreError: the database failed.
        """
        wanted = connection_id or await self._connections.default_id()
        if model is None and wanted == CHOSEN:
            return await self._in_settings()
        return await self._connections.chat_model(wanted, model)
