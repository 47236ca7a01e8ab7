"""What any request meets: one error body, request ids, the interface's files."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from src.server import main
from src.server.ui_files import UiFiles

from .conftest import StartServer

HTML = {"Accept": "text/html,application/xhtml+xml"}
PAGE = "<!doctype html><title>Archon</title>"


@pytest.fixture
def interface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built interface in a folder of the test's own."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "assets" / "app-1a2b.js").write_text("1")
    (tmp_path / "secret.key").write_text("secret")
    monkeypatch.setattr(main, "UI_FOLDER", folder)
    return folder


@pytest.fixture
async def site(interface: Path, start_server: StartServer) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=start_server(), headers=HTML)


async def test_the_root_is_v1s_description_for_programs(api: httpx.AsyncClient) -> None:
    body = (await api.get("/")).json()
    assert {"name", "version", "description", "status", "modules"} == set(body)


async def test_the_root_is_the_interface_for_browsers(site: httpx.AsyncClient) -> None:
    async with site:
        answer = await site.get("/")
    assert (answer.text, "default-src 'self'" in answer.headers["content-security-policy"]) == (PAGE, True)


async def test_every_address_of_the_interface_is_its_page(site: httpx.AsyncClient) -> None:
    async with site:
        assert (await site.get("/settings/providers")).text == PAGE


async def test_files_with_a_hash_in_their_name_are_kept_by_the_browser(site: httpx.AsyncClient) -> None:
    async with site:
        answer = await site.get("/assets/app-1a2b.js")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/../secret.key", "/%2e%2e/secret.key", "/assets/../../secret.key", "/%00"])
async def test_nothing_outside_the_interface_is_served(site: httpx.AsyncClient, path: str) -> None:
    async with site:
        answer = await site.get(path)
    assert "secret" not in answer.text.replace("secret.key", "")


async def test_a_missing_file_is_not_the_page(site: httpx.AsyncClient) -> None:
    async with site:
        assert (await site.get("/assets/gone-9f.js")).status_code == 404


async def test_without_a_built_interface_a_page_tells_how_to_build_it(tmp_path: Path) -> None:
    ui = UiFiles(tmp_path)
    assert (ui.is_built, b"make up" in bytes(ui.page().body)) == (False, True)


async def test_an_unknown_path_has_the_error_body(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/nothing-here")
    assert (answer.status_code, answer.json()["detail"]["code"]) == (404, "not_found")


async def test_a_wrong_method_is_405(api: httpx.AsyncClient) -> None:
    answer = await api.delete("/health")
    assert (answer.status_code, answer.json()["detail"]["code"]) == (405, "method_not_allowed")


async def test_a_body_that_is_no_json_names_what_is_wrong(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/session", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["detail"]["code"]) == (422, "invalid_input")


async def test_a_missing_field_is_named(api: httpx.AsyncClient) -> None:
    detail = (await api.post("/api/session", json={})).json()["detail"]
    assert (detail["code"], detail["field"]) == ("invalid_input", "token")


async def test_a_huge_body_is_refused_before_it_is_read(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/session", content=b" " * (3 * 1024 * 1024))
    assert (answer.status_code, "2 MB" in answer.json()["detail"]["error"]) == (422, True)


async def test_a_huge_body_without_a_length_is_refused_too(api: httpx.AsyncClient) -> None:
    async def endless() -> object:
        for _ in range(48):
            yield b" " * 65536

    answer = await api.post("/api/session", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, "2 MB" in answer.json()["detail"]["error"]) == (422, True)


async def test_a_request_id_is_given_back_and_made_where_there_is_none(api: httpx.AsyncClient) -> None:
    named = await api.get("/health", headers={"X-Request-Id": "trace-12345678"})
    unnamed = await api.get("/health", headers={"X-Request-Id": "bad id"})
    assert named.headers["x-request-id"] == "trace-12345678"
    assert len(unnamed.headers["x-request-id"]) == 16


async def test_a_fault_of_ours_is_a_typed_500_with_its_request_id(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(UiFiles):
        async def __call__(self, *_: object) -> None:
            raise KeyError("sk-secret-0123456789")

    monkeypatch.setattr(main, "UiFiles", Broken)
    async with httpx.AsyncClient(base_url=start_server()) as api:
        answer = await api.get("/anything")
    detail = answer.json()["detail"]
    assert (answer.status_code, detail["code"]) == (500, "internal")
    assert detail["request_id"] == answer.headers["x-request-id"]
    assert "sk-secret" not in answer.text


def test_the_application_needs_no_page_from_elsewhere(start_server: StartServer) -> None:
    address = start_server()
    assert [httpx.get(f"{address}{path}").status_code for path in ("/docs", "/redoc")] == [404, 404]


async def test_a_model_server_that_warms_up_is_said(start_server: StartServer, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("chat", "embeddings"):
        (run / f"vllm-{name}.json").write_text('{"port": 8101}')
    (run / "vllm-embeddings.warm").touch()
    async with httpx.AsyncClient(base_url=start_server()) as client:
        body = (await client.get("/health")).json()
    states = {check["name"]: (check["ok"], check["detail"]) for check in body["checks"]}
    assert states["local vLLM for embeddings"] == (True, None)
    assert states["local vLLM for chat"] == (False, "Warming up at http://127.0.0.1:8101: it loads its model.")
    assert body["ready"] is True
