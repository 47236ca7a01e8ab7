"""Ingest: what the product adds to the embedding itself.

    python bench/ingest.py [--quick] [--only real|simulated|flat|growth|memory] [--chunks N] [--pairs N] [--pages N]

real       wall time of a crawl over that of embedding the very same texts straight on the same vLLM, alternating
           (10 minutes on two cores)
simulated  passages a second on a server of fixed cost and of capacity 8, 32 and 128, over the smallest of that
           capacity, of 2,000, and of what a bare client reaches that puts the same rows into the same tables in
           batches (25 minutes)
flat       passages a second into a store of 500,000 passages over those into one of 10,000, on the same vLLM,
           alternating; the stores are filled with real vectors plus noise (10 minutes)
growth     the curve: passages a second while the store grows to 500,000, on the server of fixed cost (10 minutes)
memory     the most memory of the process and its readers during a crawl of 5,000 pages (2 minutes)

The site is made of pairs of the standard library's docstrings and served on loopback by a process of its own. Through
the product it is crawled, read, cut, embedded and stored, in the event loop that the server has; each time into an
empty database, but for `flat` and `growth`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import uvloop
from _fixed_cost_server import fixed_cost_server
from _ingest_run import Run, Way, bare_insert, crawl, filled, straight
from _ingest_site import PER_PAGE, write_site
from _measure import PAIRS, circumstances, percentile, spread, verdict
from _parts import database_url, model_servers

from src.cli.local_vllm.roles import EMBEDDINGS

LIMIT = 1.10
SHARE = 0.9
TRIAL = 256
REQUEST_MS, TEXT_MS = 200.0, 25.0
"""What the server of fixed cost takes for a request and for each text in it: 32 texts in a second at each place."""
CAPACITIES = (8, 32, 128)
MOST = 2000.0
"""Passages a second up to which the product is to keep up."""
MEMORY_MB = 500.0
LONG_S = 110.0
"""What a simulated run takes at the best: where a request takes a second, finding the pace is part of every start."""


def main() -> int:
    """Measure and print; 0 unless something failed to run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=sorted(_PARTS))
    parser.add_argument("--chunks", type=int)
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--pages", type=int)
    chosen = parser.parse_args()
    print(f"ingest: {circumstances()}")
    for name, part in _PARTS.items():
        if chosen.only in (None, name):
            part(chosen)
    print(f"  after: {circumstances()}")
    return 0


def real(chosen: argparse.Namespace) -> None:
    """Against a real vLLM."""
    chunks, pairs = chosen.chunks or (100 if chosen.quick else 2000), chosen.pairs or (1 if chosen.quick else PAIRS)
    with model_servers(EMBEDDINGS) as urls, tempfile.TemporaryDirectory() as folder:
        url = urls[EMBEDDINGS.name]
        write_site(Path(folder), chunks)
        texts = _crawled(Path(folder), url).texts
        way = uvloop.run(_best_way(url, texts[: TRIAL if not chosen.quick else 64]))
        print(f"  real: {len(texts)} passages; straight: {way.batch} texts a request, {way.at_once} at once")
        runs: list[Run] = []
        direct: list[float] = []
        for number in range(pairs):
            steps: list[Callable[[], None]] = [
                lambda: runs.append(_crawled(Path(folder), url)),
                lambda: direct.append(uvloop.run(straight(url, texts, way))),
            ]
            for step in steps if number % 2 == 0 else reversed(steps):
                step()
    print(f"    straight {spread(direct, 's')}, product {spread([run.seconds for run in runs], 's')}")
    ratios = [run.seconds / seconds for run, seconds in zip(runs, direct, strict=True)]
    cpu = f"{1000 * percentile([run.cpu_s for run in runs], 0.5) / len(texts):.2f} ms of processor time a passage"
    print("    " + verdict("wall time over straight", ratios, LIMIT, at_most=True, cpu=cpu))


def simulated(chosen: argparse.Namespace) -> None:
    """Against servers of fixed cost, beside a bare client."""
    pairs = chosen.pairs or (1 if chosen.quick else PAIRS)
    for places in CAPACITIES[:1] if chosen.quick else CAPACITIES:
        capacity = places * 32 / ((REQUEST_MS + 32 * TEXT_MS) / 1000)
        chunks = chosen.chunks or (240 if chosen.quick else int(min(capacity, MOST) * LONG_S))
        with (
            fixed_cost_server(request_ms=REQUEST_MS, text_ms=TEXT_MS, at_once=places) as url,
            tempfile.TemporaryDirectory() as folder,
        ):
            write_site(Path(folder), chunks)
            texts = _crawled(Path(folder), url).texts
            shares = [_share(Path(folder), url, texts, number) for number in range(pairs)]
        print(f"  simulated, {places} at once: the server takes {capacity:.0f} passages/s; {len(texts)} passages")
        for name, at in (("product", 0), ("bare client", 1)):
            print(f"    {name:<12} {spread([share[at] for share in shares], 'passages/s')}")
        cpu = f"{1000 * percentile([share[2] for share in shares], 0.5):.2f} ms of processor time a passage"
        ratios = [share[0] / min(capacity, share[1], MOST) for share in shares]
        print("    " + verdict("share of what can be had", ratios, SHARE, at_most=False, cpu=cpu))


def _share(folder: Path, url: str, texts: list[str], number: int) -> tuple[float, float, float]:
    """Passages a second of the product and of a bare client, and processor seconds a passage."""
    bare = _bare(texts) if number % 2 else 0.0
    run = _crawled(folder, url)
    bare = bare or _bare(texts)
    return len(run.texts) / run.seconds, bare, run.cpu_s / len(run.texts)


def flat(chosen: argparse.Namespace) -> None:
    """The same crawl into a store with few passages and into one with many, on a real vLLM."""
    chunks, pairs = chosen.chunks or (60 if chosen.quick else 600), chosen.pairs or (1 if chosen.quick else PAIRS)
    sizes = (400, 2_000) if chosen.quick else (10_000, 500_000)
    with (
        model_servers(EMBEDDINGS) as urls,
        database_url() as few,
        database_url() as many,
        tempfile.TemporaryDirectory() as folder,
    ):
        url = urls[EMBEDDINGS.name]
        write_site(Path(folder), chunks)
        for database, stored in zip((few, many), sizes, strict=True):
            uvloop.run(filled(database, url, stored))
        paces: dict[str, list[float]] = {few: [], many: []}
        for number in range(pairs):
            for database in (few, many) if number % 2 == 0 else (many, few):
                run = uvloop.run(crawl(Path(folder), database, url, keep=False))
                paces[database].append(run.stored / run.seconds)
    for database, stored in zip((few, many), sizes, strict=True):
        print(f"  flat: into {stored:>7,} passages {spread(paces[database], 'passages/s')}")
    ratios = [late / early for early, late in zip(paces[few], paces[many], strict=True)]
    print("    " + verdict(f"pace at {sizes[1]:,} over that at {sizes[0]:,}", ratios, SHARE, at_most=False))


def growth(chosen: argparse.Namespace) -> None:
    """The same crawl again and again into one store, each time of other pages."""
    chunks = chosen.chunks or (120 if chosen.quick else 20_000)
    rounds = 2 if chosen.quick else 25
    with fixed_cost_server(request_ms=20, text_ms=1, at_once=32) as url, database_url() as database:
        print(f"  growth: {rounds} times {chunks} passages into one store, a server of 32 places")
        for number in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                write_site(Path(folder), chunks)
                run = uvloop.run(crawl(Path(folder), database, url))
            stored, cpu = (number + 1) * len(run.texts), 1000 * run.cpu_s / len(run.texts)
            pace = len(run.texts) / run.seconds
            print(f"    at {stored:>8,} passages: {pace:7.0f} passages/s, {cpu:.2f} ms of processor time a passage")


def memory(chosen: argparse.Namespace) -> None:
    """Many pages, and how much memory they take."""
    pages = chosen.pages or (40 if chosen.quick else 5000)
    with (
        fixed_cost_server(request_ms=20, text_ms=1, at_once=32) as url,
        database_url() as database,
        tempfile.TemporaryDirectory() as folder,
    ):
        write_site(Path(folder), pages * PER_PAGE)
        run = uvloop.run(crawl(Path(folder), database, url, keep=False, memory=True))
    held = "held" if run.memory_mb <= MEMORY_MB else "NOT HELD"
    print(f"  memory: {pages} pages, at most {run.memory_mb:.0f} MB with its readers; {MEMORY_MB:.0f} wanted: {held}")


def _crawled(folder: Path, model_url: str) -> Run:
    with database_url() as database:
        return uvloop.run(crawl(folder, database, model_url))


def _bare(texts: list[str]) -> float:
    with database_url() as database:
        return uvloop.run(bare_insert(database, texts))


async def _best_way(model_url: str, texts: list[str]) -> Way:
    """The fastest of a few ways over a sample, the better of two tries each."""
    ways = [Way(batch, at_once) for batch, at_once in product((32, 64), (2, 4, 8))]
    await straight(model_url, texts, ways[0])
    seconds = {way: min([await straight(model_url, texts, way) for _ in range(2)]) for way in ways}
    return min(ways, key=lambda way: seconds[way])


_PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "real": real,
    "simulated": simulated,
    "flat": flat,
    "growth": growth,
    "memory": memory,
}

if __name__ == "__main__":
    sys.exit(main())
