"""How a conversation is answered: by which model, from which knowledge, and how it is sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from src.errors import ErrorContext, InvalidInput, JsonValue

MAX_PASSAGES = 50
MAX_STOPS = 4
"""More stop words are refused by vLLM and by OpenAI."""
LONGEST_STOP = 100
LONGEST_PROMPT = 20_000
MOST_PINNED = 50
MAX_TEMPERATURE = 2.0
MAX_SEED = 2**53 - 1
"""What every JSON reader still takes for an integer."""
GROUNDED_TEMPERATURE = 0.2
"""An answer from passages wants little invention; servers' own defaults are made for free conversation."""

_LISTS = frozenset({"source_ids", "tags", "pages", "pinned_sources", "stop"})


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """The settings of a conversation. None leaves a value to the default; `connection_id` None means the default one.

    `source_ids` and `tags` say where knowledge is looked for (empty: everywhere); `pages` and `pinned_sources` are put
    into the context whatever is asked, also where `knowledge` is off. `match_count` is passages a question.
    """

    connection_id: str | None = None
    model: str | None = None
    knowledge: bool = True
    source_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    pinned_sources: tuple[str, ...] = ()
    match_count: int = 6
    system_prompt: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None

    @classmethod
    def read(cls, stored: Mapping[str, JsonValue]) -> ChatSettings:
        """Settings as the store has them; what this version does not know is passed over."""
        known = {one.name for one in fields(cls)} & set(stored)
        values = {
            name: tuple(stored[name]) if name in _LISTS else stored[name]  # type: ignore[arg-type]
            for name in known
        }
        return replace(cls(), **values)  # type: ignore[arg-type]

    @property
    def retrieves(self) -> bool:
        """Whether there is anything to find passages in."""
        return self.knowledge or bool(self.pages or self.pinned_sources)

    def sampled_at(self, own: float | None) -> float | None:
        """The temperature in force, `own` being the connection's; None leaves it to the server."""
        named = own if self.temperature is None else self.temperature
        return GROUNDED_TEMPERATURE if named is None and self.retrieves else named

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON, every value."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: list(value) if name in _LISTS else value for name, value in values.items()}

    def check(self) -> None:
        """Raises InvalidInput, naming the field, where a value cannot be used."""
        for name, wrong, why in self._rules():
            if wrong:
                raise InvalidInput(why, context=ErrorContext(field=name))

    def check_length(self, length: int | None, allowed: int | None, model: str) -> None:
        """Raises InvalidInput where more tokens are asked for than the context has, or than the connection allows."""
        most = longest_answer(length, allowed)
        if self.max_tokens is None or most is None or self.max_tokens <= most:
            return
        bound = f"the context of '{model}' has {most:,} in all" if most == length else f"the connection allows {most:,}"
        raise InvalidInput(
            f"max_tokens is {self.max_tokens:,}, and {bound}.",
            next_step=f"Ask for at most {most:,} tokens, or leave the field blank.",
            context=ErrorContext(field="max_tokens", model=model),
        )

    def _rules(self) -> tuple[tuple[str, bool, str], ...]:
        temperature, top_p, stop = self.temperature, self.top_p, self.stop
        return (
            (
                "match_count",
                not 1 <= self.match_count <= MAX_PASSAGES,
                f"match_count must lie between 1 and {MAX_PASSAGES}.",
            ),
            ("max_tokens", self.max_tokens is not None and self.max_tokens < 1, "max_tokens must be at least 1."),
            (
                "temperature",
                temperature is not None and not 0 <= temperature <= MAX_TEMPERATURE,
                f"temperature must lie between 0 and {MAX_TEMPERATURE:g}.",
            ),
            ("top_p", top_p is not None and not 0 < top_p <= 1, "top_p must lie above 0 and be at most 1."),
            (
                "seed",
                self.seed is not None and not 0 <= self.seed <= MAX_SEED,
                "seed must be a whole number from 0 on.",
            ),
            ("stop", len(stop) > MAX_STOPS, f"At most {MAX_STOPS} stop texts are possible."),
            (
                "stop",
                any(not 0 < len(one) <= LONGEST_STOP for one in stop),
                f"A stop text has between 1 and {LONGEST_STOP} characters.",
            ),
            (
                "system_prompt",
                len(self.system_prompt) > LONGEST_PROMPT,
                f"The system prompt has {len(self.system_prompt):,} characters; {LONGEST_PROMPT:,} is the limit.",
            ),
            (
                "pages",
                len(self.pages) + len(self.pinned_sources) > MOST_PINNED,
                f"At most {MOST_PINNED} pages and sources can be attached.",
            ),
        )


def longest_answer(length: int | None, allowed: int | None) -> int | None:
    """The most tokens that an answer may have: a context's `length`, or the fewer that a connection allows."""
    return min((count for count in (length, allowed) if count is not None), default=None)
