"""The job of a crawl: from its request to its honest end."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from src.errors import JsonValue, NothingStored
from src.store import sources

from .addresses import display_name
from .crawler import Crawler
from .fetch import open_fetcher
from .requests import CrawlRequest, crawl_of_json
from .run import Run, open_intake
from .sitemap import is_sitemap

_TEXT_ENDINGS = frozenset({".txt", ".md", ".mdx", ".markdown"})


async def crawl(run: Run) -> None:
    """Crawl what the job asks for.

    Raises:
        NothingStored: no page was stored or found unchanged.
        ArchonError: what made it impossible to go on; pages stored before stay.
    """
    request = crawl_of_json(run.job.request)
    kind = crawl_type_of(request.url)
    run.board.set(status="analyzing", message="Asking the embedding model", crawl_type=kind)
    async with open_intake(run, _metadata(request, kind)) as intake, open_fetcher(run.policy) as fetcher:
        await sources.ensure(
            run.database,
            source_id=run.source_id,
            url=request.url,
            display_name=display_name(request.url),
            title=display_name(request.url),
            metadata=_source_metadata(request, kind),
        )
        await Crawler(run, request, intake, fetcher).work()
    run.board.set(status="finalization", message="Summing up")
    _require_something(run)


def crawl_type_of(url: str) -> str:
    """Archon v1's word for what a start address is."""
    ending = PurePosixPath(urlsplit(url).path.lower()).suffix
    if is_sitemap(url):
        return "sitemap"
    if ending in _TEXT_ENDINGS:
        return "llms-txt" if "llms" in url.lower() else "text_file"
    return "normal"


def _metadata(request: CrawlRequest, kind: str) -> dict[str, JsonValue]:
    """What goes with every page and chunk."""
    return {"knowledge_type": request.knowledge_type, "tags": list(request.tags), "crawl_type": kind}


def _source_metadata(request: CrawlRequest, kind: str) -> dict[str, JsonValue]:
    return {
        **_metadata(request, kind),
        "source_type": "url",
        "original_url": request.url,
        "update_frequency": request.update_frequency,
        "max_depth": request.max_depth,
        "max_pages": request.max_pages,
        "extract_code_examples": request.extract_code_examples,
    }


def _require_something(run: Run) -> None:
    tally = run.board.now.tally
    if tally.pages_stored or tally.pages_unchanged or tally.pages_removed:
        return
    if not tally.failures:
        raise NothingStored(
            "No page was found at this address.", next_step="Check the address, or raise the depth of the crawl."
        )
    first = tally.failures[0]
    others = f" {tally.pages_failed - 1} more pages failed." if tally.pages_failed > 1 else ""
    raise NothingStored(f"Nothing was stored. {first.url}: {first.error}{others}", next_step=first.next_step)
