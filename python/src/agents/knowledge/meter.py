"""What a run costs: tokens over all responses as the server counted them, seconds as we measured them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from src.agents.events import UsageEvent
from src.inference.models import Usage


@dataclass(slots=True)
class Meter:
    """Begins with its making."""

    began: float = field(default_factory=time.monotonic)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_s: float | None = None

    def first(self) -> None:
        """Text has come."""
        if self.first_token_s is None:
            self.first_token_s = time.monotonic() - self.began

    def add(self, usage: Usage) -> None:
        """One response's tokens."""
        self.prompt_tokens += usage.prompt_tokens or 0
        self.completion_tokens += usage.completion_tokens or 0

    def event(self) -> UsageEvent:
        """As the listener is told; no speed, since tools work between the model's words."""
        return UsageEvent(
            prompt_tokens=self.prompt_tokens or None,
            completion_tokens=self.completion_tokens or None,
            first_token_ms=None if self.first_token_s is None else round(self.first_token_s * 1000),
            total_ms=round((time.monotonic() - self.began) * 1000),
            tokens_per_s=None,
        )
