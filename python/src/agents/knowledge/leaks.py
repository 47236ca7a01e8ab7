"""Tool calls that a model wrote as text: kept from the reader, and noticed.

A parser that does not fit the model, or an answer cut by max_tokens, leaves the markup of a call in the content
(vLLM 0.32.0 sends `"content":"<tool_c"` with finish_reason `length`).
"""

from __future__ import annotations

_OPENINGS = (
    "<tool_call",
    "<|tool_call",
    "<function_call",
    "<function=",
    "<|python_tag|>",
    "<｜tool▁call",
    "[TOOL_CALL",
)
_SHORTEST = 2
"""A cut answer that ends with this much of an opening was a call; a lone "<" may be anything."""
_BEFORE_NAME = '{"name":'
_ARGUMENTS = ('"arguments"', '"parameters"')


class LeakGuard:
    """Takes pieces of one text and gives what may be shown; everything from a call's opening on is kept back.

    An opening counts at the beginning of a line and outside of code, so that an answer about tool calls can be given.
    """

    def __init__(self) -> None:
        self._held = ""
        self._line_start = True
        self._fenced = False
        self.leaked = False

    def feed(self, piece: str) -> str:
        """The text that `piece` makes ready; may be empty."""
        if self.leaked:
            return ""
        self._held += piece
        return self._run()

    def close(self, *, cut: bool) -> str:
        """The rest, once the text has ended; `cut`: by max_tokens, so that half an opening is one."""
        held, self._held = self._held, ""
        bare = held.lstrip()
        if _is_bare_call(bare) or (cut and len(bare) >= _SHORTEST and _may_open(bare)):
            self.leaked = True
        return "" if self.leaked else held

    def _run(self) -> str:
        shown = ""
        while self._held:
            line, newline, rest = self._held.partition("\n")
            if self._line_start and not self._fenced and (held := self._decide(line, bool(newline))) is not None:
                return shown + held
            if self._line_start and not newline and "```".startswith(line.lstrip()[:3]) and len(line.lstrip()) < 3:
                return shown
            if self._line_start and line.lstrip().startswith("```"):
                self._fenced = not self._fenced
            shown += line + newline
            self._held, self._line_start = rest, bool(newline)
        return shown

    def _decide(self, line: str, whole: bool) -> str | None:
        """What to show of a line that may be a call: '' while nobody knows; None when it is none."""
        bare = line.lstrip()
        if any(bare.startswith(opening) for opening in _OPENINGS) or (whole and _is_bare_call(bare)):
            self.leaked, self._held = True, ""
            return ""
        undecided = not whole and (_may_open(bare) or bare.replace(" ", "").startswith(_BEFORE_NAME))
        return "" if undecided else None


def _may_open(text: str) -> bool:
    """Whether `text` is the beginning of an opening."""
    packed = text.replace(" ", "")
    return any(opening.startswith(text) for opening in _OPENINGS) or _BEFORE_NAME.startswith(packed)


def _is_bare_call(text: str) -> bool:
    """Whether `text` is a call without any frame: JSON with a name and arguments."""
    return text.replace(" ", "").startswith(_BEFORE_NAME) and any(word in text for word in _ARGUMENTS)
