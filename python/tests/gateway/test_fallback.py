"""The fallback chain of the server's own chat: who is asked, who answers, and what is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from src.errors import ArchonError, BadRequest, ConfigurationError, ConnectionRefused, UnsupportedFeature
from src.inference.fallback import FallbackChat, HealthBoard, chain_of, check_same_space
from src.inference.models import ChatMessage, ChatOptions, EmbeddingIdentity, Outcome, StreamEnd, TextDelta
from src.inference.registry import load_registry


class Speaker:
    """A chat model that says its name, or fails."""

    def __init__(self, provider: str, error: ArchonError | None = None) -> None:
        self.provider = provider
        self.model = f"{provider}-model"
        self.error = error

    async def max_model_len(self) -> int | None:
        return 100

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        if self.error is not None:
            raise self.error
        return 1

    async def stream(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncIterator[TextDelta | StreamEnd]:
        if self.error is not None:
            raise self.error
        yield TextDelta(self.provider)
        yield StreamEnd(Outcome.COMPLETE, "stop")


async def _say(chat: FallbackChat) -> list[TextDelta | StreamEnd]:
    return [item async for item in chat.stream([], ChatOptions())]


async def test_the_first_that_can_answers_and_is_named() -> None:
    chat = FallbackChat([Speaker("a", ConnectionRefused("down")), Speaker("b"), Speaker("c")])
    said = await _say(chat)
    assert (said[0], chat.provider, [name for name, _ in chat.failures]) == (TextDelta("b"), "b", ["a"])


async def test_a_refused_request_is_not_tried_elsewhere() -> None:
    with pytest.raises(BadRequest):
        await _say(FallbackChat([Speaker("a", BadRequest("bad")), Speaker("b")]))


async def test_when_nobody_can_the_first_failure_is_told() -> None:
    with pytest.raises(ConnectionRefused, match="first"):
        await _say(FallbackChat([Speaker("a", ConnectionRefused("first")), Speaker("b", ConnectionRefused("second"))]))


async def test_tokens_are_counted_by_the_first_that_can() -> None:
    assert await FallbackChat([Speaker("a", ConnectionRefused("down")), Speaker("b")]).count_tokens([]) == 1


async def test_the_board_remembers_who_is_down_and_why() -> None:
    async def look() -> list[str]:
        raise ConnectionRefused("no server listens")

    async def well() -> list[str]:
        return ["m"]

    board = HealthBoard(timeout_s=1)
    board.watch("a", "primary", look)
    board.watch("b", "fallback", well)
    first, second = await board.look()
    assert (first.healthy, second.healthy, second.models, board.is_down("a")) == (False, True, ("m",), True)
    assert first.to_dict()["last_error"]["code"] == "connection_refused"  # type: ignore[index]


async def test_a_look_has_an_end() -> None:
    async def forever() -> list[str]:
        await asyncio.Event().wait()
        return []

    board = HealthBoard(timeout_s=0.05)
    board.watch("a", "primary", forever)
    assert (await board.look())[0].healthy is False


def test_the_chain_is_read_in_its_order() -> None:
    values = {
        "ENABLE_FALLBACK": "true", "FALLBACK_CHAIN": "ollama, openai", "OPENAI_API_KEY": "sk-x",
        "FALLBACK_MODEL_OLLAMA": "llama",
    }  # fmt: skip
    chain = chain_of(values, load_registry())
    assert [(link.provider.id, link.model) for link in chain] == [("ollama", "llama"), ("openai", "gpt-4o-mini")]


def test_without_the_switch_there_is_no_chain() -> None:
    assert chain_of({"FALLBACK_CHAIN": "ollama"}, load_registry()) == ()


@pytest.mark.parametrize("chain", ["nobody", "openai"])
def test_a_chain_that_cannot_be_used_is_refused(chain: str) -> None:
    with pytest.raises(ConfigurationError):
        chain_of({"ENABLE_FALLBACK": "true", "FALLBACK_CHAIN": chain}, load_registry())


def test_embeddings_of_another_space_are_refused() -> None:
    ours, other = EmbeddingIdentity("a", 384), EmbeddingIdentity("b", 768)
    check_same_space(ours, EmbeddingIdentity("a", 384), "p")
    with pytest.raises(UnsupportedFeature, match="cannot be compared"):
        check_same_space(ours, other, "p")
