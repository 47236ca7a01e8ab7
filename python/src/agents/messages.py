"""Messages and conversations as REST shows them."""

from __future__ import annotations

import re

from src.errors import JsonValue
from src.store.conversations import Conversation, Found, Message

from .chat_settings import ChatSettings

_AROUND = 60
_WORD = re.compile(r"\w+")


def message_dict(message: Message) -> dict[str, JsonValue]:
    """A message; `versions` only where there are several."""
    versions: list[JsonValue] = [*message.versions] if len(message.versions) > 1 else []
    return {
        "id": message.id,
        "parent_id": message.parent_id,
        "role": message.role,
        "content": message.content,
        "reasoning": message.reasoning,
        "outcome": message.outcome,
        "finish_reason": message.finish_reason,
        "passages": message.passages,
        "support": message.support,
        "notes": message.notes,
        "provider": message.provider,
        "model": message.model,
        "connection_id": message.connection_id,
        "usage": message.usage,
        "error": message.error,
        "created_at": message.created_at.isoformat(),
        "versions": versions,
    }


def conversation_dict(conversation: Conversation, *, naming: bool = False) -> dict[str, JsonValue]:
    """A conversation without its messages, its settings with every value. `naming`: its title is being looked for."""
    return {
        "id": conversation.id,
        "title": conversation.title,
        "created_at": conversation.created_at.isoformat(),
        "updated_at": conversation.updated_at.isoformat(),
        "message_count": conversation.message_count,
        "settings": ChatSettings.read(conversation.settings).to_dict(),
        "head": conversation.head,
        "naming": naming,
    }


def found_dict(found: Found, words: str, *, naming: bool = False) -> dict[str, JsonValue]:
    """A conversation in the list; `snippet` is the part of a message that has the words."""
    return {
        "id": found.id,
        "title": found.title,
        "created_at": found.created_at.isoformat(),
        "updated_at": found.updated_at.isoformat(),
        "message_count": found.message_count,
        "snippet": None if found.content is None else snippet(found.content, words),
        "naming": naming,
    }


def snippet(content: str, words: str) -> str:
    """The part of `content` around the first of `words` that stands in it, on one line."""
    low = content.lower()
    places = [place for word in _WORD.findall(words.lower()) if (place := low.find(word)) >= 0]
    at = min(places, default=0)
    start, end = max(0, at - _AROUND), at + 2 * _AROUND
    shown = " ".join(content[start:end].split())
    return f"{'…' if start else ''}{shown}{'…' if end < len(content) else ''}"
