"""Code written for Archon v1 replaces names of the public seams; these tests do as it does.

Everywhere else our own modules are never replaced. Here that is the subject: the names must exist and be used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeAlias
from unittest.mock import MagicMock

import pytest

from src.inference.discovery import forget_discoveries
from src.inference.pool import close_pool
from src.server.services import llm_provider_service
from src.server.services.credential_service import credential_service
from tests.fakes.model_server import ModelServer, running

Row: TypeAlias = dict[str, object]
MakeClient: TypeAlias = Callable[..., MagicMock]


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing cached before and after, and v1's environment."""
    monkeypatch.setenv("SUPABASE_URL", "https://test.supabase.co")
    monkeypatch.setenv("SUPABASE_SERVICE_KEY", "test")
    monkeypatch.setenv("ARCHON_DATA_DIR", str(tmp_path))
    for name in ("LLM_PROVIDER", "EMBEDDING_PROVIDER", "LLM_BASE_URL", "OPENAI_API_KEY", "VLLM_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    credential_service.detach()
    llm_provider_service.clear_provider_cache()
    yield
    credential_service.detach()
    llm_provider_service.clear_provider_cache()


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A real socket that records every request."""
    forget_discoveries()
    async with running() as one:
        yield one
        await close_pool()


def setting(key: str, value: str | None, **more: object) -> Row:
    """A row as Supabase gives it."""
    row = {"id": 1, "key": key, "value": value, "encrypted_value": None, "is_encrypted": False}
    return {**row, "category": "rag_strategy", "description": None, **more}


def supabase_with(*rows: Row) -> MagicMock:
    """A blocking client that answers every read with `rows`, whatever the table."""
    client = MagicMock()
    answer = MagicMock(data=list(rows))
    table = client.table.return_value
    table.select.return_value.execute.return_value = answer
    table.select.return_value.eq.return_value.execute.return_value = answer
    return client
