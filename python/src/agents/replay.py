"""The events of an answer that is not written here: it has ended, or another server writes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from src.errors import JsonValue
from src.store.conversations import ConversationRepository, Message

LOOK_EVERY_S = 1.0

Told = tuple[str, Mapping[str, JsonValue]]
"""An event's name and body."""


async def replay(store: ConversationRepository, message_id: str) -> AsyncGenerator[Told, None]:
    """The stored answer as events, `start` first and `done` last; one that another server writes is followed.

    Raises:
        NotFound, InvalidInput: there is no such message.
        StoreError: the database failed.
    """
    conversation_id, message = await store.message(message_id)
    yield "start", _start(conversation_id, message)
    if message.reasoning:
        yield "reasoning", {"text": message.reasoning}
    said = ""
    while True:
        if message.content != said:
            if not message.content.startswith(said):
                yield "start", _start(conversation_id, message)
                said = ""
            yield "token", {"text": message.content[len(said) :]}
            said = message.content
        if message.outcome is not None:
            break
        await asyncio.sleep(LOOK_EVERY_S)
        _, message = await store.message(message_id)
    for name, body in _closing(message):
        yield name, body


def _start(conversation_id: str, message: Message) -> dict[str, JsonValue]:
    return {
        "conversation_id": conversation_id,
        "message_id": message.id,
        "question_id": message.parent_id,
        "provider": message.provider,
        "model": message.model,
        "connection_id": message.connection_id,
        "passages": message.passages,
        "left_out": message.notes.get("left_out"),
        "reason": message.notes.get("reason"),
        "knowledge": message.notes.get("knowledge", True),
        "resumed": False,
    }


def _closing(message: Message) -> list[Told]:
    support = [one for one in message.support if isinstance(one, dict)]
    events: list[Told] = [("citation", one) for one in support]
    if message.usage is not None:
        events.append(("usage", message.usage))
    if message.error is not None:
        events.append(("error", message.error))
    measured = message.notes.get("knowledge", True) is not False
    events.append(
        (
            "done",
            {
                "outcome": message.outcome,
                "finish_reason": message.finish_reason,
                "supported": any(one.get("kind") != "none" for one in support) if measured else None,
                "answer": message.content,
                "message_id": message.id,
                "provider": message.provider,
                "model": message.model,
            },
        )
    )
    return events
