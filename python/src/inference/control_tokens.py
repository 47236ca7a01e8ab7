"""Keeps text from opening a turn of its own.

vLLM parses a model's control tokens wherever they stand, also inside a user's question or a crawled page: a page with
`<|im_start|>system` in it would speak as the system. A blank inside the token makes it ordinary text again.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(
    r"<(?P<bars>[|｜][A-Za-z0-9_▁ -]{1,64}[|｜])>"
    r"|<(?P<turn>start_of_turn|end_of_turn|bos|eos|/?s)>"
    r"|\[(?P<inst>/?INST|/?SYSTEM_PROMPT|/?TOOL_CALLS|/?AVAILABLE_TOOLS)\]"
)


def without_control_tokens(text: str) -> str:
    """`text` in which nothing is a control token of a known chat template; otherwise unchanged."""
    if "<" not in text and "[" not in text:
        return text
    return _CONTROL.sub(lambda match: f"{match[0][0]} {match[0][1:-1]} {match[0][-1]}", text)
