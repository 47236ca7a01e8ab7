"""The job that fills another embedding space in the background, and then lets it answer in place of the former one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from math import sqrt

from src.errors import ArchonError, Conflict, ContextTooLong, NothingStored
from src.inference.models import Vector
from src.store import code_examples, indexes, reembedding, spaces
from src.store.spaces import Gap, PendingText, Space, TextKind

from .embedding import EmbedStage
from .patience import Patience
from .run import Run, alongside
from .space import open_space
from .tally import Tally

BATCH = 64
"""Texts that are written together."""
AT_ONCE = 24
"""Batches under way: read, being embedded or being written."""
_TAKEN = 4 * BATCH
"""Texts taken in hand at once: few, so that several workers end at the same time."""
_LOOK_S = 0.5
_SHORTEST = 40
"""Characters of a text that is not halved any more."""


async def reembed(run: Run) -> None:
    """Give every stored text a vector of the chosen model, then switch to it in one step and drop the former vectors.

    Pages that are stored meanwhile are found before the switch. It may be stopped until then; it goes on where it
    stopped, since a text that has its vector is not asked for again.

    Raises:
        Conflict: the settings name another model by now.
        NothingStored: not one text could be embedded.
        ArchonError: what made it impossible to go on; the former space answers on.
    """
    run.board.set(status="analyzing", message="Asking the embedding model")
    async with _opened(run) as (stage, space):
        gap = await spaces.gap(run.database, space.id)
        run.board.set(chunks_before=gap.total - gap.missing, paced_at=datetime.now(UTC))
        while True:
            await _fill(run, stage, space.id, gap)
            await _index(run, space.id)
            if not await spaces.switch(run.database, run.job.id, run.worker, space.id):
                break
            gap = await spaces.gap(run.database, space.id)
    run.board.set(status="finalization", message="Removing the former vectors")
    run.board.note(f"Searches use {space.model} from now on")
    if run.ways is not None:
        await spaces.set_way(run.database, space.id, await run.ways.chosen())
    await spaces.clear(run.database)


async def help_reembed(run: Run) -> None:
    """Share in a change that another worker leads. Raises ArchonError: this worker cannot go on; the others can."""
    async with _opened(run) as (stage, space):
        await _share(run, stage, space.id)


async def count_help(run: Run) -> bool:
    """Count what other workers embedded for this change; whether one is still at it. Raises StoreError."""
    found = await reembedding.helped(run.database, run.job.id)
    if found.written:
        run.board.embedded(found.written)
    return found.busy


@asynccontextmanager
async def _opened(run: Run) -> AsyncIterator[tuple[EmbedStage, Space]]:
    """The embedding stage under way, and the space that its vectors belong to. Raises as `reembed`."""
    patience = Patience(run.limits.patience_s, run.board.note, run.limits.backoff_s)
    embedder = await run.embedder_factory()
    space = await open_space(run.database, embedder)
    if space.id != run.job.request.get("space_id"):
        raise Conflict("The settings name another embedding model by now.")
    prove = partial(open_space, run.database, embedder)
    stage = EmbedStage(embedder, space.dimensions, patience, _nothing, prove=prove, silence_s=run.limits.silence_s)
    async with alongside(stage.run()):
        yield stage, space


async def _fill(run: Run, stage: EmbedStage, space_id: int, gap: Gap) -> None:
    done = gap.total - gap.missing
    run.board.set(status="storing", message="Embedding", chunks_total=gap.total, chunks_embedded=done, tally=Tally())
    await reembedding.begin(run.database, run.job.id, run.worker)
    await _share(run, stage, space_id)
    while await count_help(run):  # noqa: ASYNC110 - the store is asked again; nobody here could set an event
        await asyncio.sleep(_LOOK_S)
    left = await spaces.gap(run.database, space_id)
    if gap.missing and left.missing == left.total:
        raise NothingStored(
            "The embedding model embedded none of the stored texts.", next_step="Press Check in Settings."
        )


async def _share(run: Run, stage: EmbedStage, space_id: int) -> None:
    """Embed what this worker is handed, until all is handed out."""
    slots = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        async for kind, batch in _taken(run, space_id):
            await slots.acquire()
            task = group.create_task(_batch(run, stage, space_id, kind, batch))
            task.add_done_callback(lambda _: slots.release())


async def _taken(run: Run, space_id: int) -> AsyncIterator[tuple[TextKind, list[PendingText]]]:
    for kind in spaces.TEXT_KINDS:
        while some := await reembedding.take(run.database, run.job.id, run.worker, space_id, kind, limit=_TAKEN):
            for start in range(0, len(some), BATCH):
                yield kind, some[start : start + BATCH]


async def _batch(run: Run, stage: EmbedStage, space_id: int, kind: TextKind, batch: Sequence[PendingText]) -> None:
    outcomes = await stage.outcomes([text.text for text in batch])
    written: dict[int, Vector] = {}
    for text, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, ContextTooLong):
            outcome = await _in_parts(stage, text.text, outcome)
        if isinstance(outcome, ArchonError):
            await spaces.fail_text(run.database, run.job.id, run.worker, kind, text, outcome.to_dict())
            run.board.set(tally=run.board.now.tally.failed(text.url, outcome))
        else:
            written[text.id] = outcome
    if written:
        done = await spaces.fill(
            run.database, run.job.id, run.worker, space_id, kind, list(written), list(written.values())
        )
        run.board.embedded(done)
        if not run.leads:
            await reembedding.tell(run.database, run.job.id, kind, done)


async def _in_parts(stage: EmbedStage, text: str, error: ArchonError) -> Vector | ArchonError:
    """The direction between its parts' vectors, for a text that is longer than the new model reads."""
    if len(text) < _SHORTEST:
        return error
    middle = len(text) // 2
    cut = text.rfind(" ", 0, middle) if " " in text[:middle] else middle
    parts = [part for part in (text[:cut], text[cut:]) if part.strip()]
    found: list[Vector] = []
    for part, outcome in zip(parts, await stage.outcomes(parts), strict=True):
        if isinstance(outcome, ContextTooLong):
            outcome = await _in_parts(stage, part, outcome)
        if isinstance(outcome, ArchonError):
            return outcome
        found.append(outcome)
    return mean(found)


def mean(vectors: Sequence[Vector]) -> Vector:
    """The mean of vectors, as long as the first of them."""
    summed = [sum(values) for values in zip(*vectors, strict=True)]
    length = sqrt(sum(value * value for value in summed))
    wanted = sqrt(sum(value * value for value in vectors[0]))
    return type(vectors[0])("f", (value * wanted / length if length else 0.0 for value in summed))


async def _index(run: Run, space_id: int) -> None:
    run.board.set(message="Indexing")
    if any(part.fresh for part in await spaces.fresh_parts(run.database, most=1) if part.space_id == space_id):
        await spaces.close_fresh_part(run.database, space_id)
    await indexes.build_space(run.database, space_id)
    await code_examples.make_ready(run.database, space_id)
    await spaces.analyze(run.database)


def _nothing(_count: int) -> None:
    """Texts count when they are written."""
