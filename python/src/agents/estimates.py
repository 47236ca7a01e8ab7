"""How long a prompt is: asked of the server once for each model, then estimated, and exact again near the limit."""

from __future__ import annotations

from collections.abc import Sequence

from src.inference.models import ChatMessage, ChatModel
from src.inference.token_counts import NEAR_LIMIT, TokenEstimate

_TEMPLATE_TOKENS = 8
"""What a chat template adds to each message, generously."""


class PromptLengths:
    """Counts prompts; asking the server costs milliseconds before each first token, so it is done where it matters."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], TokenEstimate] = {}

    async def count(self, model: ChatModel, messages: Sequence[ChatMessage], budget: int) -> int:
        """Tokens of `messages`: an estimate seldom below the truth where that is far from `budget`, else exact.

        Raises:
            ConfigurationError, ProviderError: the server cannot be asked.
        """
        key = (model.provider, model.model)
        known = self._known.get(key)
        if known is not None:
            about = sum(known.tokens(message.content) + _TEMPLATE_TOKENS for message in messages)
            if about <= budget * NEAR_LIMIT:
                return about
        exact = await model.count_tokens(messages)
        # The model's name may only be known once its server was asked.
        learning = self._known.setdefault((model.provider, model.model), known or TokenEstimate())
        learning.learn([message.content for message in messages], exact, 4)
        return exact
