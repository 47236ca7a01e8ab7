"""Connections over a real database, and model servers on real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from src.errors import AccessDenied, Conflict, FirstByteTimeout, InvalidInput, JsonValue, NotFound, ProviderError
from src.inference.discovery import forget_discoveries
from src.inference.models import ChatMessage, ChatOptions, StreamEnd
from src.inference.pool import close_pool
from src.settings import SecretBox, SettingsService
from src.settings.connections import ConnectionService
from src.settings.connections_draft import ConnectionBody
from src.settings.connections_wire import COMPATIBLE
from tests.fakes.model_server import ModelServer, Reply, Silence, running

from .conftest import MakeService


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    forget_discoveries()
    async with running() as one:
        yield one
        await close_pool()


@pytest.fixture
def connections(service: SettingsService) -> ConnectionService:
    return ConnectionService(service)


def body(**values: JsonValue) -> ConnectionBody:
    return ConnectionBody.model_validate(values)


def file_of(*entries: dict[str, JsonValue]) -> bytes:
    return json.dumps({"connections": entries}).encode()


async def key_of(connections: ConnectionService, connection_id: str) -> JsonValue:
    exported = await connections.export(include_secrets=True)
    return {one["id"]: one.get("api_key", "not told") for one in exported["connections"]}[connection_id]  # type: ignore


async def test_a_new_connection_is_named_after_its_name_and_shows_no_key(connections: ConnectionService) -> None:
    made = await connections.create(
        body(name="The Lab", base_url="http://gpu:8000", provider="vLLM", api_key="k-12345")
    )
    twin = await connections.create(body(name="The Lab", base_url="http://gpu:8001", provider="vllm"))
    assert (made.id, made.has_key, twin.id, twin.has_key) == ("the-lab", True, "the-lab-2", False)
    assert "k-12345" not in json.dumps(made.to_dict())


async def test_an_id_is_given_only_once(connections: ConnectionService) -> None:
    await connections.create(body(id="a", base_url="gpu:1"))
    with pytest.raises(Conflict):
        await connections.create(body(id="a", base_url="gpu:2"))


async def test_what_a_change_does_not_name_stays(connections: ConnectionService) -> None:
    await connections.create(body(id="a", base_url="gpu:1", api_key="key-1", temperature=0.5, timeout=9))
    changed = await connections.update("a", body(name="New", temperature=None))
    assert (changed.name, changed.limits.timeout_s, changed.limits.temperature) == ("New", 9.0, None)
    assert await key_of(connections, "a") == "key-1"


async def test_a_stored_key_never_follows_to_another_address_unasked(connections: ConnectionService) -> None:
    await connections.create(body(id="a", base_url="http://gpu:1/v1", api_key="key-1"))
    with pytest.raises(InvalidInput) as refused:
        await connections.update("a", body(base_url="http://evil:1"))
    assert refused.value.context.field == "api_key"
    assert (await connections.update("a", body(base_url="gpu:1"))).has_key
    assert not (await connections.update("a", body(base_url="evil:1", api_key=None))).has_key


async def test_an_imported_file_cannot_send_a_stored_key_elsewhere(connections: ConnectionService) -> None:
    await connections.create(body(id="a", base_url="gpu:1", api_key="key-1"))
    done = await connections.import_file(file_of({"id": "a", "provider": COMPATIBLE.id, "base_url": "evil:1"}))
    assert (done.replaced, done.keys_dropped) == (("a",), ("a",))
    assert await key_of(connections, "a") is None


async def test_a_draft_is_checked_without_the_stored_key_of_another_address(
    connections: ConnectionService, server: ModelServer
) -> None:
    await connections.create(body(id="a", base_url="gpu:1", api_key="key-1"))
    assert (await connections.check_draft(body(base_url=server.url), "a")).ok
    assert all("key-1" not in str(request.headers) for request in server.requests)


async def test_a_file_goes_out_and_comes_in_again_without_a_change(connections: ConnectionService) -> None:
    first = {"id": "a", "provider": "vllm", "base_url": "gpu:1", "api_key": "key-1", "max_tokens": 9, "is_local": False}
    await connections.import_file(file_of(first, {"id": "b", "provider": "openai", "api_key": None}))
    out = await connections.export(include_secrets=True)
    await connections.delete("a")
    await connections.import_file(json.dumps(out).encode())
    back = await connections.export(include_secrets=True)
    assert sorted(back["connections"], key=str) == sorted(out["connections"], key=str)  # type: ignore[arg-type]


async def test_keys_stay_here_unless_asked_for(connections: ConnectionService) -> None:
    await connections.import_file(
        file_of({"id": "a", "base_url": "x:1", "api_key": "key-1"}, {"id": "b", "base_url": "x:2"})
    )
    a, b = (await connections.export())["connections"]  # type: ignore[misc]
    assert "api_key" not in a  # type: ignore[operator]
    assert b["api_key"] is None  # type: ignore[index, call-overload]


async def test_a_bad_entry_leaves_nothing_half_imported(connections: ConnectionService) -> None:
    with pytest.raises(InvalidInput):
        await connections.import_file(file_of({"id": "a", "base_url": "x:1"}, {"id": "b", "base_url": "file:///x"}))
    assert [one.id for one in await connections.all()] == ["settings:llm"]


async def test_what_is_there_can_be_kept(connections: ConnectionService) -> None:
    await connections.create(body(id="a", base_url="x:1", name="Mine"))
    done = await connections.import_file(
        file_of({"id": "a", "base_url": "y:1"}, {"id": "b", "base_url": "z:1"}), "keep"
    )
    assert (done.created, done.replaced, done.kept) == (("b",), (), ("a",))
    assert (await connections.get("a")).name == "Mine"


async def test_who_answers_changes_at_once_with_the_default(connections: ConnectionService) -> None:
    await connections.create(body(id="a", base_url="gpu:1"))
    answering = [await connections.default_id()]
    await connections.make_default("a")
    answering += await asyncio.gather(*(connections.default_id() for _ in range(3)))
    await connections.delete("a")
    answering.append(await connections.default_id())
    assert answering == ["settings:llm", "a", "a", "a", "settings:llm"]


async def test_one_at_most_is_the_default_and_else_the_one_of_settings(connections: ConnectionService) -> None:
    await connections.import_file(file_of({"id": "a", "base_url": "x:1"}, {"id": "b", "base_url": "y:1"}))
    defaults = []
    for wanted in ("a", "b", "settings:llm", "b"):
        await connections.make_default(wanted)
        defaults.append([one.id for one in await connections.all() if one.is_default])
    await connections.delete("b")
    defaults.append([one.id for one in await connections.all() if one.is_default])
    assert defaults == [["a"], ["b"], ["settings:llm"], ["b"], ["settings:llm"]]


async def test_providers_of_settings_are_connections_that_cannot_be_changed(make_service: MakeService) -> None:
    settings = make_service(LLM_PROVIDER="vllm", VLLM_BASE_URL="http://gpu:8000", OPENAI_API_KEY="sk-test-123456")
    connections = ConnectionService(settings)
    listed = {one.id: (one.provider, one.read_only, one.problem) for one in await connections.all()}
    assert listed == {"settings:llm": ("vllm", True, None), "settings:openai": ("openai", True, None)}
    for change in (connections.update("settings:llm", body(name="x")), connections.delete("settings:openai")):
        with pytest.raises(AccessDenied):
            await change


async def test_a_deleted_connection_says_so_at_the_next_question(connections: ConnectionService) -> None:
    await connections.create(body(id="a", base_url="gpu:1"))
    await connections.chat_model("a")
    await connections.delete("a")
    with pytest.raises(NotFound, match="'a'"):
        await connections.chat_model("a")


async def test_the_models_answer_keeps_to_the_connections_limits(
    connections: ConnectionService, server: ModelServer
) -> None:
    await connections.create(
        body(id="a", provider="vllm", base_url=server.url, api_key="key-1", max_tokens=5, temperature=0.7)
    )
    model = await connections.chat_model("a")
    items = [item async for item in model.stream([ChatMessage("user", "Hi")], ChatOptions(max_tokens=50))]
    sent = server.asked("/v1/chat/completions")[0]
    assert (sent.json()["max_tokens"], sent.json()["temperature"], sent.headers["authorization"]) == (
        5,
        0.7,
        "Bearer key-1",
    )
    assert isinstance(items[-1], StreamEnd)


async def test_another_model_of_the_server_can_be_asked_for(
    connections: ConnectionService, server: ModelServer
) -> None:
    await connections.create(body(id="a", base_url=server.url, model="one"))
    for wanted in (None, "two"):
        model = await connections.chat_model("a", wanted)
        assert [item async for item in model.stream([ChatMessage("user", "Hi")], ChatOptions())]
    assert [sent.json()["model"] for sent in server.asked("/v1/chat/completions")] == ["one", "two"]


async def test_the_time_out_is_the_connections_and_the_failure_names_it(
    connections: ConnectionService, server: ModelServer
) -> None:
    server.on("/v1/chat/completions", Silence())
    await connections.create(body(id="slow", base_url=server.url, timeout=1, model="m"))
    model = await connections.chat_model("slow")
    with pytest.raises(FirstByteTimeout) as late:
        _ = [item async for item in model.stream([ChatMessage("user", "Hi")], ChatOptions())]
    assert late.value.context.connection == "slow"


async def test_a_clouds_key_in_the_environment_never_reaches_another_server(
    connections: ConnectionService, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-cloud-123")
    await connections.create(body(id="a", provider="openai", base_url=server.url, model="m"))
    report = await connections.check("a")
    assert report.ok
    assert all("sk-of-the-cloud" not in str(request.headers) for request in server.requests)


async def test_a_new_secret_key_takes_the_keys_of_connections_along(
    connections: ConnectionService, service: SettingsService
) -> None:
    await connections.create(body(id="a", base_url="x:1", api_key="key-1"))
    await service.rotate_secrets(SecretBox.from_text("another key of thirty-two letters"))
    assert await key_of(connections, "a") == "key-1"


async def test_a_key_that_cannot_be_opened_is_a_problem_of_its_connection_only(
    connections: ConnectionService, service: SettingsService
) -> None:
    await connections.import_file(
        file_of({"id": "a", "base_url": "x:1", "api_key": "k-123"}, {"id": "b", "base_url": "x:2"})
    )
    service.secrets = SecretBox.from_text("a key that did not seal anything")
    problems = {one.id: one.problem.code if one.problem else None for one in (await connections.all())[1:]}
    assert problems == {"a": "secret_unreadable", "b": None}


DETECTED: list[tuple[dict[str, Reply], str, str | None]] = [
    ({}, "vllm", "0.32.0"),
    ({"/version": Reply(404), "/api/version": Reply(body={"version": "0.13.5"})}, "ollama", "0.13.5"),
    ({"/version": Reply(404), "/props": Reply(body={"build_info": "b6900-abc"})}, "llamacpp", "b6900-abc"),
    (
        {"/version": Reply(404), "/v1/internal/model/info": Reply(body={"model_name": "m"})},
        "textgen",
        None,
    ),
    ({"/version": Reply(404)}, COMPATIBLE.id, None),
]


@pytest.mark.parametrize(("answers", "kind", "version"), DETECTED, ids=[kind for _, kind, _ in DETECTED])
async def test_a_kind_is_found_out_by_asking(
    connections: ConnectionService, server: ModelServer, answers: dict[str, Reply], kind: str, version: str | None
) -> None:
    for path, reply in answers.items():
        server.on(path, reply)
    found = await connections.detect(f"{server.url}/v1/models", None)
    assert (found.provider.id, found.version, [model.name for model in found.models]) == (kind, version, ["fake-model"])


async def test_what_is_no_model_server_is_not_taken_for_one(
    connections: ConnectionService, server: ModelServer
) -> None:
    for path in ("/version", "/v1/models"):
        server.on(path, Reply(404, b"<html>", content_type="text/html"))
    with pytest.raises(ProviderError):
        await connections.detect(server.url, None)


async def test_a_fix_of_a_check_names_the_fields_of_the_form(
    connections: ConnectionService, server: ModelServer
) -> None:
    unknown = {"error": {"message": "The model `fake-modle` does not exist.", "type": "NotFoundError", "code": 404}}
    server.on("/v1/chat/completions", Reply(404, unknown))
    report = await connections.check_draft(body(provider="vllm", base_url=server.url, model="fake-modle"))
    fixes = [finding.fix.values for finding in report.findings if finding.fix]
    assert fixes == [{"model": "fake-model"}]
    assert report.error is not None
    assert report.error.context.field == "model"
