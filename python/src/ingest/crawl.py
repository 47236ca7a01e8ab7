"""The job of a crawl: from its request to its honest end."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial

from src.errors import JsonValue
from src.store import code_examples, host_turns, sources

from .addresses import display_name
from .code_settings import code_rules
from .crawl_kind import crawl_type_of
from .crawler import Crawler
from .fetch import Fetcher, open_fetcher
from .requests import CrawlRequest, crawl_of_json
from .run import Run, open_intake
from .storing import require_something


async def crawl(run: Run) -> None:
    """Crawl what the job asks for.

    Raises:
        NothingStored: no page was stored or found unchanged.
        ArchonError: what made it impossible to go on; pages stored before stay.
    """
    request = crawl_of_json(run.job.request)
    kind = crawl_type_of(request.url)
    run.board.set(status="analyzing", message="Asking the embedding model", crawl_type=kind)
    async with open_intake(run, _metadata(request, kind)) as intake, _fetcher(run) as fetcher:
        intake.rules = await code_rules(run.database, wanted=request.extract_code_examples)
        await code_examples.make_ready(run.database, intake.space_id)
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
    require_something(run)


async def help_crawl(run: Run) -> None:
    """Share in a crawl that another worker leads. Raises ArchonError: this worker cannot go on; the others can."""
    request = crawl_of_json(run.job.request)
    kind = run.board.now.crawl_type
    async with open_intake(run, _metadata(request, kind)) as intake, _fetcher(run) as fetcher:
        intake.rules = await code_rules(run.database, wanted=request.extract_code_examples)
        await Crawler(run, request, intake, fetcher).help()


def _fetcher(run: Run) -> AbstractAsyncContextManager[Fetcher]:
    return open_fetcher(run.policy, partial(host_turns.take, run.database))


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
        "include": list(request.include),
        "exclude": list(request.exclude),
    }
