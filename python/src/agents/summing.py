"""Sums up long conversations once an answer has ended, so that the next question finds what no longer fits in short."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from src.inference.models import ChatModel
from src.store.answers import Turn as StoredTurn
from src.store.conversations import ConversationRepository, PastMessage

from . import history
from .afterwards import Afterwards
from .memory import Turn, recall

_READ = 200
"""How many messages back a conversation without a summary is read."""
_NEAR_END = history.MESSAGES - 2
"""From so many messages on, the next question would not see the first ones."""
_KEPT = history.MESSAGES // 4
"""Turns that then stay as they were."""
_CHARACTERS = 3
_SHARE = 6
"""By three characters a token, a history below a sixth of the context is not even counted."""


class Summariser:
    """Keeps summaries beside answers; each stands for what came before on the branch of its answer."""

    def __init__(self, store: ConversationRepository, afterwards: Afterwards) -> None:
        self._store = store
        self._afterwards = afterwards

    def look(self, turn: StoredTurn, past: Sequence[PastMessage], answer: str, length: int, model: ChatModel) -> None:
        """Have summed up what came before `turn`, where `past` and its answer are much of the model's `length`."""
        characters = len(answer) + sum(len(message.content) for message in past)
        if past and (characters > length * _CHARACTERS // _SHARE or len(past) >= _NEAR_END):
            self._afterwards.do(f"sum up {turn.answer_id}", self._sum_up(turn, model))

    async def _sum_up(self, turn: StoredTurn, model: ChatModel) -> None:
        past = await self._store.history(turn.conversation_id, turn.answer_id, _READ)
        summary, recent = history.since_summary(past)
        most = _KEPT if len(recent) >= _NEAR_END else None
        memory = await recall(_turns(recent), summary, 0, model, most=most, nobody_waits=True)
        if memory.summarised:
            kept = len(recent) - memory.summarised
            await self._store.note(turn.answer_id, {"summary": {"text": memory.summary, "kept": kept}})


def _turns(past: Sequence[PastMessage]) -> list[Turn]:
    """The questions that got an answer, each with its place in `past`."""
    return [
        Turn(place, asked.content, said.content)
        for place, (asked, said) in enumerate(itertools.pairwise(past))
        if (asked.role, said.role) == ("user", "assistant") and said.content.strip()
    ]
