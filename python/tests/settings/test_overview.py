"""What people see of the settings."""

from __future__ import annotations

import pytest

from src.errors import ConfigurationError, ConnectionRefused
from src.inference.provider import ActiveProvider
from src.settings import FirstRun, SettingsService

from .conftest import MakeService

VLLM = {"LLM_PROVIDER": "vllm", "EMBEDDING_PROVIDER": "vllm", "VLLM_BASE_URL": "http://gpu:8000"}


async def served(active: ActiveProvider) -> str:
    return f"the {active.service} model"


async def refused(active: ActiveProvider) -> str:
    raise ConnectionRefused("Nothing listens on gpu:8000.")


async def test_a_discovered_model_is_shown_as_such(make_service: MakeService) -> None:
    overview = (await make_service(**VLLM).overview(served, FirstRun(knowledge=True))).to_dict()
    assert overview["services"] == {
        service: {
            "provider": "vllm",
            "model": f"the {service} model",
            "model_discovered": True,
            "base_url": "http://gpu:8000/v1",
            "ready": True,
            "problem": None,
            "warnings": [],
        }
        for service in ("llm", "embedding")
    }
    assert overview["first_run"] == {"provider_chosen": True, "knowledge": True, "question_asked": False}
    assert overview["provider_keys"] == {
        "llm": "LLM_PROVIDER",
        "embedding": "EMBEDDING_PROVIDER",
        "rerank": "RERANK_PROVIDER",
    }


async def test_reranking_is_nobodys_problem_until_it_is_chosen(make_service: MakeService) -> None:
    assert "rerank" not in (await make_service(**VLLM).overview(served)).services
    chosen = await make_service(**VLLM, RERANK_PROVIDER="vllm", VLLM_RERANK_BASE_URL="http://gpu:8200").overview(served)
    assert chosen.services["rerank"].to_dict()["base_url"] == "http://gpu:8200/v1"


async def test_a_set_model_is_not_asked_for(make_service: MakeService) -> None:
    overview = await make_service(**VLLM, VLLM_CHAT_MODEL="mine").overview(served)
    assert (overview.services["llm"].model, overview.services["llm"].model_discovered) == ("mine", False)


async def test_a_server_that_cannot_be_asked_is_a_problem_not_an_exception(make_service: MakeService) -> None:
    state = (await make_service(**VLLM).overview(refused)).to_dict()["services"]["llm"]
    assert (state["ready"], state["problem"]["code"], state["model"]) == (False, "connection_refused", None)


async def test_nothing_chosen_names_the_missing_key(service: SettingsService) -> None:
    overview = await service.overview()
    problem = overview.services["llm"].problem
    assert isinstance(problem, ConfigurationError)
    assert (problem.context.field, overview.provider_chosen) == ("OPENAI_API_KEY", False)


async def test_odd_defaults_are_said_aloud(make_service: MakeService) -> None:
    service = make_service(EMBEDDING_PROVIDER="word2vec", LLM_PROVIDER="null")
    states = (await service.overview()).services
    assert {notice.code for notice in states["llm"].warnings} == {
        "provider_replaced",
        "default_model",
        "fallback_without_key",
    }
    assert states["embedding"].provider == "openai"
    assert states["embedding"].warnings[0].code == "provider_replaced"


async def test_an_unknown_chat_provider_is_never_replaced(make_service: MakeService) -> None:
    service = make_service(LLM_PROVIDER="skynet")
    with pytest.raises(ConfigurationError, match="no provider 'skynet'"):
        await service.active("llm")
    state = (await service.overview()).services["llm"]
    assert (state.provider, state.problem is None) == ("skynet", False)


async def test_values_show_where_they_come_from(make_service: MakeService) -> None:
    service = make_service(**VLLM, OPENAI_API_KEY="sk-environment")
    await service.save({"MODEL_CHOICE": "gpt-4.1"})
    values = (await service.overview()).to_dict()["values"]
    assert values["OPENAI_API_KEY"] == {
        "value": None,
        "source": "environment",
        "secret": True,
        "has_value": True,
        "state": "ok",
    }
    assert (values["MODEL_CHOICE"]["source"], values["EMBEDDING_MODEL"]["source"]) == ("database", "default")
