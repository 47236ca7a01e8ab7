"""Text of others on its way into a prompt: shown to the model, never obeyed as the prompt's own structure."""

from __future__ import annotations

import re

# vLLM tokenizes a chat template's control words wherever they stand, so a page that contains them could end
# its own turn and begin another. A space behind the first character leaves them readable and makes them plain
# text. The families: ChatML and Llama 3, DeepSeek (full-width bars), SentencePiece, Gemma, Llama 2 and Mistral,
# reasoning and tool-call tags, and the fence of our own passages.
_CONTROL = re.compile(
    r"<(?=[|\uff5c])"
    r"|<(?=/?(?:s|bos|eos|pad|unk|mask|cls|sep)>)"
    r"|<(?=/?(?:start|end)_of_(?:turn|text|image|role)>)"
    r"|<(?=/?(?:think|thinking|tool_call|tool_calls|tool_response|tool_result|tools|function_call)\b)"
    r"|<(?=/?\s*passage\b)"
    r"|<(?=</?SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|ARGS|CALL_ID|THINK)\])",
    re.IGNORECASE,
)


def neutralise(text: str) -> str:
    """`text` in which no control word of a chat template and no end of a passage is left."""
    return _CONTROL.sub(lambda match: match.group() + " ", text).replace("\x00", "")
