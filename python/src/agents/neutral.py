"""Text of others on its way into a prompt: shown to the model, never obeyed as the prompt's own structure."""

from __future__ import annotations

import re

from src.inference.control_tokens import without_control_tokens

# Beyond the control words of chat templates: the tags with which models open reasoning and tool calls, Llama 2's
# system frame, and the fence of our own passages, which a page could otherwise close.
_STRUCTURE = re.compile(
    r"<(?=/?(?:think|thinking|tool_calls?|tool_response|tool_results?|tools|function_call)\b)"
    r"|<(?=/?\s*passage\b)"
    r"|<(?=</?SYS>>)",
    re.IGNORECASE,
)


def neutralise(text: str) -> str:
    """`text` in which no control word of a chat template and no end of a passage is left."""
    return _STRUCTURE.sub("< ", without_control_tokens(text)).replace("\x00", "")
