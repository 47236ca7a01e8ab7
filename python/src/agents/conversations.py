"""Kept conversations: found, opened page by page, changed, exported, deleted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import asdict, dataclass

from src.errors import ErrorContext, InvalidInput, JsonValue
from src.store.conversations import Conversation, ConversationRepository
from src.store.database import Database

from .chat_settings import ChatSettings
from .export import as_json, file_name
from .export_markdown import markdown_head, markdown_message
from .messages import conversation_dict, found_dict, message_dict
from .naming import Namer

MOST = 500
"""Conversations in a list; the latest."""
PAGE = 60
"""Messages of a conversation that are given at once, unless another number is asked for."""
LONGEST_TITLE = 200
_PART = 100
"""Messages of a conversation that are held at once while it is written into a file."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A file: its name, its media type, and its text piece by piece; a piece that fails raises StoreError."""

    name: str
    media_type: str
    pieces: AsyncIterator[str]


class ConversationService:
    """Conversations as REST shows them. Every method raises StoreError where the database fails."""

    def __init__(self, database: Database, namer: Namer | None = None) -> None:
        self.store = ConversationRepository(database)
        self._namer = namer

    async def list(self, words: str = "") -> dict[str, JsonValue]:
        """The body of `GET /api/chat/conversations`: the latest first, with `words` those that have all of them."""
        found = await self.store.find(words.strip(), MOST)
        return {"conversations": [found_dict(one, words, naming=self._is_naming(one.id)) for one in found]}

    async def get(self, conversation_id: str, before: str | None = None, limit: int = PAGE) -> dict[str, JsonValue]:
        """A conversation with the last `limit` messages of its branch, or those before message `before`.

        `earlier` says whether there are more before them. Raises NotFound, InvalidInput.
        """
        conversation = await self.store.get(conversation_id)
        last = conversation.head
        if before is not None:
            _, below = await self.store.message(before)
            last = below.parent_id
        messages = await self.store.branch(conversation_id, last, limit)
        earlier = bool(messages) and messages[0].parent_id is not None
        shown: list[JsonValue] = [message_dict(message) for message in messages]
        about = conversation_dict(conversation, naming=self._is_naming(conversation_id))
        return about | {"messages": shown, "earlier": earlier}

    async def change(
        self, conversation_id: str, title: str | None, settings: ChatSettings | None
    ) -> dict[str, JsonValue]:
        """Rename it, or change how it is answered; the conversation afterwards. Raises NotFound, InvalidInput."""
        if title is not None and not 0 < len(title) <= LONGEST_TITLE:
            raise InvalidInput(
                f"A title has between 1 and {LONGEST_TITLE} characters.", context=ErrorContext(field="title")
            )
        if settings is not None:
            settings.check()
        await self.store.change(conversation_id, title, None if settings is None else settings.to_dict())
        return conversation_dict(await self.store.get(conversation_id))

    async def show(self, conversation_id: str, message_id: str) -> dict[str, JsonValue]:
        """Show the branch through a message; the conversation as `get`. Raises NotFound, InvalidInput."""
        await self.store.show(conversation_id, message_id)
        return await self.get(conversation_id)

    async def export(self, conversation_id: str, kind: str) -> Exported:
        """The conversation as a file: `markdown` or `json`. Raises NotFound, InvalidInput."""
        conversation = await self.store.get(conversation_id)
        if kind == "json":
            pieces = as_json(conversation, self.store.tree(conversation_id, _PART))
            return Exported(file_name(conversation, "json"), "application/json", pieces)
        return Exported(file_name(conversation, "md"), "text/markdown; charset=utf-8", self._markdown(conversation))

    async def _markdown(self, conversation: Conversation) -> AsyncGenerator[str, None]:
        """The branch is read from its end, so its parts wait as text for the first one, without their passages."""
        parts: list[str] = []
        last = conversation.head
        while last is not None:
            messages = await self.store.branch(conversation.id, last, _PART)
            parts.append("".join(markdown_message(message) for message in messages))
            last = messages[0].parent_id if messages else None
        yield markdown_head(conversation)
        for part in reversed(parts):
            yield part

    async def pages(self, words: str, most: int) -> dict[str, JsonValue]:
        """Pages that can be attached: those whose title or address has `words`."""
        found = await self.store.pages_named(words.strip(), most)
        return {
            "pages": [
                {"page_id": one.page_id, "title": one.title, "url": one.url, "source_id": one.source_id}
                for one in found
            ]
        }

    async def attached(self, pages: Sequence[str], pinned_sources: Sequence[str]) -> dict[str, JsonValue]:
        """Those of the attached pages and sources that are stored; what is missing was deleted."""
        return {"attached": [asdict(one) for one in await self.store.attached(pages, pinned_sources)]}

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation. Raises NotFound, InvalidInput."""
        await self.store.delete(conversation_id)

    def _is_naming(self, conversation_id: str) -> bool:
        return self._namer is not None and self._namer.is_naming(conversation_id)
