"""A Supabase that refuses, fails, waits or talks nonsense; and one that must not be open to everybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from aiohttp import web

from src.errors import ArchonError, Conflict, MigrationNeeded, StoreError, StoreUnavailable
from src.store.migrate_rest import require_schema
from src.store.place import StorePlace
from src.store.supabase import SupabaseDatabase
from tests.fixtures.supabase import SupabaseServer

_WELL = {"rows": [{"server_version": "18", "vector_version": "0.8"}]}


@dataclass
class Face:
    """A REST face that answers as told, the last answer again and again."""

    url: str = ""
    answers: list[web.Response] = field(default_factory=list)
    asked: int = 0
    silent: asyncio.Event | None = None

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        if self.silent is not None:
            await self.silent.wait()
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=told.status, body=told.body, content_type="application/json", headers=_kept(told))


def _kept(told: web.Response) -> dict[str, str]:
    return {name: told.headers[name] for name in ("Retry-After",) if name in told.headers}


@pytest.fixture
async def face() -> AsyncIterator[Face]:
    face, app = Face(), web.Application()
    app.router.add_post("/rest/v1/rpc/archon_call", face.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    face.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield face
    if face.silent is not None:
        face.silent.set()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "body", "expected", "says"),
    [
        (401, {"message": "Invalid API key"}, StoreUnavailable, "refuses SUPABASE_SERVICE_KEY: Invalid API key"),
        (401, {"code": "PGRST301", "message": "JWT expired"}, StoreUnavailable, "JWT expired"),
        (403, {"code": "42501", "message": "permission denied"}, StoreError, "permission denied"),
        (404, {"code": "PGRST202", "message": "no function"}, MigrationNeeded, "none of Archon's functions"),
        (404, {"message": "not here"}, StoreUnavailable, "Nothing of Supabase"),
        (409, {"code": "23505", "message": "twice"}, Conflict, "twice"),
        (413, {"message": "too large"}, StoreError, "413"),
        (500, {"code": "57014", "message": "statement timeout"}, StoreUnavailable, "before it was done"),
        (500, {"message": "broken"}, StoreUnavailable, "broken"),
        (503, {"code": "PGRST002", "message": "no schema cache"}, StoreUnavailable, "503"),
    ],
)
async def test_a_refusal_gets_its_class(
    face: Face, status: int, body: dict[str, str], expected: type[ArchonError], says: str
) -> None:
    face.answers = [web.json_response(body, status=status)]
    with pytest.raises(expected, match=says) as caught:
        await SupabaseDatabase.connect(face.url, "sb_secret_x")
    assert (caught.value.context.operation, face.asked) == ("archon_store_state", 1)
    assert "sb_secret_x" not in str(caught.value.to_dict())


async def test_too_many_requests_are_sent_again_when_asked(face: Face) -> None:
    busy = web.json_response({"message": "slow down"}, status=429, headers={"Retry-After": "0"})
    face.answers = [busy, busy, web.json_response(_WELL)]
    await (await SupabaseDatabase.connect(face.url, "sb_secret_x")).close()
    assert face.asked == 3


async def test_a_face_that_stays_too_busy_is_given_up(face: Face) -> None:
    face.answers = [web.json_response({}, status=429, headers={"Retry-After": "0"})]
    with pytest.raises(StoreUnavailable, match="429"):
        await SupabaseDatabase.connect(face.url, "sb_secret_x")
    assert face.asked == 4


async def test_an_answer_that_does_not_come_ends_the_wait(face: Face) -> None:
    face.silent = asyncio.Event()
    face.answers = [web.json_response(_WELL)]
    with pytest.raises(StoreUnavailable, match="did not answer 'archon_store_state' in time"):
        await SupabaseDatabase.connect(face.url, "sb_secret_x", answer_s=0.2)


@pytest.mark.parametrize("body", ["<html>a proxy's page</html>", "[]", '{"nothing": 1}'])
async def test_nonsense_is_a_failure_and_no_empty_result(face: Face, body: str) -> None:
    face.answers = [web.Response(text=body)]
    with pytest.raises(StoreError):
        await SupabaseDatabase.connect(face.url, "sb_secret_x")


async def test_a_project_that_is_not_there_says_what_to_look_at(free_port: int) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        await SupabaseDatabase.connect(f"http://127.0.0.1:{free_port}", "sb_secret_x")
    assert "SUPABASE_URL" in caught.value.next_step


async def test_a_wrong_key_is_said_by_the_server(supabase: SupabaseServer) -> None:
    with pytest.raises(StoreUnavailable, match="refuses SUPABASE_SERVICE_KEY"):
        await SupabaseDatabase.connect(supabase.url, "sb_secret_wrong")


async def test_what_is_pending_is_named_with_the_way_to_apply_it(supabase: SupabaseServer, tmp_path: Path) -> None:
    (tmp_path / "9999_tomorrow.sql").write_text("select 1")
    async with StorePlace("supabase", tmp_path, supabase.url, supabase.key).opened() as database:
        with pytest.raises(MigrationNeeded, match="not know: 0000"):
            await require_schema(database, tmp_path)
    async with await psycopg.AsyncConnection.connect(supabase.admin_url, autocommit=True) as connection:
        await connection.execute("delete from archon_migrations where version = '0080'")
    with pytest.raises(MigrationNeeded, match=r"0080_one_door\.sql") as caught:
        await StorePlace("supabase", tmp_path, supabase.url, supabase.key).bring_up_to_date()
    assert "complete_setup.sql" in caught.value.next_step


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize(
    "statement", ["select * from archon_call('archon_secrets_list', '{}')", "select * from archon_settings_load()"]
)
async def test_a_public_key_calls_nothing_of_ours(supabase: SupabaseServer, role: str, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(supabase.admin_url) as connection:
        await connection.execute(f"set role {role}")  # type: ignore[arg-type]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement)  # type: ignore[arg-type]


async def test_a_public_key_reads_no_table_of_ours(supabase: SupabaseServer) -> None:
    async with await psycopg.AsyncConnection.connect(supabase.admin_url) as connection:
        rows = await connection.execute(
            "select relname from pg_class where relkind = 'r' and relname like 'archon%' and not relrowsecurity"
        )
        assert await rows.fetchall() == []
