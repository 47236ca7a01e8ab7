"""What supports a sentence, judged by a real embedding model over a real store."""

from __future__ import annotations

from src.agents import floor as floors
from src.agents import support
from src.agents.events import CitationEvent, Passage
from src.agents.markers import Marker
from src.store.postgres import PostgresDatabase
from src.store.search import SearchRepository, SearchSpace
from tests.search.shelf import PAGES, Page, WireEmbedder, fill

MADE_UP = (
    "The Eiffel Tower was painted violet in 1931. Penguins elect their king by whistling. "
    "The tax on umbrellas was abolished by a goalkeeper."
)
TRUE = (
    "asyncio.gather runs awaitables concurrently and waits for all of them. "
    "A task group waits for its tasks at the end of the block."
)


async def judged(
    answer: str, markers: list[Marker], store: SearchRepository, embedder: WireEmbedder
) -> list[CitationEvent]:
    """The support of `answer` by all passages of the store."""
    space = await store.space(
        model="all-minilm-l6-v2", dimensions=384, normalised=True, query_prefix="", passage_prefix=""
    )
    assert space is not None
    passages = [
        Passage(number, sample.chunk_id, "s", None, sample.page, None, (), sample.content, None, None)
        for number, sample in enumerate(await store.sample(space.id, 100), start=1)
    ]
    return await support.judge(answer, markers, passages, space, store, embedder)


async def test_no_sentence_of_a_made_up_answer_has_support(
    space: int, database: PostgresDatabase, embedder: WireEmbedder
) -> None:
    found = await judged(MADE_UP, [], SearchRepository(database), embedder)
    assert [(event.kind, event.numbers) for event in found] == [("none", ())] * 3


async def test_sentences_that_say_what_a_passage_says_are_similar_to_it(
    space: int, database: PostgresDatabase, embedder: WireEmbedder
) -> None:
    found = await judged(TRUE, [], SearchRepository(database), embedder)
    assert [(event.kind, event.numbers) for event in found] == [("similar", (1,)), ("similar", (2,))]


async def test_a_marker_makes_its_sentence_cited_and_no_other(
    space: int, database: PostgresDatabase, embedder: WireEmbedder
) -> None:
    answer = "Penguins whistle [3]. Umbrellas are taxed."
    found = await judged(answer, [Marker(17, 20, 3)], SearchRepository(database), embedder)
    assert [(event.kind, event.numbers) for event in found] == [("cited", (3,)), ("none", ())]
    assert [answer[event.start : event.end] for event in found] == ["Penguins whistle [3].", "Umbrellas are taxed."]


async def test_the_floor_is_measured_once_and_kept(
    space: int, database: PostgresDatabase, embedder: WireEmbedder
) -> None:
    store = SearchRepository(database)
    measured = await floors.ensure(SearchSpace(space, None, None), store, embedder)
    assert 0.2 < measured < 0.7
    kept = SearchSpace(space, measured, await store.space_size(space))
    assert await floors.ensure(kept, store, WireEmbedder("http://127.0.0.1:9")) == measured


async def test_the_floor_of_a_store_with_many_pages_comes_from_its_own_pairs(
    database: PostgresDatabase, database_url: str, embedder: WireEmbedder
) -> None:
    texts = [(*PAGES[number % 4].passages[:2], f"Filler number {number}.") for number in range(10)]
    pages = [Page(f"https://x.test/{number}", "Page", passages) for number, passages in enumerate(texts)]
    space = await fill(database_url, database, embedder, pages)
    store = SearchRepository(database)
    floor = await floors.ensure(SearchSpace(space, None, None), store, embedder)
    # Every fourth page says the same, so many of the "unrelated" pairs are alike: the floor must see that.
    assert floor > 0.9


async def test_the_floor_is_measured_again_when_the_store_has_doubled(
    space: int, database: PostgresDatabase, embedder: WireEmbedder
) -> None:
    assert await floors.ensure(SearchSpace(space, 0.99, 4), SearchRepository(database), embedder) < 0.9


def test_the_percentile_of_few_values_is_one_of_them() -> None:
    assert [floors.percentile([0.1], 0.95), floors.percentile([n / 100 for n in range(100)], 0.95)] == [0.1, 0.95]
