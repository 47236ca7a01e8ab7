"""Who answered chats, and who was passed over: counted where the answer begins, printed with the server's figures."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

ANSWER_COUNTS = CollectorRegistry()
ANSWERS = Counter(
    "archon_chat_answers", "Answers by who gave them, chosen or fallback", ("provider", "role"), registry=ANSWER_COUNTS
)
PASSED_OVER = Counter(
    "archon_chat_passed_over", "Providers that could not answer, by why", ("provider", "error"), registry=ANSWER_COUNTS
)
