"""What came before in a conversation: as the model is shown it, and as it helps to find passages."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from src.inference.models import ChatMessage
from src.store.conversations import PastMessage

MESSAGES = 60
"""How far back the history is read; what fits of it is decided with the context, what is older is summed up."""

_MARKER = re.compile(r"[ \t]*\[[0-9]+\]")
_REFERS_BACK = re.compile(
    r"(?i)^(?:and|but|so|then|also|what about|how about|why|why not|ok|okay)\b"
    r"|\b(?:it|its|that|this|these|those|they|them|their|he|she|there|former|latter|same|above|previous|again)\b"
)
_FEW_WORDS = 4


def since_summary(past: Sequence[PastMessage]) -> tuple[str, Sequence[PastMessage]]:
    """The latest summary in `past` ('' where there is none), and the messages that it does not stand for."""
    for place in range(len(past) - 1, -1, -1):
        note = past[place].summary or {}
        text, kept = note.get("text"), note.get("kept")
        if isinstance(text, str) and text and isinstance(kept, int):
            return text, past[max(0, place + 1 - kept) :]
    return "", past


def turns(past: Sequence[PastMessage]) -> list[ChatMessage]:
    """The questions that got an answer, each with it, oldest first.

    Markers are taken out of answers: their numbers meant the passages of another question.
    """
    shown: list[ChatMessage] = []
    for question, answer in itertools.pairwise(past):
        text = _MARKER.sub("", answer.content).strip()
        if (question.role, answer.role) == ("user", "assistant") and text:
            shown += [ChatMessage("user", question.content), ChatMessage("assistant", text)]
    return shown


def to_search(question: str, past: Sequence[PastMessage]) -> str:
    """What to search for: a question that leans on the one before it ("and how do I stop it?") takes it along."""
    before = [message.content for message in past if message.role == "user"]
    leans = bool(_REFERS_BACK.search(question)) or len(question.split()) <= _FEW_WORDS
    return f"{before[-1][:500]}\n{question}" if before and leans and len(question) <= 300 else question
