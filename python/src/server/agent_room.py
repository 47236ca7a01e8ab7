"""The knowledge agent as the server has it: over the settings in force and the connections."""

from __future__ import annotations

from src.agents.knowledge.agent import KnowledgeAgent
from src.agents.knowledge.asked import AgentModel
from src.agents.knowledge.sessions import AgentChat
from src.inference.chat import build_chat_model
from src.inference.provider import ActiveProvider
from src.search.query import EmbedderFactory, SearchService
from src.settings import SettingsService
from src.settings.connections import ConnectionService
from src.settings.connections_settings import CHOSEN
from src.settings.connections_wire import limits_of
from src.store.database import Database

from .fallbacks import ChatWithFallbacks
from .models import ModelInUse


def agent_model(active: ActiveProvider) -> AgentModel:
    """The chat model that `active` names, for an agent. Raises ConfigurationError."""
    return AgentModel(build_chat_model(active), active)


class ChosenAgentModel:
    """Gives the model that a question to the agent names: of a connection, by default of the one a chat would use.

    An agent keeps to one provider for all its steps: a fallback answers where the last look at the chosen one failed.
    """

    def __init__(self, settings: SettingsService, connections: ConnectionService, fallbacks: ChatWithFallbacks) -> None:
        self._in_settings: ModelInUse[AgentModel] = ModelInUse(settings, "llm", agent_model)
        self._connections = connections
        self._fallbacks = fallbacks

    async def __call__(self, connection_id: str | None, model: str | None) -> AgentModel:
        """The model of a connection (None: of the default one), another one of its server where `model` names it.

        Raises:
            NotFound: there is no such connection (any more).
            ConfigurationError: it cannot be used as it stands.
            StoreError: the database failed.
        """
        wanted = connection_id or await self._connections.default_id()
        if model is None and wanted == CHOSEN:
            stand_in = await self._fallbacks.stand_in()
            return AgentModel(*stand_in) if stand_in else await self._in_settings()
        chat = await self._connections.chat_model(wanted, model)
        active, limits = await self._connections.active(wanted, model), limits_of(chat)
        if limits is None:
            return AgentModel(chat, active)
        return AgentModel(chat, active, limits.deadlines, limits.max_tokens, limits.temperature)


def agent_chat(
    database: Database, search: SearchService, model: ChosenAgentModel, embedder: EmbedderFactory
) -> AgentChat:
    """Sessions with the knowledge agent, which works with the models that `model` gives."""
    return AgentChat(database, KnowledgeAgent(database, search, model, embedder), model)
