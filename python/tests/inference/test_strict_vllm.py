"""A real vLLM with other flags: it wants a key, has a small context and calls tools."""

from __future__ import annotations

import pytest

from src.errors import ContextTooLong
from src.inference.chat import build_chat_model
from src.inference.check import check
from src.inference.check_report import CheckReport
from src.inference.discovery import forget_discoveries
from src.inference.models import ChatMessage, ChatOptions, Outcome, StreamEnd
from src.inference.registry import load_registry
from tests.fakes.chosen import chosen
from tests.fixtures.vllm import STRICT_KEY

pytestmark = [pytest.mark.real_vllm, pytest.mark.slow, pytest.mark.timeout(400)]


async def looked_at(url: str, **values: str) -> CheckReport:
    forget_discoveries()
    return await check(load_registry().get("vllm"), "llm", {"VLLM_BASE_URL": url, **values})


@pytest.mark.parametrize("values", [{}, {"VLLM_API_KEY": "another-key"}])
async def test_a_missing_or_wrong_key_is_the_step_and_the_field(strict_vllm_url: str, values: dict[str, str]) -> None:
    report = await looked_at(strict_vllm_url, **values)
    assert [finding.step for finding in report.findings if not finding.ok] == ["key"]
    assert report.error is not None
    assert (report.error.code, report.error.context.field) == ("provider_authentication", "VLLM_API_KEY")
    assert "another-key" not in str(report.to_dict())


async def test_with_its_key_it_is_green_with_tools_and_its_own_context(strict_vllm_url: str) -> None:
    report = await looked_at(strict_vllm_url, VLLM_API_KEY=STRICT_KEY)
    assert (report.ok, report.max_model_len) == (True, 512)
    messages = {finding.step: finding.message for finding in report.findings}
    assert messages["tools"] == "Tool calling is enabled."
    assert messages["json_schema"].startswith(("Answers keep to a JSON schema", "A JSON schema is accepted; the short"))


async def test_a_prompt_over_its_small_context_is_told_and_a_short_one_answered(strict_vllm_url: str) -> None:
    forget_discoveries()
    model = build_chat_model(chosen("llm", VLLM_BASE_URL=strict_vllm_url, VLLM_API_KEY=STRICT_KEY))
    with pytest.raises(ContextTooLong, match="512"):
        [_ async for _ in model.stream([ChatMessage("user", "word " * 800)], ChatOptions(max_tokens=4))]
    end = [item async for item in model.stream([ChatMessage("user", "Hi")], ChatOptions(max_tokens=4))][-1]
    assert isinstance(end, StreamEnd)
    assert end.outcome is Outcome.COMPLETE
