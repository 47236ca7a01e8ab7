"""Contextual embeddings in whole jobs: what is embedded, asked once, waited for, and named where it is missing."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from src.config import REPOSITORY
from src.errors import ConfigurationError
from src.inference.client import Deadlines
from src.inference.discovery import forget_discoveries
from src.ingest.requests import CrawlRequest, UploadRequest
from src.ingest.service import IngestService
from src.ingest.situating import Narrator
from src.ingest.space import open_space
from src.search.query import SearchService
from src.store import jobs, pages
from src.store.postgres import PostgresDatabase
from tests.fakes.model_server import (
    ModelServer,
    Reply,
    Request,
    Reset,
    Silence,
    Stream,
    answer_of,
    model_row,
    running,
    token,
)

from .parts import LIMITS, embed_reply, embedded_texts, ended, factory_for, narrators, open_service, until
from .site import Site

CHAT = "/v1/chat/completions"
SAID = "It explains the zephyr settings."
IMPATIENT = dataclasses.replace(LIMITS, patience_s=0.05, backoff_s=0.01, postpone_s=0.1)
BUSY = Reply(503, {"error": {"message": "busy"}})


def _manual(*topics: str) -> str:
    """A passage for each topic."""
    return "# Manual\n\n" + "\n\n".join(f"## {one}\n\n" + f"The {one} value is set here. " * 25 for one in topics)


TEXT = _manual("alpha", "beta", "gamma")
PASSAGES = 3


@pytest.fixture
async def chat() -> AsyncIterator[ModelServer]:
    """A chat server that says the same of every passage."""
    async with running() as server:
        server.on("/v1/models", Reply(body={"object": "list", "data": [model_row("teller", 4096)]}))
        server.on(CHAT, answer_of(SAID))
        yield server


@pytest.fixture
async def models() -> AsyncIterator[ModelServer]:
    """An embedding server that takes passages of usual length."""
    async with running() as server:
        server.on("/v1/models", Reply(body={"object": "list", "data": [model_row("fake-model", 512)]}))
        server.on("/v1/embeddings", embed_reply())
        yield server


@pytest.fixture
async def telling(database: PostgresDatabase, models: ModelServer, chat: ModelServer) -> AsyncIterator[IngestService]:
    """A service that has contexts written."""
    async with open_service(database, models.url, limits=IMPATIENT, narrators=narrators(chat.url)) as service:
        yield service


def _upload(text: str = TEXT) -> UploadRequest:
    return UploadRequest("a.md", text.encode(), extract_code_examples=False)


def _asked(chat: ModelServer) -> list[str]:
    return [request.json()["messages"][0]["content"] for request in chat.asked(CHAT)]


def _passage(request: Request) -> str:
    return str(request.json()["messages"][0]["content"]).partition("<passage>")[2]


async def test_a_context_is_embedded_before_the_passage_and_shown_beside_it(
    telling: IngestService, models: ModelServer, database: PostgresDatabase
) -> None:
    end = await ended(telling, await telling.start_upload(_upload()))
    chunks = (await pages.chunks(database, end.source_id, limit=20)).items
    assert (end.status, len(chunks), end.chunks_situated) == ("completed", PASSAGES, PASSAGES)
    assert all(any(text.endswith(f"{SAID}\n\n{chunk.content}") for text in embedded_texts(models)) for chunk in chunks)
    assert not any(SAID in chunk.content for chunk in chunks)
    said = {(chunk.metadata["situation"], chunk.metadata["llm_chat_model"]) for chunk in chunks}
    assert said == {(SAID, "teller")}


async def test_another_embedding_model_gets_the_same_texts_and_nothing_is_asked_for_it(
    telling: IngestService, models: ModelServer, database: PostgresDatabase
) -> None:
    await ended(telling, await telling.start_upload(_upload()))
    embedded = {text for text in embedded_texts(models) if SAID in text}
    models.on("/v1/models", Reply(body={"object": "list", "data": [model_row("other-model", 512)]}))
    forget_discoveries()
    other = await open_space(database, await factory_for(models.url)())  # type: ignore[misc,operator]
    texts = await database.call("archon_space_pending", space=other.id, kind="chunk", after=0, row_limit=10)
    assert {text["content"] for text in texts} == embedded


async def test_a_passage_is_found_by_the_words_of_its_context(
    telling: IngestService, models: ModelServer, database: PostgresDatabase
) -> None:
    await ended(telling, await telling.start_upload(_upload()))
    found = await SearchService(database, factory_for(models.url)).search("zephyr")  # type: ignore[arg-type]
    assert found.hits
    assert all(hit.keyword_rank is not None for hit in found.hits)


async def test_nothing_is_asked_twice(
    site: Site, telling: IngestService, chat: ModelServer, database: PostgresDatabase
) -> None:
    site.page("/a.md", TEXT, "text/markdown")
    end = await ended(telling, await telling.start_crawl(CrawlRequest(site.url("/a.md"), max_depth=1)))
    again = await ended(telling, await telling.refresh(end.source_id))
    other = await ended(telling, await telling.start_upload(_upload()))
    assert (again.tally.pages_unchanged, other.tally.pages_stored) == (1, 1)
    assert len(chat.asked(CHAT)) == PASSAGES


async def test_a_visit_that_finds_nothing_new_needs_no_chat_server(
    site: Site, database: PostgresDatabase, models: ModelServer, chat: ModelServer
) -> None:
    site.page("/a.md", TEXT, "text/markdown")
    async with open_service(database, models.url, narrators=narrators(chat.url)) as service:
        end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/a.md"), max_depth=1)))
    async with open_service(database, models.url, narrators=narrators("http://127.0.0.1:9")) as service:
        again = await ended(service, await service.refresh(end.source_id))
    assert (again.status, again.tally.pages_unchanged) == ("completed", 1)


async def test_a_page_that_changed_is_asked_about_anew(site: Site, telling: IngestService, chat: ModelServer) -> None:
    site.page("/a.md", TEXT, "text/markdown")
    end = await ended(telling, await telling.start_crawl(CrawlRequest(site.url("/a.md"), max_depth=1)))
    site.page("/a.md", TEXT.replace("gamma", "delta"), "text/markdown")
    await ended(telling, await telling.refresh(end.source_id))
    assert any("delta" in text.partition("<passage>")[2] for text in _asked(chat)[PASSAGES:])


async def test_switching_it_on_reaches_a_source_with_its_next_refresh(
    site: Site, models: ModelServer, chat: ModelServer, database: PostgresDatabase
) -> None:
    site.page("/a.md", TEXT, "text/markdown", ETag='"1"')
    async with open_service(database, models.url) as plain:
        end = await ended(plain, await plain.start_crawl(CrawlRequest(site.url("/a.md"), max_depth=1)))
    async with open_service(database, models.url, narrators=narrators(chat.url)) as service:
        again = await ended(service, await service.refresh(end.source_id))
    assert (again.tally.pages_stored, len(chat.asked(CHAT))) == (1, PASSAGES)


async def test_the_questions_of_a_document_begin_alike_and_few_are_under_way(
    database: PostgresDatabase, models: ModelServer, chat: ModelServer
) -> None:
    async with open_service(database, models.url, narrators=narrators(chat.url, at_once=2)) as service:
        await ended(service, await service.start_upload(_upload()))
    assert len({text.partition("The passage:")[0] for text in _asked(chat)}) == 1
    assert chat.most_at_once <= 2


async def test_an_outage_is_waited_out_in_the_queue(telling: IngestService, chat: ModelServer) -> None:
    chat.on(CHAT, lambda r: BUSY if "gamma value" in _passage(r) else answer_of(SAID))
    job = await telling.start_upload(_upload())
    waiting = await until(telling, job, lambda now: "It is tried again in" in now.message)
    chat.on(CHAT, answer_of(SAID))
    end = await ended(telling, job)
    assert (waiting.is_final, end.status, end.tally.pages_stored, end.tally.pages_failed) == (False, "completed", 1, 0)


async def test_a_passage_without_a_context_is_named_and_asked_about_at_the_next_visit(
    site: Site, telling: IngestService, chat: ModelServer, database: PostgresDatabase
) -> None:
    site.page("/a.md", TEXT, "text/markdown", ETag='"1"')
    chat.on(CHAT, lambda r: answer_of(" ") if "gamma value" in _passage(r) else answer_of(SAID))
    end = await ended(telling, await telling.start_crawl(CrawlRequest(site.url("/a.md"), max_depth=1)))
    assert (end.tally.pages_stored, end.tally.chunks_without_context) == (1, 1)
    assert end.tally.notices[0].error.startswith("1 of 3 passages were embedded without a context:")
    chat.on(CHAT, answer_of(SAID))
    before = len(chat.asked(CHAT))
    again = await ended(telling, await telling.refresh(end.source_id))
    assert (again.tally.pages_stored, again.tally.notices, len(chat.asked(CHAT)) - before) == (1, (), 1)


@pytest.mark.parametrize(
    "answer",
    [
        Reply(400, {"error": {"message": "This model's maximum context length is 64 tokens", "code": 400}}),
        Stream((token("It is"),), end="cut"),
        answer_of("<think>Hm"),
        answer_of("w" * 1000),
        Reply(500, {"error": {"message": "assertion failed"}}),
        Reset(),
    ],
    ids=["too long", "broken off", "only thoughts", "one word", "a fault", "reset"],
)
async def test_trouble_with_one_passage_leaves_the_others_their_contexts(
    telling: IngestService, chat: ModelServer, answer: Reply | Stream | Reset
) -> None:
    chat.on(CHAT, lambda r: answer if "beta value" in _passage(r) else answer_of(SAID))
    end = await ended(telling, await telling.start_upload(_upload()))
    assert (end.status, end.tally.chunks_without_context) == ("completed", 1)


async def test_a_passage_that_the_model_never_answers_does_not_hold_the_others(
    database: PostgresDatabase, models: ModelServer, chat: ModelServer
) -> None:
    chat.on(CHAT, lambda r: Silence() if "beta value" in _passage(r) else answer_of(SAID))
    told_by = narrators(chat.url, deadlines=Deadlines(first_event_s=0.5))
    async with open_service(database, models.url, limits=IMPATIENT, narrators=told_by) as service:
        end = await ended(service, await service.start_upload(_upload()))
    assert (end.status, end.tally.chunks_without_context) == ("completed", 1)


async def test_what_lacks_a_context_stands_in_the_job_and_its_history(
    telling: IngestService, chat: ModelServer, database: PostgresDatabase
) -> None:
    chat.on(CHAT, lambda r: answer_of(" ") if "gamma value" in _passage(r) else answer_of(SAID))
    job = await telling.start_upload(_upload())
    await ended(telling, job)
    [page] = await jobs.frontier(database, job)
    result = (await jobs.get(database, job)).result or {}
    assert (page.state, page.error and page.error["code"]) == ("stored", "without_context")
    assert (result["chunks_without_context"], result["pages_failed"]) == (1, 0)


async def test_a_question_that_is_too_long_is_asked_with_less_of_the_document(
    telling: IngestService, chat: ModelServer
) -> None:
    long = Reply(400, {"error": {"message": "This model's maximum context length is 64 tokens", "code": 400}})
    chat.on(CHAT, lambda r: long if len(r.body) > 4000 else answer_of(SAID))
    end = await ended(telling, await telling.start_upload(_upload()))
    assert (end.tally.chunks_without_context, end.tally.pages_stored) == (0, 1)


async def test_an_absurdly_long_answer_is_cut_to_the_room_it_has(
    telling: IngestService, chat: ModelServer, database: PostgresDatabase
) -> None:
    chat.on(CHAT, answer_of("First sentence. ", *["And on and on it goes. " * 100] * 30))
    end = await ended(telling, await telling.start_upload(_upload()))
    chunks = (await pages.chunks(database, end.source_id, limit=20)).items
    assert all(str(chunk.metadata["situation"]).startswith("First sentence.") for chunk in chunks)
    assert all(len(str(chunk.metadata["situation"])) < 300 for chunk in chunks)


async def test_a_model_that_says_nothing_of_any_passage_ends_the_job(telling: IngestService, chat: ModelServer) -> None:
    chat.on(CHAT, answer_of(""))
    end = await ended(telling, await telling.start_upload(_upload(_manual(*(f"topic{n}" for n in range(9))))))
    assert (end.status, end.detail and end.detail["code"]) == ("failed", "configuration")
    assert "switch contextual embeddings off" in str(end.detail and end.detail["next_step"])


async def test_without_a_chat_model_the_job_says_so_before_anything_is_asked(
    database: PostgresDatabase, models: ModelServer
) -> None:
    async def nobody() -> Narrator:
        raise ConfigurationError("No server address is set.", next_step="Enter one.")

    async with open_service(database, models.url, narrators=nobody) as service:
        end = await ended(service, await service.start_upload(_upload()))
    assert (end.status, end.detail and end.detail["next_step"]) == (
        "failed", "Enter one. Or switch contextual embeddings off in Settings.",
    )  # fmt: skip


async def test_several_chat_models_and_none_chosen_end_the_job_with_both_ways_out(
    telling: IngestService, chat: ModelServer
) -> None:
    chat.on("/v1/models", Reply(body={"object": "list", "data": [model_row("one"), model_row("two")]}))
    end = await ended(telling, await telling.start_upload(_upload()))
    step = str(end.detail and end.detail["next_step"])
    assert (end.status, "Choose one of them" in step, "switch contextual embeddings off" in step) == (
        "failed", True, True,
    )  # fmt: skip


async def test_a_document_of_one_passage_needs_no_context(telling: IngestService, chat: ModelServer) -> None:
    end = await ended(telling, await telling.start_upload(_upload("# One\n\nA few words.")))
    assert (end.tally.chunks_stored, chat.asked(CHAT)) == (1, [])


@pytest.mark.parametrize("verb", ["stop", "pause"])
async def test_a_job_can_be_stopped_while_contexts_are_written(
    telling: IngestService, chat: ModelServer, verb: str
) -> None:
    chat.on(CHAT, Silence())
    job = await telling.start_upload(_upload())
    await chat.busy.wait()
    await (telling.stop(job) if verb == "stop" else telling.pause(job))
    await asyncio.wait_for(chat.gone.wait(), 20)
    seen = await until(telling, job, lambda now: now.status in ("cancelled", "paused"))
    assert seen.status == {"stop": "cancelled", "pause": "paused"}[verb]


async def test_a_paused_job_goes_on_without_asking_again(telling: IngestService, chat: ModelServer) -> None:
    chat.on(CHAT, lambda r: Silence() if "gamma value" in _passage(r) else answer_of(SAID))
    job = await telling.start_upload(_upload())
    await chat.busy.wait()
    await telling.pause(job)
    await until(telling, job, lambda now: now.status == "paused")
    answered = [text for text in _asked(chat) if "alpha value" in text.partition("<passage>")[2]]
    chat.on(CHAT, answer_of(SAID))
    await telling.resume(job)
    assert (await ended(telling, job)).status == "completed"
    assert all(_asked(chat).count(text) == 1 for text in answered)


async def test_a_killed_worker_loses_no_context_that_was_answered(
    database: PostgresDatabase, database_url: str, models: ModelServer, chat: ModelServer
) -> None:
    chat.on(CHAT, lambda r: Silence() if "gamma value" in _passage(r) else answer_of(SAID))
    async with open_service(database, models.url, started=False) as waiting:
        job = await waiting.start_upload(_upload())
        command = (sys.executable, "-m", "tests.ingest.worker_process", database_url, models.url, chat.url)
        process = await asyncio.create_subprocess_exec(*command, cwd=Path(REPOSITORY) / "python")
        await asyncio.wait_for(chat.busy.wait(), 60)
        process.kill()
        await process.wait()
    answered = [text for text in _asked(chat) if "alpha value" in text.partition("<passage>")[2]]
    chat.on(CHAT, answer_of(SAID))
    async with open_service(database, models.url, narrators=narrators(chat.url)) as service:
        end = await ended(service, job)
    assert (end.status, len(answered) > 0, end.tally.notices) == ("completed", True, ())
    assert all(_asked(chat).count(text) == 1 for text in answered)
