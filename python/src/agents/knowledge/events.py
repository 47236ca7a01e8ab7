"""What the agent tells beside the events of every chat: which way it went, what it called, and how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from src.agents.events import CitationEvent, ErrorEvent, LeftOut, Passage, ReasoningEvent, TokenEvent, UsageEvent
from src.errors import JsonValue
from src.inference.models import Outcome

Way: TypeAlias = Literal["tools", "one_pass"]
WayReason: TypeAlias = Literal[
    "no_tool_calling", "context_too_small", "invalid_calls", "tool_markup", "step_limit", "no_answer"
]
ToolState: TypeAlias = Literal["called", "answered", "refused"]

EXPLANATIONS: Mapping[str | None, str] = {
    None: "The model decides itself what to search and read.",
    "no_tool_calling": (
        "The model server has no tool calling, so Archon searched first and the model answers from what was found. "
        "vLLM calls tools when it is started with --enable-auto-tool-choice and --tool-call-parser."
    ),
    "context_too_small": "The model's context is too small for tools, so Archon searches and the model answers once.",
    "invalid_calls": "The model's tool calls could not be used, so it answers from what was found.",
    "tool_markup": "The model wrote a tool call as text, so it answers from what was found.",
    "step_limit": "The model called tools without coming to an end, so it answers from what was found.",
    "no_answer": "The model called tools and then said nothing, so it is asked once more without them.",
}


@dataclass(frozen=True, slots=True)
class StartEvent:
    """The agent begins. Passages come with `tool` events. `connection_id` is the one that answers."""

    name: ClassVar[str] = "start"
    provider: str
    model: str
    connection_id: str | None = None
    session_id: str | None = None
    message_id: str | None = None

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON; the fields of a chat's `start`, without passages as yet."""
        return {
            "conversation_id": self.session_id,
            "session_id": self.session_id,
            "message_id": self.message_id,
            "provider": self.provider,
            "model": self.model,
            "connection_id": self.connection_id,
            "passages": [],
            "left_out": LeftOut().to_dict(),
            "reason": None,
        }


@dataclass(frozen=True, slots=True)
class WayEvent:
    """How the answer comes about; sent at the start, and again where the way changes."""

    name: ClassVar[str] = "way"
    way: Way
    reason: WayReason | None = None

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON; `message` is a sentence for people."""
        return {"way": self.way, "reason": self.reason, "message": EXPLANATIONS[self.reason]}


@dataclass(frozen=True, slots=True)
class ToolEvent:
    """A tool that is called, or what it brought. `asked_by` "archon": in one pass the search is ours."""

    name: ClassVar[str] = "tool"
    call_id: str
    tool: str
    state: ToolState
    asked_by: Literal["model", "archon"] = "model"
    arguments: str = ""
    summary: str = ""
    passages: tuple[Passage, ...] = ()

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {
            "call_id": self.call_id,
            "tool": self.tool,
            "state": self.state,
            "asked_by": self.asked_by,
            "arguments": self.arguments,
            "summary": self.summary,
            "passages": [passage.to_dict() for passage in self.passages],
        }


@dataclass(frozen=True, slots=True)
class AgentDone:
    """The last event, exactly once. `supported` is false when nothing in the answer has support."""

    name: ClassVar[str] = "done"
    outcome: Outcome
    finish_reason: str | None
    supported: bool
    answer: str
    way: Way
    reason: WayReason | None
    message_id: str | None = None

    def to_dict(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {
            "outcome": self.outcome.value,
            "finish_reason": self.finish_reason,
            "supported": self.supported,
            "answer": self.answer,
            "way": self.way,
            "reason": self.reason,
            "message_id": self.message_id,
        }


AgentEvent: TypeAlias = (
    StartEvent
    | WayEvent
    | ToolEvent
    | TokenEvent
    | ReasoningEvent
    | CitationEvent
    | UsageEvent
    | ErrorEvent
    | AgentDone
)
Tell: TypeAlias = Callable[[AgentEvent], Awaitable[None]]
"""Gives an event to whoever listens; waits while they are slow."""
