"""A tenth provider is one file of another package: it appears everywhere, and no file of Archon was touched."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from src.config import REPOSITORY
from src.inference.registry import load_registry
from tests.fakes.model_server import running
from tests.server.conftest import serving

PACKAGE = Path(__file__).parents[1] / "fakes" / "tenth_provider"
CONTRACT = "tests/providers/test_registry.py"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The other package, as `pip install` would leave it: its module and what names its entry point."""
    monkeypatch.syspath_prepend(str(PACKAGE))
    load_registry.cache_clear()
    yield
    monkeypatch.undo()
    load_registry.cache_clear()


@pytest.fixture
def address(installed: None, database_url: str, free_port: int, tmp_path: Path) -> Iterator[str]:
    """A server that was started with it."""
    values = {"DATABASE_URL": database_url, "ARCHON_SERVER_PORT": str(free_port), "ARCHON_DATA_DIR": str(tmp_path)}
    with serving(values) as url:
        yield url


async def test_it_is_offered_saved_and_checked_over_rest(address: str) -> None:
    async with running() as model_server, httpx.AsyncClient(base_url=address, timeout=30) as client:
        offered = (await client.get("/api/providers")).json()["providers"]
        [tenth] = [one for one in offered if one["id"] == "tenth"]
        chosen = {"LLM_PROVIDER": "tenth", "EMBEDDING_PROVIDER": "tenth", "TENTH_URL": model_server.url}
        saved = (await client.put("/api/settings", json={"values": chosen})).json()
        checked = (await client.post("/api/providers/tenth/check", json={"service": "llm"})).json()
        status = (await client.get("/api/providers/tenth/status", params={"service": "embedding"})).json()
    assert [field["key"] for field in tenth["fields"]][:2] == ["TENTH_URL", "TENTH_KEY"]
    assert saved["services"]["llm"]["provider"] == "tenth"
    assert (checked["ok"], checked["model"]) == (True, "fake-model")
    assert status == {"ok": True, "reason": "connected", "provider": "tenth"}


async def test_a_wrong_value_of_it_is_refused_with_its_field(address: str) -> None:
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        refused = await client.put("/api/settings", json={"values": {"TENTH_URL": "ftp://h"}})
        unfit = await client.put("/api/settings", json={"values": {"RERANK_PROVIDER": "tenth"}})
    assert (refused.status_code, refused.json()["detail"]["field"]) == (422, "TENTH_URL")
    assert (unfit.status_code, unfit.json()["detail"]["field"]) == (422, "RERANK_PROVIDER")


def test_it_stands_in_the_generated_table_of_the_docs(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))
    page = importlib.import_module("reference").providers_page()
    assert "| [Tenth](#tenth) | `tenth` | yes |" in page
    assert "| `TENTH_URL` | url | all, required |" in page


def test_the_contract_tests_run_over_it() -> None:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    command = [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider", CONTRACT, "-k", "[tenth]"]
    run = subprocess.run(
        command, cwd=REPOSITORY / "python", env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stdout
    assert "test_a_declaration_is_whole[tenth]" in run.stdout
    assert "test_a_server_of_ones_own_has_no_hidden_address[tenth]" in run.stdout
