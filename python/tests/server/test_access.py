"""Who may talk to the server, over real sockets."""

from __future__ import annotations

import httpx
import pytest

from src.config import load_environment
from src.config.access import AccessPolicy
from src.errors import AccessDenied, ConfigurationError

from .conftest import StartServer

TOKEN = "a-long-random-token"


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a failure."""
    return answer.status_code, answer.json()["detail"]["code"]


async def test_a_foreign_host_name_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/health", headers={"Host": "evil.example"})
    assert problem(answer) == (403, "access_denied")


@pytest.mark.parametrize("host", ["localhost:8181", "127.0.0.1", "[::1]:8181", "app.localhost"])
async def test_loopback_names_are_answered(api: httpx.AsyncClient, host: str) -> None:
    assert (await api.get("/api/health", headers={"Host": host})).status_code == 200


async def test_an_allowed_host_name_is_answered(start_server: StartServer) -> None:
    async with httpx.AsyncClient(base_url=start_server(ARCHON_ALLOWED_HOSTS="archon.lan,*.corp.example")) as api:
        answers = [await api.get("/health", headers={"Host": name}) for name in ("archon.lan", "a.corp.example:81")]
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_change_from_a_foreign_page_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/session", json={"token": "x"}, headers={"Origin": "https://evil.example"})
    assert problem(answer) == (403, "access_denied")


async def test_a_page_without_an_origin_of_its_own_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/session", json={"token": "x"}, headers={"Origin": "null"})
    assert problem(answer) == (403, "access_denied")


async def test_our_own_page_may_change_things(api: httpx.AsyncClient) -> None:
    origin = f"http://{api.base_url.host}:{api.base_url.port}"
    assert (await api.post("/api/session", json={"token": "x"}, headers={"Origin": origin})).status_code == 200


async def test_no_cors_header_is_sent_unasked(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/health", headers={"Origin": "https://evil.example"})
    assert [name for name in answer.headers if name.startswith("access-control")] == []


async def test_an_allowed_origin_may_read_and_change(start_server: StartServer) -> None:
    origin = "https://portal.example"
    async with httpx.AsyncClient(base_url=start_server(ARCHON_ALLOWED_ORIGINS=origin)) as api:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        preflight = await api.options("/api/session", headers=asked)
        answer = await api.post("/api/session", json={"token": "x"}, headers={"Origin": origin})
    assert [preflight.status_code, answer.status_code] == [204, 200]
    assert [each.headers["access-control-allow-origin"] for each in (preflight, answer)] == [origin, origin]


def test_listening_beyond_this_machine_needs_a_token() -> None:
    with pytest.raises(ConfigurationError, match="ARCHON_TOKEN"):
        AccessPolicy.of(load_environment({"ARCHON_BIND": "0.0.0.0"}))


async def test_without_the_token_only_health_and_sign_in_are_open(start_server: StartServer) -> None:
    async with httpx.AsyncClient(base_url=start_server(ARCHON_BIND="0.0.0.0", ARCHON_TOKEN=TOKEN)) as api:
        paths = ("/health", "/api/session", "/api/health", "/api/openapi.json")
        codes = {path: (await api.get(path)).status_code for path in paths}
    assert codes == {"/health": 200, "/api/session": 200, "/api/health": 401, "/api/openapi.json": 401}


async def test_a_wrong_token_is_told_so(start_server: StartServer) -> None:
    headers = {"Authorization": "Bearer wrong-token"}
    async with httpx.AsyncClient(base_url=start_server(ARCHON_BIND="0.0.0.0", ARCHON_TOKEN=TOKEN)) as api:
        answer = await api.get("/api/health", headers=headers)
    assert problem(answer) == (401, "token_required")
    assert "wrong" in answer.json()["detail"]["error"]


async def test_the_token_opens_the_api(start_server: StartServer) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=start_server(ARCHON_BIND="0.0.0.0", ARCHON_TOKEN=TOKEN)) as api:
        assert (await api.get("/api/health", headers=headers)).status_code == 200


async def test_the_token_is_exchanged_for_a_cookie_that_scripts_cannot_read(start_server: StartServer) -> None:
    async with httpx.AsyncClient(base_url=start_server(ARCHON_BIND="0.0.0.0", ARCHON_TOKEN=TOKEN)) as api:
        signed_in = await api.post("/api/session", json={"token": TOKEN})
        cookie = signed_in.headers["set-cookie"]
        opened = await api.get("/api/health")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKEN not in cookie
    assert opened.status_code == 200


async def test_a_wrong_token_gets_no_cookie(start_server: StartServer) -> None:
    async with httpx.AsyncClient(base_url=start_server(ARCHON_BIND="0.0.0.0", ARCHON_TOKEN=TOKEN)) as api:
        answer = await api.post("/api/session", json={"token": "guess"})
    assert (problem(answer), "set-cookie" in answer.headers) == ((401, "token_required"), False)


async def test_health_tells_a_stranger_no_details(start_server: StartServer) -> None:
    async with httpx.AsyncClient(base_url=start_server(ARCHON_BIND="0.0.0.0", ARCHON_TOKEN=TOKEN)) as api:
        checks = (await api.get("/health")).json()["checks"]
    assert {tuple(check) for check in checks} == {("name", "ok")}


@pytest.mark.parametrize("host", ["", "a b", "user@localhost", "localhost/x", "[::1", "127.0.0.1.evil.example"])
def test_what_only_looks_like_our_name_is_refused(host: str) -> None:
    with pytest.raises(AccessDenied):
        AccessPolicy(hosts=(), origins=(), token=None).check_host(host)


def test_a_forged_or_expired_session_is_refused() -> None:
    policy = AccessPolicy(hosts=(), origins=(), token=TOKEN)
    good = policy.new_session()
    forged = [f"9{good}", "1.abc", "", good[:-1], f"{good.split('.')[0]}.", "٣.x"]
    assert [policy.authenticated(None, f"archon_session={value}") for value in (good, *forged)] == [True] + [False] * 6
