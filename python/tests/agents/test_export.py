"""Conversations as files: what Markdown says of each answer, hostile and unfinished text in it, names, long ones."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from src.agents.chat_settings import ChatSettings
from src.agents.conversations import ConversationService, Exported
from src.agents.export import file_name
from src.agents.export_markdown import markdown_head, markdown_message
from src.agents.request import AskRequest
from src.errors import JsonValue
from src.store.conversations import Conversation, Message
from src.store.postgres import PostgresDatabase

from .conftest import Answering
from .models import WHOLE, ScriptedModel

WHEN = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
HOME = Conversation("c", "On waiting", WHEN, WHEN, 2, {}, "a")
PASSAGE: dict[str, JsonValue] = {
    "number": 1,
    "title": "Tasks [draft]",
    "url": "https://docs.example.org/tasks.pdf",
    "heading_path": ["Tasks [draft]", "Running"],
    "page_number": 3,
    "text": "gather runs them.",
}
SIMILAR: dict[str, JsonValue] = {"sentence": "It waits.", "start": 0, "end": 9, "kind": "similar", "numbers": [1]}
ANSWER = Message(
    *("a", "q", "assistant", "It waits.", "", "complete", "stop", [PASSAGE], [SIMILAR], {}, "vllm", "qwen", "lab"),
    *(None, None, WHEN, ("a",)),
)
SIGNED = "*qwen, 2026-11-21 10:00 UTC*"


def question(text: str) -> str:
    return markdown_message(replace(ANSWER, role="user", content=text, outcome=None, passages=[], support=[]))


def answer(**changes: object) -> list[str]:
    """The paragraphs of an answer."""
    return markdown_message(replace(ANSWER, **changes)).strip().split("\n\n")  # type: ignore[arg-type]


async def text_of(file: Exported) -> str:
    return "".join([piece async for piece in file.pieces])


@pytest.mark.unit
def test_a_sentence_leads_to_its_passage_and_says_who_made_the_connection() -> None:
    source = "- [1] Tasks \\[draft\\] › Running, page 3: https://docs.example.org/tasks.pdf"
    assert answer() == ["It waits. [≈1]", source, SIGNED]
    cited = SIMILAR | {"kind": "cited"}
    assert answer(support=[cited])[0] == "It waits. [1]"
    written = cited | {"sentence": "It waits [1].", "end": 13}
    assert answer(content="It waits [1].", support=[written])[0] == "It waits [1]."
    assert answer(support=[SIMILAR | {"kind": "none", "numbers": []}]) == [
        "It waits.",
        "*Nothing in this answer has support in the knowledge base.*",
        SIGNED,
    ]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"finish_reason": "length"}, "*The answer reached its length limit and is not whole.*"),
        ({"outcome": "cancelled", "finish_reason": None}, "*Stopped before the answer was whole.*"),
        ({"outcome": "stalled", "error": {"error": "Silent for 60 s"}}, "*The model went silent. Silent for 60 s*"),
        ({"outcome": "truncated", "error": {"error": "It broke."}}, "*The answer was cut off. It broke.*"),
        ({"outcome": None}, "*The answer was still being written.*"),
    ],
)
def test_an_answer_that_is_not_whole_is_marked(changes: dict[str, object], said: str) -> None:
    assert said in answer(**changes)
    assert "not whole" not in "".join(answer())


@pytest.mark.unit
def test_a_block_of_code_that_was_cut_does_not_swallow_what_follows() -> None:
    shown = "\n\n".join(answer(content="So:\n```py\nprint('<b>![')", support=[], outcome="cancelled"))
    assert "```py\nprint('<b>![')\n```\n\n*Stopped" in shown
    assert answer(content="~~~~\n```\n~~~~", support=[])[0] == "~~~~\n```\n~~~~"
    assert answer(content="Use ``` a ` b", support=[])[0] == "Use ``` a ` b"


@pytest.mark.unit
def test_what_models_and_pages_wrote_is_not_active() -> None:
    hostile = "<script>x</script> ![b](http://beacon/) `<b>`\n<img\nsrc=x> 1 < 2"
    shown = answer(content=hostile, support=[])[0]
    assert shown == "&lt;script>x&lt;/script> &#33;[b](http://beacon/) `<b>`\n&lt;img\nsrc=x> 1 < 2"
    page = PASSAGE | {"title": "[x](javascript:y)\n<b>", "heading_path": [], "page_number": None}
    assert answer(passages=[page])[1].startswith("- [1] \\[x\\](javascript:y) \\<b>: https://")


@pytest.mark.unit
def test_a_question_is_a_heading_and_a_long_one_stands_whole_below() -> None:
    assert question("Why <i>?") == "\n## Why \\<i>?\n"
    assert question("Why is\n```py\nx = 1") == "\n## Why is \\`\\`\\`py x = 1\n\n> Why is\n> ```py\n> x = 1\n> ```\n"


@pytest.mark.unit
def test_the_system_prompt_is_told() -> None:
    settings = ChatSettings(system_prompt="Be brief.\n\nBe kind.").to_dict()
    assert markdown_head(replace(HOME, settings=settings)) == (
        "# On waiting\n\n**System prompt**\n\n> Be brief.\n>\n> Be kind.\n"
    )


@pytest.mark.unit
@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etc-passwd.md"),
        ("CON", "conversation-con.md"),
        ('a"; x=\r\n\x00\u202eb', "a-x-b.md"),
        ("Größe von 表", "größe-von-表.md"),
        ("…?!", "conversation.md"),
        ("long " * 40, ("long-" * 12)[:-1] + ".md"),
    ],
)
def test_every_title_makes_a_name_for_a_file(title: str, name: str) -> None:
    assert file_name(replace(HOME, title=title), "md") == name


async def test_a_long_conversation_is_written_whole_part_by_part(
    database: PostgresDatabase, answering: Answering
) -> None:
    kept = ConversationService(database)
    model = ScriptedModel("Yes.", WHOLE)
    home: str | None = None
    for number in range(101):
        asked = AskRequest(f"Question {number}?", home, settings=ChatSettings(knowledge=False) if not home else None)
        events = [event async for event in answering(model).ask(asked)]
        home = events[0].conversation_id  # type: ignore[union-attr]
    assert home is not None
    text = await text_of(await kept.export(home, "markdown"))
    asked_in_order = [line for line in text.splitlines() if line.startswith("## ")]
    assert asked_in_order == [f"## Question {number}?" for number in range(101)]
    pieces = [piece async for piece in (await kept.export(home, "json")).pieces]
    assert max(map(len, pieces)) < 2000 < len("".join(pieces))
    messages = json.loads("".join(pieces))["messages"]
    assert [one["content"] for one in messages[::2]] == [f"Question {number}?" for number in range(101)]
    assert [one["parent_id"] for one in messages[1:]] == [one["id"] for one in messages[:-1]]
