"""The composition root: every room is made here and nowhere else, and given what it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from src.agents.afterwards import Afterwards
from src.agents.answer import AnswerService
from src.agents.code_help.service import CodeHelpService
from src.agents.conversations import ConversationService
from src.agents.knowledge.sessions import AgentChat
from src.agents.naming import Namer
from src.agents.running import RunningAnswers
from src.agents.summing import Summariser
from src.config import Environment
from src.inference.discovery import resolve_model
from src.inference.embed import build_embedder
from src.inference.models import Embedder
from src.inference.pool import close_pool
from src.inference.registry import Registry, load_registry
from src.ingest.service import IngestService
from src.ingest.summaries import Summaries
from src.search.query import SearchService
from src.settings import ModelDiscovery, SecretBox, SettingsService
from src.settings.connections import ConnectionService
from src.store.conversations import ConversationRepository
from src.store.database import Database
from src.store.place import open_store

from .agent_room import ChosenAgentModel, agent_chat
from .chosen_chat import ChosenChat
from .embedding_fallbacks import AnsweringWithFallbacks
from .fallbacks import ChatWithFallbacks
from .ingest_room import ingest_room
from .model_watch import ModelWatch
from .models import ChosenReranker, ModelInUse
from .services.credential_service import CredentialService, credential_service

_log = structlog.get_logger("archon.server.composition")


@dataclass(frozen=True, slots=True)
class Rooms:
    """All that routes use."""

    environment: Environment
    database: Database
    registry: Registry
    settings: SettingsService
    credentials: CredentialService
    connections: ConnectionService
    code_help: CodeHelpService
    embedder: ModelInUse[Embedder]
    answering: AnsweringWithFallbacks
    chat_model: ChatWithFallbacks
    discover: ModelDiscovery
    ingest: IngestService
    search: SearchService
    agents: AgentChat
    chat: RunningAnswers
    chosen_chat: ChosenChat
    conversations: ConversationService
    afterwards: Afterwards
    watch: ModelWatch


@asynccontextmanager
async def open_rooms(environment: Environment) -> AsyncIterator[Rooms]:
    """The rooms over a migrated database; closed in the opposite order.

    Raises:
        StoreUnavailable, MigrationNeeded, StoreError: the database cannot be used.
        ConfigurationError: the database's address, the secret key or a provider file cannot be used.
    """
    async with open_store(environment) as (database, applied):
        if applied:
            _log.info("migrated", files=[migration.path.name for migration in applied])
        rooms = _rooms(environment, database)
        # The public seam of v1's code: one object of the process, which works on this server's database.
        credential_service.attach(rooms.settings)
        try:
            await rooms.ingest.resume_interrupted()
            summaries = Summaries(database, rooms.chat_model, rooms.answering)
            async with rooms.chat_model.watching(), summaries.working(), rooms.watch.working():
                yield rooms
        finally:
            await rooms.chat.close()
            await rooms.afterwards.close()
            await rooms.agents.close()
            await rooms.ingest.close()
            credential_service.detach()
            await close_pool()


def _rooms(environment: Environment, database: Database) -> Rooms:
    registry = load_registry()
    secrets = SecretBox.of(environment.secret_key, environment.data_dir)
    settings = SettingsService(database, secrets, environment, registry)
    embedder: ModelInUse[Embedder] = ModelInUse(settings, "embedding", build_embedder)
    chat_model = ChatWithFallbacks(settings, registry)
    connections = ConnectionService(settings)
    chosen_chat = ChosenChat(chat_model, connections)
    reranker = ChosenReranker(settings)
    ingest, of_space = ingest_room(environment, database, settings, embedder)
    answering = AnsweringWithFallbacks(of_space, settings, registry, database)
    search = SearchService(database, answering, reranker)
    afterwards, kept = Afterwards(), ConversationRepository(database)
    namer, summariser = Namer(kept, afterwards), Summariser(kept, afterwards)
    credential_service.on_change(embedder.forget)
    credential_service.on_change(chat_model.forget)
    credential_service.on_change(reranker.forget)
    return Rooms(
        environment=environment,
        database=database,
        registry=registry,
        settings=settings,
        credentials=credential_service,
        connections=connections,
        code_help=CodeHelpService(chosen_chat, search),
        embedder=embedder,
        answering=answering,
        chat_model=chat_model,
        discover=resolve_model,
        ingest=ingest,
        search=search,
        agents=agent_chat(database, search, ChosenAgentModel(settings, connections, chat_model), answering),
        chat=RunningAnswers(AnswerService(database, search, chosen_chat, answering, namer, summariser).ask),
        chosen_chat=chosen_chat,
        conversations=ConversationService(database, namer),
        afterwards=afterwards,
        watch=ModelWatch(settings, database),
    )
