"""How good search is, on two manuals with questions and answers that nobody here wrote.

    python bench/quality.py [--quick] [--tune] [--pages N] [--cache FOLDER]

The first set is the index of Python's manual: a term is the question, the pages that the index names are the answer.
Terms fall to tuning (30 %) or to reporting (70 %) by a hash of their text; `--tune` prints the tuning part for several
parameters, and what is reported uses the product's defaults. The second set is made by a rule from the section headings
of PostgreSQL's manual and is never tuned on. Pages are ranked by their best passage. Both sets are lexical by nature:
a term of an index stands on the page that it names.

Both manuals are Debian packages (`_corpora.py`). Vectors are kept in the cache by a hash of model and text: the first
run embeds some 40,000 passages, later ones none.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from _corpora import (
    POSTGRES,
    PYTHON,
    TUNING_SHARE,
    Asked,
    CorpusMissing,
    heading_questions,
    index_terms,
    manual,
    passages,
)
from _kept_vectors import KeptVectors
from _measure import REPOSITORY, circumstances
from _parts import active, database_url, model_servers
from _shelf import filled

from src.cli.local_vllm.roles import EMBEDDINGS
from src.inference.embed import build_embedder
from src.inference.models import Embedder, Vector
from src.store.postgres import PostgresDatabase
from src.store.search import DEFAULT_WEIGHTS, Scope, SearchRepository, Weights

CACHE = REPOSITORY / ".archon" / "bench"
DEPTH = 50
"""Passages read for each question; ten pages are what is judged."""
PAGES_JUDGED = 10
QUICK_PAGES = {PYTHON: 5, POSTGRES: 25}
RESAMPLES = 2000
MOST_TUNED, MOST_REPORTED = 600, 2000
"""Questions of a part, the first ones by their hash: enough for intervals of a hundredth."""
GRID = [
    Weights(rank_constant=constant, keyword=keyword, heading=heading)
    for heading in (0.25, 0.5, 1.0)
    for constant in (10.0, 20.0, 60.0)
    for keyword in (0.5, 1.0, 1.5, 2.0, 3.0)
]


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one question: the share of its pages among the first five, 1 / place of the first, and nDCG of ten."""

    recall_5: float
    reciprocal: float
    ndcg_10: float


@dataclass(frozen=True)
class Corpus:
    """A manual in a database of its own, and the questions about it with their vectors."""

    store: SearchRepository
    space: int
    page_of: dict[int, str]
    questions: list[tuple[Asked, Vector]]


@dataclass(frozen=True, slots=True)
class Run:
    """What is to be done with one manual."""

    package: tuple[str, str]
    cache: Path
    most_pages: int | None
    tune: bool

    @property
    def is_split(self) -> bool:
        """Whether a part of the questions is for tuning; the other manual is never tuned on."""
        return self.package == PYTHON


def main() -> int:
    """Measure and print; 0 whatever the figures are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--pages", type=int, help="only that many pages of each manual")
    parser.add_argument("--cache", type=Path, default=CACHE)
    chosen = parser.parse_args()
    print(f"quality: {circumstances()}")
    with model_servers(EMBEDDINGS) as urls:
        for package in (PYTHON,) if chosen.tune else (PYTHON, POSTGRES):
            most_pages = chosen.pages or (QUICK_PAGES[package] if chosen.quick else None)
            measure(Run(package, chosen.cache, most_pages, chosen.tune), urls[EMBEDDINGS.name])
    return 0


def measure(run: Run, server: str) -> None:
    """One manual, in a database of its own; where it cannot be had, that is said."""
    try:
        folder = manual(run.package, run.cache)
    except CorpusMissing as missing:
        print(f"  {run.package[0]}: not run: {missing}")
        return
    with database_url() as url:
        asyncio.run(_measured(run, folder, url, server))


async def _measured(run: Run, folder: Path, url: str, server: str) -> None:
    database = await PostgresDatabase.connect(url)
    try:
        corpus = await _corpus(run, folder, url, database, build_embedder(active(server, "embedding")))
        if run.tune:
            await _tuned(corpus, corpus.questions)
        else:
            await _reported(corpus, corpus.questions)
    finally:
        await database.close()


async def _corpus(run: Run, folder: Path, url: str, database: PostgresDatabase, embedder: Embedder) -> Corpus:
    found = await passages(folder, embedder, run.most_pages)
    pages = frozenset(passage.page for passage in found)
    asked = chosen_questions(run, folder, pages)
    print(f"  {run.package[0]}: {len(pages):,} pages, {len(found):,} passages, {len(asked):,} questions", flush=True)
    with KeptVectors(run.cache / "vectors.sqlite", embedder) as kept:
        vectors = await kept.of([passage.chunk.embedded_text for passage in found])
        questions = await kept.of_questions([one.text for one in asked])
    space = await filled(url, database, embedder, found, vectors)
    page_of = {number: passage.page for number, passage in enumerate(found)}
    return Corpus(SearchRepository(database), space, page_of, list(zip(asked, questions, strict=True)))


def chosen_questions(run: Run, folder: Path, pages: frozenset[str]) -> list[Asked]:
    """The questions of the part that is run, the first ones by their hash."""
    if not run.is_split:
        return heading_questions(folder, pages)[:MOST_REPORTED]
    asked = index_terms(folder, pages)
    if run.tune:
        return [one for one in asked if one.share < TUNING_SHARE][:MOST_TUNED]
    return [one for one in asked if one.share >= TUNING_SHARE][:MOST_REPORTED]


async def _tuned(corpus: Corpus, questions: Sequence[tuple[Asked, Vector]]) -> None:
    """The tuning part for every set of parameters: each list alone at its own best, and both together."""
    print(f"  tuning on {len(questions)} terms: recall@5, MRR, nDCG@10")
    for heading in sorted({weights.heading for weights in GRID}):
        alone = replace(DEFAULT_WEIGHTS, heading=heading)
        print(
            f"    keyword, heading {heading}: {shown(await _scores(corpus, questions, alone, 'keyword'))}", flush=True
        )
    print(f"    vector: {shown(await _scores(corpus, questions, DEFAULT_WEIGHTS, 'vector'))}", flush=True)
    for weights in GRID:
        print(f"    fused, {weights}: {shown(await _scores(corpus, questions, weights, 'fused'))}", flush=True)


async def _reported(corpus: Corpus, questions: Sequence[tuple[Asked, Vector]]) -> None:
    print(f"  reported on {len(questions)} questions with {DEFAULT_WEIGHTS}")
    print("  |                    | recall@5 | MRR    | nDCG@10 |")
    by_way = {way: await _scores(corpus, questions, DEFAULT_WEIGHTS, way) for way in ("keyword", "vector", "fused")}
    for way, scores in by_way.items():
        print(f"  | {way:18} | {shown(scores)} |", flush=True)
    print("  | fused and reranked | not run: no cross-encoder can be had from packages |")
    for way in ("keyword", "vector"):
        low, middle, high = bootstrap(by_way["fused"], by_way[way])
        print(f"  fused over {way} in nDCG@10: {middle:+.4f}, 95 % of resamples within {low:+.4f} and {high:+.4f}")


async def _scores(
    corpus: Corpus, questions: Sequence[tuple[Asked, Vector]], weights: Weights, way: str
) -> list[Scores]:
    """One way to search: `keyword`, `vector`, or `fused` as the product does it."""
    weights = replace(weights, keyword=0.0) if way == "vector" else weights
    found = []
    for asked, vector in questions:
        hits = await corpus.store.chunks(
            space=None if way == "keyword" else corpus.space,
            vector=None if way == "keyword" else vector,
            words=asked.text,
            scope=Scope(),
            limit=DEPTH,
            weights=weights,
        )
        found.append(judged([corpus.page_of[hit.id] for hit in hits], asked.pages))
    return found


def judged(pages: Sequence[str], wanted: frozenset[str]) -> Scores:
    """The scores of pages in their order, each counted at its first place."""
    ranked = list(dict.fromkeys(pages))[:PAGES_JUDGED]
    places = [place for place, page in enumerate(ranked, 1) if page in wanted]
    gained = sum(1 / math.log2(place + 1) for place in places)
    best = sum(1 / math.log2(place + 1) for place in range(1, min(len(wanted), PAGES_JUDGED) + 1))
    in_five = sum(1 for place in places if place <= 5)
    return Scores(in_five / min(len(wanted), 5), 1 / places[0] if places else 0.0, gained / best)


def shown(scores: Sequence[Scores]) -> str:
    """The means as columns."""
    n = max(1, len(scores))
    means = (
        sum(one.recall_5 for one in scores) / n,
        sum(one.reciprocal for one in scores) / n,
        sum(one.ndcg_10 for one in scores) / n,
    )
    return "{:.4f}   | {:.4f} | {:.4f} ".format(*means)


def bootstrap(ours: Sequence[Scores], others: Sequence[Scores]) -> tuple[float, float, float]:
    """2.5th percentile, mean and 97.5th percentile of the difference in nDCG@10, the same questions on both sides."""
    differences = [one.ndcg_10 - other.ndcg_10 for one, other in zip(ours, others, strict=True)]
    if not differences:
        return 0.0, 0.0, 0.0
    randomly = random.Random(7)
    n = len(differences)
    means = sorted(sum(randomly.choices(differences, k=n)) / n for _ in range(RESAMPLES))
    return means[int(0.025 * RESAMPLES)], sum(differences) / n, means[int(0.975 * RESAMPLES) - 1]


if __name__ == "__main__":
    sys.exit(main())
