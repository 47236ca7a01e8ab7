"""The registry finds providers; nobody lists them. What holds for one must hold for all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import ConfigurationError
from src.inference.provider import NEEDED_CAPABILITY, Provider, Service
from src.inference.registry import discover_providers, load_registry

TENTH = """
from src.inference.endpoints import own_server
from src.inference.provider import Provider, SettingField
PROVIDER = Provider(
    id="tenth", label="Tenth", summary="Another.", docs_url="https://tenth.example/",
    source="https://tenth.example/ (read 2026-11-21)",
    capabilities=frozenset({"chat"}),
    fields=(SettingField(key="TENTH_URL", label="Address", kind="url", required=True),),
    endpoint=own_server("Tenth", url="TENTH_URL"), chat_model_key="TENTH_MODEL",
)
"""
ALL = load_registry().all()
OWN = [one for one in ALL if not one.keeps_v1_wire]
FILES = sorted(path.stem for path in Path("src/providers").glob("*.py") if path.stem != "__init__")


def install(folder: Path, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    info = folder / "tenth_provider-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tenth-provider\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[archon.providers]\n{name} = {value}\n")
    (folder / "tenth_package.py").write_text(TENTH)
    monkeypatch.syspath_prepend(str(folder))
    sys.modules.pop("tenth_package", None)


def test_every_file_is_a_provider_and_every_provider_a_file() -> None:
    assert sorted(load_registry().ids()) == FILES
    assert len(FILES) >= 9


def test_a_tenth_provider_from_another_package_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "tenth", "tenth_package:PROVIDER", monkeypatch)
    registry = discover_providers()
    tenth = registry.get("tenth")
    assert tenth in registry.serving("llm")
    assert tenth not in registry.serving("embedding")
    assert tenth.endpoint({"TENTH_URL": "h:1/v1/"}, "llm").base_url == "http://h:1/v1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tenth", "no_such_package:PROVIDER"),
        ("tenth", "tenth_package:NOTHING"),
        ("other", "tenth_package:PROVIDER"),
        ("vllm", "tenth_package:PROVIDER"),
    ],
)
def test_a_foreign_provider_that_is_broken_is_a_problem_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    install(tmp_path, name, value, monkeypatch)
    registry = discover_providers()
    assert sorted(registry.ids()) == FILES
    assert [problem.context.provider for problem in registry.problems] == [name]


def test_an_unknown_id_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="openai"):
        load_registry().get("nope")
    assert "nope" not in load_registry()


@pytest.mark.parametrize("provider", ALL, ids=lambda one: one.id)
def test_a_declaration_is_whole(provider: Provider) -> None:
    assert all((provider.label, provider.summary))
    assert provider.docs_url.startswith("https://")
    assert "(read 20" in provider.source
    keys = [field.key for field in provider.fields]
    assert len(keys) == len(set(keys))
    assert provider.chat_model_key in keys
    assert all(field.label and (field.kind == "choice") == bool(field.choices) for field in provider.fields)


@pytest.mark.parametrize("provider", ALL, ids=lambda one: one.id)
def test_each_service_that_is_served_has_a_model_setting(provider: Provider) -> None:
    for service in NEEDED_CAPABILITY:
        if provider.serves(service):
            assert provider.model_key(service) is not None
    assert provider.serves("llm")


@pytest.mark.parametrize("provider", OWN, ids=lambda one: one.id)
def test_a_server_of_ones_own_has_no_hidden_address(provider: Provider) -> None:
    for values in ({}, {"LLM_BASE_URL": "http://h", "OPENAI_API_KEY": "sk-x", "MODEL_CHOICE": "gpt-4o"}):
        with pytest.raises(ConfigurationError) as caught:
            provider.endpoint(values, "llm")
        required = {field.key for field in provider.fields if field.required}
        assert caught.value.context.field in required
    assert provider.default_chat_model is None


@pytest.mark.parametrize("provider", [one for one in OWN if one.id in FILES], ids=lambda one: one.id)
def test_the_prefixes_of_ones_own_embedding_server_are_settings(provider: Provider) -> None:
    wanted = {provider.query_prefix_key, provider.passage_prefix_key} if provider.serves("embedding") else set()
    assert wanted <= {field.key for field in provider.fields if field.capability == "embeddings"}


KEYS = st.sampled_from(["VLLM_BASE_URL", "VLLM_EMBEDDING_BASE_URL", "VLLM_API_KEY", "LLM_BASE_URL", "OPENAI_API_KEY"])


@given(st.dictionaries(KEYS, st.text(max_size=20) | st.just("http://h:1")), st.sampled_from(["llm", "embedding"]))
def test_whatever_the_settings_hold_no_request_lacks_an_address(values: dict[str, str], service: Service) -> None:
    try:
        endpoint = load_registry().get("vllm").endpoint(values, service)
    except ConfigurationError:
        return
    assert str(endpoint.base_url).startswith(("http://", "https://"))
    assert endpoint.api_key is None or endpoint.api_key.isprintable()


def test_each_service_has_exactly_one_default_provider() -> None:
    defaults = [service for provider in ALL for service in provider.default_for]
    assert sorted(defaults) == ["embedding", "llm"]


@pytest.mark.parametrize("name", FILES)
def test_a_provider_file_is_small_and_imports_only_the_kit(name: str) -> None:
    text = Path(f"src/providers/{name}.py").read_text()
    assert len(text.splitlines()) <= (250 if "embedding_wire" in text else 120)
    imports = [line for line in text.splitlines() if line.startswith("from src.")]
    assert all(line.startswith(("from src.inference", "from src.errors")) for line in imports)
