"""Code examples: found, kept as they are, embedded, searched, described."""

from __future__ import annotations

import json

import pytest

from src.inference.chat import build_chat_model
from src.inference.discovery import forget_discoveries
from src.inference.models import ChatModel
from src.ingest.document import Budget, CodeRules
from src.ingest.examples import examples_of
from src.ingest.requests import CrawlRequest, UploadRequest
from src.ingest.service import IngestService
from src.ingest.summaries import SCHEMA, Summaries, summary_in
from src.ingest.tokens import estimate
from src.search.code import CodeSearch
from src.store import code_examples, settings_rows, sources
from src.store.database import Database
from src.store.settings_rows import SettingEntry
from tests.fakes.chosen import chosen
from tests.fakes.model_server import DONE, USAGE, ModelServer, Reply, Stream, answer_of, embeddings, model_row, token

from .parts import embed_reply, ended, factory_for, vector_of
from .site import Site

BUDGET = Budget(254, 1.3)
PYTHON = """async def main():
    \tresults = await asyncio.gather(*[fetch(url) for url in urls])   # two  spaces
    for `x` in results:
        print(f"{x!r} <&>", "ü", sep='|')

    return {"all": results, "count": len(results)}
asyncio.run(main())"""
RUST = (
    """fn main() {
    let sum: i32 = (1..=10).filter(|n| n % 2 == 0).sum();
    println!("{}", sum);
}"""
    * 3
)
PAGE = f"""# Guide

## Several at once

Run several coroutines together:

````python hl_lines="2"
{PYTHON}
````

They end together.

```
$ ls
```

```rust,ignore
{RUST}
```
"""


def _codes(markdown: str, **rules: int) -> list[str]:
    return [example.code for example in examples_of(markdown, BUDGET, CodeRules(**rules))]


def test_an_example_is_its_code_sign_for_sign_with_what_is_said_around_it() -> None:
    first, second = examples_of(PAGE, BUDGET, CodeRules())
    assert (first.code, first.language, second.language) == (PYTHON, "python", "rust")
    assert (first.before, first.after) == ("Run several coroutines together:", "They end together.")
    assert (first.heading_path, first.name) == (("Guide", "Several at once"), "Several at once")


@pytest.mark.parametrize(
    ("named", "language"), [("py", "python"), ("Python3", "python"), ("sh", "bash"), ("zig", "zig")]
)
def test_a_language_has_one_name(named: str, language: str) -> None:
    (example,) = examples_of(f"```{named}\n{PYTHON}\n```", BUDGET, CodeRules(least_chars=20))
    assert example.language == language


def test_what_is_embedded_fits_the_model() -> None:
    long = "\n".join(f"value_{number} = compute({number}, mode='x')" for number in range(90))
    (example,) = examples_of(f"{'Words before. ' * 60}\n\n```python\n{long}\n```", BUDGET, CodeRules())
    assert example.code == long
    assert estimate(example.embedded_text) <= BUDGET.max_tokens / BUDGET.ratio
    assert "Words before." in example.embedded_text
    assert "value_0 = " in example.embedded_text


@pytest.mark.parametrize(
    "block",
    [
        "```python\nx = 1\n```",
        "```mermaid\ngraph TD;\n" + "  A-->B;\n" * 60 + "```",
        "```\n" + "This is a sentence of plain prose that says nothing in code.\n" * 10 + "```",
        "```python\n" + "# only a comment, again and again\n" * 20 + "```",
        "```\n" + "=" * 400 + "\n```",
        "```python\n" + "value = call(1)\n" * 400 + "```",
    ],
    ids=["short", "diagram", "prose", "comments", "one line", "too long"],
)
def test_what_shows_nothing_is_no_example(block: str) -> None:
    assert _codes(block) == []


def test_the_least_length_goes_by_language_and_by_the_words_around() -> None:
    data = '```json\n{"a": [1, 2, 3],\n "b": {"c": "d"},\n "e": [' + ", ".join(["1"] * 30) + "]}\n```"
    assert len(_codes(data)) == 1
    assert _codes(f"The complete implementation:\n\n{data}") == []
    assert _codes(data, least_chars=300) == []


def test_one_code_twice_is_one_example() -> None:
    assert len(_codes(PAGE + PAGE)) == 2


async def test_examples_are_stored_with_their_page_and_go_with_it(
    site: Site, service: IngestService, database: Database
) -> None:
    html = (
        f"<title>T</title><main><h1>Gather</h1><p>Together:</p><pre><code class='language-python'>{PYTHON}</code></pre>"
    )
    site.page("/docs/", html.replace("<&>", "&lt;&amp;&gt;"))
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/docs/"), max_depth=1)))
    (example,) = (await code_examples.of_source(database, end.source_id)).items
    assert (example.content, example.language, example.summary) == (PYTHON, "python", "Together:")
    assert {"chunk_index", "url", "source", "source_id", "language", "char_count", "word_count", "example_name",
            "title"} <= set(example.metadata)  # fmt: skip
    assert (await sources.get(database, end.source_id)).code_examples_count == 1
    site.page("/docs/", "<title>T</title><main><p>No code any more.</p>")
    await ended(service, await service.refresh(end.source_id))
    assert (await code_examples.of_source(database, end.source_id)).total == 0


async def test_the_progress_says_how_much_code_was_found_and_stored(site: Site, service: IngestService) -> None:
    site.page("/docs/a.md", PAGE, "text/markdown")
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/docs/a.md"), max_depth=1)))
    shown = end.to_dict()
    assert (shown["codeBlocksFound"], shown["codeExamplesStored"]) == (2, 2)
    assert '"codeBlocksFound": 2' in json.dumps(shown["details"])


async def test_nobody_who_does_not_want_examples_gets_them(service: IngestService, database: Database) -> None:
    request = UploadRequest("a.md", PAGE.encode(), extract_code_examples=False)
    end = await ended(service, await service.start_upload(request))
    assert (end.status, (await code_examples.of_source(database, end.source_id)).total) == ("completed", 0)


async def test_code_is_found_by_words_and_by_vector(
    service: IngestService, models: ModelServer, database: Database
) -> None:
    end = await ended(service, await service.start_upload(UploadRequest("a.md", PAGE.encode())))
    search = CodeSearch(database, factory_for(models.url))  # type: ignore[arg-type]
    found = await search.search("asyncio.gather", source_ids=[end.source_id])
    ranks = {hit.code: hit.keyword_rank for hit in found.hits}
    assert (found.search_mode, ranks[PYTHON]) == ("hybrid", 1)
    assert all(hit.similarity is not None for hit in found.hits)
    body = found.to_dict()
    assert (body["success"], body["reranked"], body["error"]) == (True, False, None)


async def test_search_in_code_keeps_to_source_and_language(
    service: IngestService, models: ModelServer, database: Database
) -> None:
    await ended(service, await service.start_upload(UploadRequest("a.md", PAGE.encode())))
    search = CodeSearch(database, factory_for(models.url))  # type: ignore[arg-type]
    rust = await search.search("filter sum asyncio", language="Rust")
    nowhere = await search.search("filter sum asyncio", source_ids=["0123456789abcdef"])
    assert ([hit.language for hit in rust.hits], nowhere.hits) == (["rust"], ())


async def test_a_search_in_code_that_finds_nothing_says_why(
    service: IngestService, models: ModelServer, database: Database
) -> None:
    search = CodeSearch(database, factory_for(models.url))  # type: ignore[arg-type]
    empty = await search.search("gather")
    await ended(service, await service.start_upload(UploadRequest("a.md", PAGE.encode())))
    filtered = await search.search("gather", language="cobol")
    nowhere = await search.search("gather", source_ids=["0123456789abcdef"])
    models.on("/v1/embeddings", embed_reply(size=6))
    elsewhere = await CodeSearch(database, factory_for(models.url)).search("zebra")  # type: ignore[arg-type]
    stored = [vector_of(one.embedded_text) for one in await code_examples.missing(database, 0)]
    models.on("/v1/embeddings", Reply(body=embeddings([[-sum(numbers) for numbers in zip(*stored, strict=True)]])))
    unlike = await search.search("zebra")
    assert [one.to_dict()["reason"] for one in (empty, filtered, nowhere, elsewhere, unlike)] == [
        "empty_store", "filter_excludes_all", "filter_excludes_all", "other_space", "no_match",
    ]  # fmt: skip


async def _with_summaries(database: Database, models: ModelServer, answer: object) -> None:
    await settings_rows.save(database, [SettingEntry("ENABLE_CODE_SUMMARIES", "true")])
    models.on("/v1/chat/completions", answer)  # type: ignore[arg-type]

    async def chat() -> ChatModel:
        return build_chat_model(chosen("llm", VLLM_BASE_URL=models.url))

    await Summaries(database, chat, factory_for(models.url)).write_some()  # type: ignore[arg-type]


async def test_the_chat_model_describes_examples_in_a_json_schema(
    service: IngestService, models: ModelServer, database: Database
) -> None:
    end = await ended(service, await service.start_upload(UploadRequest("a.md", PAGE.encode())))
    said = json.dumps({"example_name": "Gather them", "summary": "Runs coroutines together."})
    await _with_summaries(database, models, answer_of(said))
    first = (await code_examples.of_source(database, end.source_id)).items[0]
    asked = models.asked("/v1/chat/completions")[0].json()
    assert (first.summary, first.metadata["example_name"]) == ("Runs coroutines together.", "Gather them")
    assert asked["response_format"]["json_schema"]["schema"] == SCHEMA
    assert await code_examples.unsummarised(database) == []


async def test_a_model_whose_description_has_no_end_is_given_more_room_once(
    service: IngestService, models: ModelServer, database: Database
) -> None:
    end = await ended(service, await service.start_upload(UploadRequest("a.md", PAGE.encode())))
    said = json.dumps({"example_name": "Gather them", "summary": "Runs coroutines together."})
    cut = Stream((token(said[:30]), token("", "length"), USAGE, DONE))
    models.on("/v1/models", Reply(body={"object": "list", "data": [model_row("fake-model", 4096)]}))
    forget_discoveries()
    await _with_summaries(database, models, lambda r: answer_of(said) if r.json()["max_tokens"] > 1000 else cut)
    assert (await code_examples.of_source(database, end.source_id)).items[0].summary == "Runs coroutines together."


async def test_what_was_said_of_code_that_stays_is_kept(
    site: Site, service: IngestService, models: ModelServer, database: Database
) -> None:
    site.page("/a.md", PAGE, "text/markdown")
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/a.md"), max_depth=1)))
    said = json.dumps({"example_name": "Gather them", "summary": "Runs coroutines together."})
    await _with_summaries(database, models, answer_of(said))
    site.page("/a.md", f"{PAGE}\n\nOne more paragraph.", "text/markdown")
    await ended(service, await service.refresh(end.source_id))
    first = (await code_examples.of_source(database, end.source_id)).items[0]
    assert (first.summary, first.metadata["example_name"]) == ("Runs coroutines together.", "Gather them")
    assert await code_examples.unsummarised(database) == []


@pytest.mark.parametrize("answer", [answer_of("no JSON at all"), Reply(400, {"error": {"message": "bad"}})])
async def test_an_example_that_cannot_be_described_keeps_its_words(
    service: IngestService, models: ModelServer, database: Database, answer: object
) -> None:
    end = await ended(service, await service.start_upload(UploadRequest("a.md", PAGE.encode())))
    await _with_summaries(database, models, answer)
    first = (await code_examples.of_source(database, end.source_id)).items[0]
    assert (first.content, first.summary) == (PYTHON, "Run several coroutines together:")
    assert await code_examples.unsummarised(database) == []


async def test_no_summaries_are_written_unless_the_setting_wants_them(
    service: IngestService, models: ModelServer, database: Database
) -> None:
    await ended(service, await service.start_upload(UploadRequest("a.md", PAGE.encode())))
    assert await Summaries(database, factory_for("x"), factory_for("x")).write_some() == 0  # type: ignore[arg-type]
    assert models.asked("/v1/chat/completions") == []


def test_a_summary_is_found_in_what_stands_around_it() -> None:
    assert summary_in('Sure!\n```json\n{"example_name": " A  b ", "summary": "S."}\n```').name == "A b"
    with pytest.raises(ValueError, match="missing"):
        summary_in('{"example_name": ""}')
