"""Streams that heal: a plain-text stream that breaks is continued on another server of the same model.

The gateway asks for token ids beside the text, and when the stream breaks sends the prompt's ids and the delivered
ones to another server's `/v1/completions`. Only tokens whose text the client has are sent: a server holds text back
(half an emoji, the possible beginning of a stop string), and what was held back is generated again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from src.inference.pools import Ability

from .ask import Ask, Fields

if TYPE_CHECKING:
    from .fleet import Route
    from .server import Server

_IDS = re.compile(rb'"(prompt_token_ids|token_ids)":\s*\[[\d,\s]*\]')
_SAMPLING = (
    "bad_words",
    "cache_salt",
    "ignore_eos",
    "include_stop_str_in_output",
    "logit_bias",
    "min_p",
    "priority",
    "repetition_penalty",
    "seed",
    "skip_special_tokens",
    "spaces_between_special_tokens",
    "stop",
    "stop_token_ids",
    "temperature",
    "top_k",
    "top_p",
    "user",
)
_FORBIDS = (
    "audio",
    "best_of",
    "echo",
    "frequency_penalty",
    "function_call",
    "functions",
    "guided_choice",
    "guided_grammar",
    "guided_json",
    "guided_regex",
    "logprobs",
    "modalities",
    "presence_penalty",
    "prompt_embeds",
    "prompt_logprobs",
    "return_token_ids",
    "return_tokens_as_token_ids",
    "structured_outputs",
    "suffix",
    "tool_choice",
    "tools",
    "top_logprobs",
    "use_beam_search",
)
_COMPLETIONS_DEFAULT = 16
"""`max_tokens` of /v1/completions where none is given."""
_LOOK_BACK = 48
"""How many tokens at most are taken back to find where the delivered text ends."""


class CannotHeal(Exception):
    """The stream cannot be continued honestly; it ends with an error event instead."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Where a continuation begins: the ids to send, and the delivered text that it will write once more."""

    ids: list[int]
    overlap: str


@dataclass(slots=True)
class Delivered:
    """What the client has, the tokens that were generated for it (perhaps a few more), and the shape of its events."""

    prompt_ids: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    template: Fields = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All text that was delivered."""
        return "".join(self.parts)


class Healing:
    """The healing of one stream, where it is allowed: plain text, one answer, no rule that looks at its own output."""

    def __init__(self, ask: Ask, max_model_len: int | None) -> None:
        self.ask = ask
        self.delivered = Delivered()
        self.possible = True
        self._max_model_len = max_model_len

    @classmethod
    def of(cls, ask: Ask, route: Route) -> Healing | None:
        """The healing for `ask`; None where it is not offered for such a request."""
        return cls(ask, route.max_model_len) if cls.allows(ask) else None

    @staticmethod
    def allows(ask: Ask) -> bool:
        """Whether a stream for `ask` can be continued honestly by another server."""
        fields = ask.fields
        options = fields.get("stream_options")
        plain_format = fields.get("response_format") in (None, {"type": "text"})
        if ask.ability not in (Ability.CHAT, Ability.COMPLETIONS) or ask.choices != 1 or not plain_format:
            return False
        if any(fields.get(name) for name in _FORBIDS):
            return False
        if isinstance(options, dict) and options.get("continuous_usage_stats"):
            return False
        return _only_text(fields)

    def asks_for(self) -> Fields:
        """What the gateway adds to the request; `take` removes it from the answer again."""
        return {"return_token_ids": True}

    def take(self, events: bytes) -> bytes:
        """Note what goes to the client and return it as it would be had the gateway asked for nothing."""
        for line in events.splitlines():
            if line.startswith(b"data:"):
                self._note(line[5:].strip())
        return _IDS.sub(rb'"\1":null', events)

    async def restart_on(self, server: Server, within_s: float) -> Restart:
        """Find the last token whose text the client has, by asking `server` what the tokens say.

        Raises:
            CannotHeal: the tokens do not lead to the delivered text.
            ArchonError: the server does not answer.
        """
        text, ids = self.delivered.text, self.delivered.ids
        if not self.possible or not self.delivered.prompt_ids:
            raise CannotHeal("the server gave no token ids")
        for count in range(len(ids), max(-1, len(ids) - _LOOK_BACK), -1):
            said = await _text_of(server, ids[:count], within_s) if count else ""
            if text.startswith(said):
                return Restart(ids[:count], text[len(said) :])
        raise CannotHeal("the tokens do not lead to the delivered text")

    def continuation(self, restart: Restart, model: str) -> Fields:
        """The request that goes on where the client's text ends.

        Raises:
            CannotHeal: no token is left to generate.
        """
        fields = self.ask.fields
        done = len(restart.ids)
        left = self._asked_tokens() - done
        if left < 1:
            raise CannotHeal("all tokens asked for were generated already")
        request: Fields = {name: fields[name] for name in _SAMPLING if fields.get(name) is not None}
        least = fields.get("min_tokens")
        if isinstance(least, int) and least > done:
            request["min_tokens"] = least - done
        return request | {
            "model": model,
            "prompt": [*self.delivered.prompt_ids, *restart.ids],
            "max_tokens": left,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_token_ids": True,
        }

    def promise(self) -> str:
        """What the continued text is, compared with the one that was broken."""
        greedy = self.ask.fields.get("temperature") == 0
        return "the same text up to numeric ties" if greedy else "a continuation, not the same text"

    def wants_usage(self) -> bool:
        """Whether the client asked for a closing usage event."""
        options = self.ask.fields.get("stream_options")
        return isinstance(options, dict) and bool(options.get("include_usage"))

    def _asked_tokens(self) -> int:
        fields = self.ask.fields
        asked = fields.get("max_completion_tokens") or fields.get("max_tokens")
        prompt = len(self.delivered.prompt_ids)
        room = self._max_model_len - prompt if self._max_model_len is not None else None
        if isinstance(asked, int):
            return min(asked, room) if room is not None else asked
        if self.ask.ability is Ability.COMPLETIONS:
            return _COMPLETIONS_DEFAULT
        if room is None:
            raise CannotHeal("neither max_tokens nor the context length is known")
        return room

    def _note(self, payload: bytes) -> None:
        if payload == b"[DONE]":
            return
        try:
            event = json.loads(payload)
        except ValueError:
            self.possible = False
            return
        choice = first_choice(event)
        if choice is None:
            return
        self.delivered.template = event
        prompt_ids = numbers(event.get("prompt_token_ids") or choice.get("prompt_token_ids"))
        if prompt_ids:
            self.delivered.prompt_ids = prompt_ids
        text, is_plain = text_of(choice)
        ids = numbers(choice.get("token_ids"))
        if not is_plain or (text and not ids and not self.delivered.ids):
            self.possible = False
        self.delivered.ids += ids
        self.delivered.parts.append(text)


def first_choice(event: object) -> Fields | None:
    """The only answer in an event; None for events without one (usage)."""
    choices = event.get("choices") if isinstance(event, dict) else None
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None


def numbers(value: object) -> list[int]:
    """The token ids in a field; none where it holds something else."""
    return [one for one in value if isinstance(one, int)] if isinstance(value, list) else []


def text_of(choice: Mapping[str, object]) -> tuple[str, bool]:
    """The text in a choice of either endpoint, and whether it is nothing but text."""
    delta = choice.get("delta")
    if isinstance(delta, dict):
        plain = not (delta.get("reasoning") or delta.get("reasoning_content") or delta.get("tool_calls"))
        return str(delta.get("content") or ""), plain
    return str(choice.get("text") or ""), True


def _only_text(fields: Fields) -> bool:
    messages = fields.get("messages")
    if not isinstance(messages, list):
        return True
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        parts = content if isinstance(content, list) else []
        if any(not isinstance(part, dict) or part.get("type") != "text" for part in parts):
            return False
    return True


async def _text_of(server: Server, ids: list[int], within_s: float) -> str:
    status, body = await server.post("/detokenize", {"tokens": ids}, within_s)
    try:
        found = json.loads(body) if status == 200 else {}
    except ValueError as error:
        raise CannotHeal("the server cannot detokenize") from error
    if not isinstance(found, dict) or not isinstance(found.get("prompt"), str):
        raise CannotHeal("the server cannot detokenize")
    return str(found["prompt"])
