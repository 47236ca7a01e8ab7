"""What must hold whatever the settings hold."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from unittest.mock import MagicMock, patch

import openai
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from src.errors import ArchonError
from src.inference.discovery import forget_discoveries
from src.inference.registry import load_registry
from src.server.services import llm_provider_service
from src.server.services.credential_service import credential_service
from src.server.services.embeddings.embedding_service import create_embeddings_batch
from src.server.services.llm_provider_service import get_embedding_model, get_llm_client
from tests.fakes.model_server import ModelServer, Reply, Request, model_row

from .conftest import Row, setting, supabase_with

SHARED = {"MODEL_CHOICE": "gpt-4.1-nano", "EMBEDDING_MODEL": "text-embedding-3-small"}
VLLM_KEYS = [
    "VLLM_BASE_URL",
    "VLLM_EMBEDDING_BASE_URL",
    "VLLM_API_KEY",
    "VLLM_CHAT_MODEL",
    "VLLM_EMBEDDING_MODEL",
    "VLLM_QUERY_PREFIX",
]
BLANK = [None, "", " ", "\t\n", [], {}]
NO_ADDRESS = st.sampled_from([*BLANK, "ftp://x", "http://", "::::", "a b", "http://127.0.0.1:99999"])
NO_NAME = st.sampled_from(BLANK)
ADDRESS = st.sampled_from(["{url}", "{url}/", "{url}/v1", " {url}/v1/models ", "{host}", "{url}/v1/chat/completions"])
NAME = st.sampled_from(["fake-model", " fake-model ", "other-model"])
STORED = st.fixed_dictionaries(
    {},
    optional={key: NO_ADDRESS | ADDRESS if key.endswith("URL") else NO_NAME | NAME for key in VLLM_KEYS},
)
MANY = budget(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FEW = budget(MANY, max_examples=8)
"""For clients of the SDK's own making: each reads the machine's certificate authorities anew."""
V1_PROVIDERS = [provider.id for provider in load_registry().all() if provider.keeps_v1_wire]


def rows_of(stored: dict[str, object], server: ModelServer | None, **more: str) -> list[Row]:
    values: dict[str, object] = {**SHARED, **more}
    for key, value in stored.items():
        is_address = isinstance(value, str) and server is not None
        values[key] = value.format(url=server.url, host=f"127.0.0.1:{server.port}") if is_address else value
    return [{**setting(key, None), "value": value} for key, value in values.items()]


def forget_everything() -> None:
    credential_service.forget()
    llm_provider_service.clear_provider_cache()
    forget_discoveries()


async def chat() -> None:
    active = await credential_service.get_active_provider("llm")
    async with get_llm_client() as client:
        await client.chat.completions.create(
            model=active["chat_model"],  # type: ignore[arg-type]
            messages=[{"role": "user", "content": "x"}],
        )


async def use_both() -> None:
    """Ask for a chat and for vectors; whatever cannot be is one of our errors, anything else fails the test."""
    for work in (chat(), create_embeddings_batch(["a", "b"]), get_embedding_model()):
        with suppress(ArchonError):
            await work


def names_its_model(request: Request, stored: dict[str, object]) -> bool:
    key = "VLLM_CHAT_MODEL" if "chat" in request.path else "VLLM_EMBEDDING_MODEL"
    chosen = stored.get(key)
    name = chosen.strip() if isinstance(chosen, str) and chosen.strip() else "fake-model"
    return bool(request.json()["model"] == name)


@MANY
@given(stored=STORED)
async def test_vllm_is_never_asked_without_its_address_and_its_model(
    server: ModelServer, stored: dict[str, object]
) -> None:
    forget_everything()
    server.requests.clear()
    rows = rows_of(stored, server, LLM_PROVIDER="vllm", EMBEDDING_PROVIDER="vllm")
    with patch.object(credential_service, "_get_supabase_client", return_value=supabase_with(*rows)):
        await use_both()
    posted = [request for request in server.requests if request.method == "POST" and request.path != "/tokenize"]
    assert all(names_its_model(request, stored) for request in posted)
    assert {request.path for request in posted} <= {"/v1/chat/completions", "/v1/embeddings"}


@MANY
@given(before=STORED, gone=st.sets(st.sampled_from(VLLM_KEYS)))
async def test_settings_deleted_meanwhile_send_nothing_strange(
    server: ModelServer, before: dict[str, object], gone: set[str]
) -> None:
    forget_everything()
    server.requests.clear()
    after = {key: value for key, value in before.items() if key not in gone}
    choice = {"LLM_PROVIDER": "vllm", "EMBEDDING_PROVIDER": "vllm"}
    clients = [supabase_with(*rows_of(stored, server, **choice)) for stored in (before, after)]
    answers = iter([clients[0]] + [clients[1]] * 99)
    with patch.object(credential_service, "_get_supabase_client", side_effect=lambda: next(answers)):
        await asyncio.gather(use_both(), use_both())
    models = {request.json().get("model") for request in server.requests if request.method == "POST"}
    assert models <= {"fake-model", "other-model"}


@pytest.mark.parametrize("served", [[], ["one", "two"]])
async def test_without_a_model_and_without_a_single_served_one_nothing_is_sent(
    server: ModelServer, served: list[str]
) -> None:
    server.on("/v1/models", Reply(body={"object": "list", "data": [model_row(name) for name in served]}))
    rows = rows_of({"VLLM_BASE_URL": "{url}"}, server, LLM_PROVIDER="vllm", EMBEDDING_PROVIDER="vllm")
    with patch.object(credential_service, "_get_supabase_client", return_value=supabase_with(*rows)):
        for work in (chat(), create_embeddings_batch(["a"]), get_embedding_model()):
            with pytest.raises(ArchonError) as raised:
                await work
            assert raised.value.code == "configuration"
    assert [request for request in server.requests if request.method == "POST"] == []


async def outgoing(server: ModelServer, rows: list[Row], provider: str) -> list[tuple[str, str, dict[str, str], bytes]]:
    forget_everything()
    server.requests.clear()
    client = supabase_with(*rows)
    with (
        patch.object(credential_service, "_get_supabase_client", return_value=client),
        patch.object(credential_service, "_get_provider_api_key", return_value="sk-test"),
    ):
        await chat()
        await create_embeddings_batch(["a", "b"], provider=provider)
    return [(one.method, one.path, one.headers, one.body) for one in server.requests]


@FEW
@given(stored=STORED)
@pytest.mark.parametrize("provider", ["openai", "ollama"])
async def test_settings_of_vllm_change_no_byte_of_the_others(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch, provider: str, stored: dict[str, object]
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    own = {"LLM_PROVIDER": provider, "EMBEDDING_PROVIDER": provider, "LLM_BASE_URL": server.url}
    alone = await outgoing(server, rows_of({}, server, **own), provider)
    beside = await outgoing(server, rows_of(stored, server, **own), provider)
    assert [path for _, path, _, _ in alone] == ["/v1/chat/completions", "/v1/embeddings"]
    assert beside == alone


async def constructed(rows: list[Row], provider: str) -> list[object]:
    forget_everything()
    with (
        patch.object(credential_service, "_get_supabase_client", return_value=supabase_with(*rows)),
        patch.object(credential_service, "_get_provider_api_key", return_value="sk-test"),
        patch.object(openai, "AsyncOpenAI", MagicMock()) as made,
    ):
        async with get_llm_client(), get_llm_client(provider=provider, use_embedding_provider=True):
            pass
    return list(made.call_args_list)


@MANY
@given(stored=STORED)
@pytest.mark.parametrize("provider", V1_PROVIDERS)
async def test_settings_of_vllm_change_no_client_of_the_others(provider: str, stored: dict[str, object]) -> None:
    own = {"LLM_PROVIDER": provider, "LLM_BASE_URL": "http://ollama:1"}
    assert await constructed(rows_of(stored, None, **own), provider) == await constructed(
        rows_of({}, None, **own), provider
    )
