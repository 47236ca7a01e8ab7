"""Which text is a tool call that leaked, however it is cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.agents.knowledge.leaks import LeakGuard

LEAKS = (
    '<tool_call>\n{"name": "search"}',
    'I will look.\n<tool_call>{"name": "search"}',
    "<|tool_call_begin|>functions.search",
    '{"name": "search_knowledge", "arguments": {"query": "x"}}',
    '[TOOL_CALLS] [{"name": "search"}]',
    "<function=search>",
)
PLAIN = (
    "Use `<tool_call>` tags.",
    "a < b and <em>c</em>",
    "```xml\n<tool_call>\n```\nThat is it.",
    '{"name": "Ada"}',
    "  indented\n\n- [1] a list\n",
    "<",
    "``x`` and ```y```",
)


def passed(text: str, size: int, *, cut: bool = False) -> tuple[str, bool]:
    """What a guard shows of `text` in pieces of `size`, and whether it noticed a leak."""
    guard = LeakGuard()
    shown = "".join(guard.feed(text[at : at + size]) for at in range(0, len(text), size))
    return shown + guard.close(cut=cut), guard.leaked


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("text", LEAKS)
def test_a_call_as_text_is_noticed_and_not_shown(text: str, size: int) -> None:
    shown, leaked = passed(text, size)
    assert leaked
    assert not any(word in shown for word in ("tool", "name", "TOOL", "function"))


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("text", PLAIN)
def test_other_text_passes_as_it_is(text: str, size: int) -> None:
    assert passed(text, size) == (text, False)


def test_half_an_opening_is_a_call_only_where_the_answer_was_cut() -> None:
    assert passed("<tool_c", 2, cut=True) == ("", True)
    assert passed("<tool_c", 2) == ("<tool_c", False)


@given(st.text(alphabet="ab <`\n", max_size=60), st.integers(1, 7))
def test_nothing_is_lost_or_doubled(text: str, size: int) -> None:
    assert passed(text, size) == (text, False)
