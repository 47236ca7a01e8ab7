"""The knowledge agent as the server has it: over the settings in force."""

from __future__ import annotations

from src.agents.knowledge.agent import KnowledgeAgent
from src.agents.knowledge.asked import AgentModel
from src.agents.knowledge.sessions import AgentChat
from src.inference.chat import build_chat_model
from src.inference.provider import ActiveProvider
from src.search.query import EmbedderFactory, SearchService
from src.settings import SettingsService
from src.store.database import Database

from .models import ModelInUse


def agent_model(active: ActiveProvider) -> AgentModel:
    """The chat model that `active` names, for an agent. Raises ConfigurationError."""
    return AgentModel(build_chat_model(active), active)


def agent_chat(
    database: Database, search: SearchService, settings: SettingsService, embedder: EmbedderFactory
) -> AgentChat:
    """Sessions with the knowledge agent; it works with the chat model that the settings in force name."""
    model: ModelInUse[AgentModel] = ModelInUse(settings, "llm", agent_model)
    return AgentChat(database, KnowledgeAgent(database, search, model, embedder), model)
