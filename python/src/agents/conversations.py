"""Kept conversations: listed, opened, deleted."""

from __future__ import annotations

from src.errors import JsonValue
from src.store.conversations import Conversation, ConversationRepository, Message
from src.store.database import Database

MOST = 500
"""Conversations in a list; the latest."""


class ConversationService:
    """Conversations as REST shows them. Every method raises StoreError where the database fails."""

    def __init__(self, database: Database) -> None:
        self._store = ConversationRepository(database)

    async def list(self) -> dict[str, JsonValue]:
        """The body of `GET /api/chat/conversations`: the latest first."""
        return {"conversations": [_summary(found) for found in await self._store.recent(MOST)]}

    async def get(self, conversation_id: str) -> dict[str, JsonValue]:
        """The body of `GET /api/chat/conversations/{id}`. Raises NotFound, InvalidInput."""
        conversation, messages = await self._store.get(conversation_id)
        return _summary(conversation) | {"messages": [_message(message) for message in messages]}

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation. Raises NotFound, InvalidInput."""
        await self._store.delete(conversation_id)


def _summary(conversation: Conversation) -> dict[str, JsonValue]:
    return {
        "id": conversation.id,
        "title": conversation.title,
        "created_at": conversation.created_at.isoformat(),
        "updated_at": conversation.updated_at.isoformat(),
        "message_count": conversation.message_count,
    }


def _message(message: Message) -> dict[str, JsonValue]:
    return {
        "id": message.id,
        "role": message.role,
        "content": message.content,
        "outcome": message.outcome,
        "passages": message.passages,
        "support": message.support,
        "provider": message.provider,
        "model": message.model,
        "usage": message.usage,
        "error": message.error,
        "created_at": message.created_at.isoformat(),
    }
