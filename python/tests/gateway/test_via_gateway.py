"""Archon's own chat and embeddings through the gateway: one address for both, the right model behind it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from src.errors import ArchonError, ConfigurationError, ConnectionRefused
from src.inference.chat import build_chat_model
from src.inference.check import check
from src.inference.discovery import forget_discoveries, resolve_model
from src.inference.embed import build_embedder
from src.inference.models import ChatMessage, ChatOptions, StreamEnd
from src.inference.provider import ActiveProvider
from src.inference.registry import load_registry
from tests.fakes.chosen import chosen
from tests.fixtures.site import Site
from tests.server.conftest import serving
from tests.server.rest import crawled, events_of

from .conftest import Stage
from .door import Door, open_door, until

pytestmark = pytest.mark.timeout(180)
VLLM = load_registry().get("vllm")


@pytest.fixture
async def real_door(vllm_chat_url: str, vllm_embedding_url: str) -> AsyncIterator[Door]:
    """A gateway before the two real servers."""
    patient = {"first_byte_s": 60.0, "between_bytes_s": 60.0, "answer_s": 60.0}
    door = await open_door(
        [vllm_chat_url, vllm_embedding_url], timeouts=patient, discovery={"probe_timeout_s": 10, "refresh_s": 5}
    )
    await until(lambda: all(one.ready for one in door.gateway.fleet.servers), 60)
    yield door
    await door.close()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget_discoveries()


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port that refuses connections for as long as the test runs: it is bound, and nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


def via(door: Door, **more: str) -> dict[str, str]:
    return {"VLLM_VIA_GATEWAY": "true", "GATEWAY_URL": f"http://127.0.0.1:{door.port}"} | more


async def _say(active: ActiveProvider) -> StreamEnd:
    model = build_chat_model(active)
    items = [item async for item in model.stream([ChatMessage("user", "Hi")], ChatOptions(max_tokens=4))]
    end = items[-1]
    assert isinstance(end, StreamEnd)
    return end


async def test_chat_and_embeddings_find_their_models_behind_one_address(real_door: Door) -> None:
    end = await _say(chosen("llm", **via(real_door)))
    identity = await build_embedder(chosen("embedding", **via(real_door))).identity()
    assert (end.finish_reason, identity.dimensions) == ("length", 384)
    asked = ("/v1/chat/completions", "/v1/embeddings")
    models = {line["model"] for line in real_door.log if line["endpoint"] in asked and line["status"] == 200}
    assert models == {await resolve_model(chosen(service, **via(real_door))) for service in ("llm", "embedding")}


@pytest.mark.parametrize("service", ["llm", "embedding"])
async def test_a_check_goes_through_it(real_door: Door, service: str) -> None:
    report = await check(VLLM, service, via(real_door))  # type: ignore[arg-type]
    assert (report.ok, len(report.models)) == (True, 1)
    assert str(report.server).startswith("vLLM through the gateway")


async def test_several_models_of_a_kind_must_be_chosen_from_and_aliases_do_not_count(stage: Stage) -> None:
    one, two, other = await stage.server("a"), await stage.server("b"), await stage.server("e", kind="embed")
    door = await stage.door(one, two, other, pool={"aliases": {"small": "e"}})
    assert await resolve_model(chosen("embedding", **via(door))) == "e"
    with pytest.raises(ConfigurationError, match="serves 2: a, b"):
        await resolve_model(chosen("llm", **via(door)))


async def test_where_no_gateway_runs_the_error_says_how_to_start_it(unused_port: int) -> None:
    active = chosen("llm", VLLM_VIA_GATEWAY="true", GATEWAY_URL=f"http://127.0.0.1:{unused_port}", VLLM_CHAT_MODEL="m")
    with pytest.raises(ConnectionRefused) as raised:
        await _say(active)
    assert "make gateway" in raised.value.next_step
    assert str(raised.value.context.url).startswith(f"http://127.0.0.1:{unused_port}/")


async def test_a_check_offers_the_way_without_a_gateway_that_is_down(vllm_chat_url: str, unused_port: int) -> None:
    values = {"VLLM_VIA_GATEWAY": "true", "GATEWAY_URL": f"http://127.0.0.1:{unused_port}"}
    report = await check(VLLM, "llm", values | {"VLLM_BASE_URL": vllm_chat_url})
    assert report.error is not None
    assert ("make gateway" in report.error.next_step, report.error.context.field) == (True, "GATEWAY_URL")
    assert report.findings[-1].fix is not None
    assert report.findings[-1].fix.values == {"VLLM_VIA_GATEWAY": "false"}


async def test_the_gateways_own_key_is_shown_and_the_servers_key_stays_here(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server, keys=[{"name": "archon", "key": "a-key-of-the-gateway"}])
    values = via(door, GATEWAY_API_KEY="a-key-of-the-gateway", VLLM_API_KEY="a-key-of-the-server")
    assert (await _say(chosen("llm", **values))).finish_reason == "stop"
    assert all("authorization" not in request.headers for request in server.seen)
    with pytest.raises(ArchonError) as refused:
        await _say(chosen("llm", **via(door, VLLM_API_KEY="a-key-of-the-server")))
    assert refused.value.code == "provider_authentication"


@pytest.mark.parametrize("switch", ["", " ", "false", "0", "no", "nonsense"])
def test_whatever_else_the_switch_holds_the_servers_own_address_counts(switch: str) -> None:
    values = {"VLLM_VIA_GATEWAY": switch, "GATEWAY_URL": "http://gateway:8200", "VLLM_BASE_URL": "http://gpu:8000"}
    assert VLLM.endpoint(values, "llm").base_url == "http://gpu:8000/v1"


@pytest.mark.parametrize("address", ["", "  ", "not an address at all", "ftp://x"])
def test_without_a_usable_address_nothing_is_sent(address: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        VLLM.endpoint({"VLLM_VIA_GATEWAY": "true", "GATEWAY_URL": address, "VLLM_BASE_URL": "http://gpu:8000"}, "llm")
    assert raised.value.context.field == "GATEWAY_URL"


async def test_the_main_job_passes_through_the_one_address(
    real_door: Door, database_url: str, free_port: int, tmp_path: Path, site: Site
) -> None:
    chosen_here = {"LLM_PROVIDER": "vllm", "EMBEDDING_PROVIDER": "vllm", "ARCHON_ALLOW_PRIVATE_ADDRESSES": "true"}
    own = {"DATABASE_URL": database_url, "ARCHON_SERVER_PORT": str(free_port), "ARCHON_DATA_DIR": str(tmp_path)}
    with serving(own | chosen_here | via(real_door)) as address:
        async with httpx.AsyncClient(base_url=address, timeout=120) as archon:
            stored = await crawled(archon, site.url)
            answer = await archon.post("/api/chat", json={"message": "What is a coroutine?", "max_tokens": 8})
    done = events_of(answer.text)[-1][1]
    paths = {line["endpoint"] for line in real_door.log if line["status"] == 200}
    assert (stored["status"], done["outcome"]) == ("completed", "complete")
    assert {"/v1/chat/completions", "/v1/embeddings", "/tokenize"} <= paths
