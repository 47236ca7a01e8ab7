"""Fixtures of chat: the filled store of search, and answers over it by a scripted model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from src.agents.answer import AnswerService
from src.inference.models import ChatModel
from src.search.query import SearchService
from src.store.postgres import PostgresDatabase
from tests.search.conftest import embedder, service, space
from tests.search.shelf import WireEmbedder

__all__ = ["embedder", "service", "space"]

T = TypeVar("T")
Answering = Callable[[ChatModel], AnswerService]


def giving(value: T) -> Callable[..., Awaitable[T]]:
    """A factory that gives `value`, whatever is named."""

    async def give(*_named: str | None) -> T:
        return value

    return give


@pytest.fixture
def answering(database: PostgresDatabase, service: SearchService, embedder: WireEmbedder) -> Answering:
    """An answer service whose chat model is the given one."""

    def make(model: ChatModel) -> AnswerService:
        return AnswerService(database, service, giving(model), giving(embedder))

    return make
