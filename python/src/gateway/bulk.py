"""Large embedding requests go in parts, so that a question asked meanwhile does not wait behind 2,000 texts.

vLLM has one queue, first come first served: a text sent one second after 2,000 others waited 16 s (measured). The
parts' answers are joined as bytes; vectors are neither parsed nor written anew.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from src.errors import ProtocolError

from .ask import Ask, with_fields
from .fleet import Fleet
from .server import Envoy
from .trip import Trip, Whole

if TYPE_CHECKING:
    from .relay import Relay

AT_ONCE = 2
"""Parts of one request that are under way together: enough to keep the server busy between them."""
_DATA = re.compile(rb'"data"\s*:\s*\[')
_INDEX = re.compile(rb'"index"\s*:\s*(\d+)')
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_COUNT = {name: re.compile(rb'"%b"\s*:\s*(\d+)' % name) for name in (b"prompt_tokens", b"total_tokens")}


def is_bulk(fleet: Fleet, ask: Ask) -> bool:
    """Whether `ask` has more inputs than one request to a vLLM server should. Raises as `Fleet.route` does."""
    route = fleet.route(ask.ability, ask.model)
    inputs = ask.fields["input"]
    if not isinstance(inputs, list) or not route.options.split_inputs or isinstance(inputs[0], int):
        return False
    served = route.candidates[0].served
    joinable = ask.fields.get("encoding_format", "float") in ("float", "base64")
    return len(inputs) > route.options.split_inputs and joinable and served is not None and served.version is not None


async def embed_in_parts(relay: Relay, trip: Trip) -> Whole | None:
    """The answer to all inputs, or the first part's refusal. Raises as `Relay.through_pools` does."""
    asks = _parts_of(relay.fleet, trip.ask)
    slots = asyncio.Semaphore(AT_ONCE)
    trips = [_part_of(trip, ask, number) for number, ask in enumerate(asks)]
    tasks = [asyncio.create_task(_fetch(relay, part, slots)) for part in trips]
    try:
        wholes = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        trip.attempts = max(part.attempts for part in trips)
        trip.upstream, trip.model = trips[0].upstream, trips[0].model
    refused = next((number for number, whole in enumerate(wholes) if whole.reply.status >= 400), None)
    if refused is not None:
        trip.error = trips[refused].error
        return wholes[refused]
    trip.prompt_tokens = sum(part.prompt_tokens or 0 for part in trips)
    return replace(wholes[0], content=join([whole.content for whole in wholes]))


def join(answers: Sequence[bytes]) -> bytes:
    """One embedding answer out of those to consecutive parts of the inputs.

    Raises:
        ProtocolError: an answer has no list of vectors.
    """
    rows: list[bytes] = []
    count = 0
    for answer in answers:
        start, end = _span(answer)
        moved, found = _INDEX.subn(partial(_moved, count), answer[start:end])
        rows.append(moved)
        count += found
    start, end = _span(answers[0])
    counts = [sum(_number(pattern, answer) for answer in answers) for pattern in _COUNT.values()]
    usage = b'],"usage":{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":0}}' % tuple(counts)
    return answers[0][:start] + b",".join(rows) + usage


async def _fetch(relay: Relay, trip: Trip, slots: asyncio.Semaphore) -> Whole:
    async with slots:
        whole = await relay.through_pools(trip)
    if whole is None:
        raise ProtocolError("A part of the inputs was answered with a stream.")
    return whole


def _parts_of(fleet: Fleet, ask: Ask) -> list[Ask]:
    inputs = ask.fields["input"]
    size = fleet.route(ask.ability, ask.model).options.split_inputs
    if not isinstance(inputs, list):
        return [ask]
    parts = [inputs[at : at + size] for at in range(0, len(inputs), size)]
    return [replace(ask, body=with_fields(ask, {"input": part}), fields=ask.fields | {"input": part}) for part in parts]


def _part_of(trip: Trip, ask: Ask, number: int) -> Trip:
    envoy = trip.envoy
    own = Envoy(envoy.headers, b"%b-part%d" % (envoy.request_id, number), envoy.authorization)
    return replace(trip, ask=ask, envoy=own)


def _span(answer: bytes) -> tuple[int, int]:
    """Where the rows of an embedding answer begin and end (vectors hold no brackets that close after the last row)."""
    begins = _DATA.search(answer)
    usage = _USAGE.search(answer, begins.end()) if begins else None
    end = answer.rfind(b"]", begins.end() if begins else 0, usage.start() if usage else len(answer))
    if begins is None or end < 0:
        raise ProtocolError("The answer to an embedding request has no list of vectors.")
    return begins.end(), end


def _moved(by: int, index: re.Match[bytes]) -> bytes:
    return b'"index":%d' % (int(index[1]) + by)


def _number(pattern: re.Pattern[bytes], answer: bytes) -> int:
    usage = _USAGE.search(answer, max(0, len(answer) - 600)) or _USAGE.search(answer)
    match = pattern.search(answer, usage.end()) if usage else None
    return int(match[1]) if match else 0
