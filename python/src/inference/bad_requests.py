"""What an ambiguous 400 means: the only place where a server's wording decides, and each wording has its source.

Wordings without a source named beside them were seen from vLLM 0.32.0 (2026-11-21); "llama.cpp" beside one means its
server, version 0.6.0 (seen 2026-11-29).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from src.errors import (
    ArchonError,
    AuthenticationFailed,
    BadRequest,
    ContextTooLong,
    ErrorContext,
    ModelNotFound,
    QuotaExhausted,
    UnsupportedFeature,
)

from .error_body import ErrorBody

_TOO_LONG_PARAMS = {"input_tokens", "input_text"}
_TOO_LONG_CODES = {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}
_TOO_LONG = re.compile(
    r"maximum context length is|context length.{0,40}exceed|exceed.{0,60}(context|max_model_len|maximum length)"
    r"|longer than the maximum (model|context) length|prompt is too long|input (is )?too (long|large)"
    r"|too many (input )?tokens|input length exceeds|must have less than \d+ tokens"
    r"|input \(\d+ tokens\) is too large to process",  # llama.cpp, with a 500
    re.I | re.S,
)
_MISSING_MODEL_KINDS = {"NotFoundError", "not_found_error", "model_not_found"}
_MISSING_MODEL = re.compile(
    r"model.{0,200}(not exist|not found|not supported|deprecated|retired|no longer)", re.I | re.S
)
_ALIASES = re.compile(r"Valid aliases: (.+?)\.?$", re.M)
_FLAG = re.compile(r"--[a-z][a-z0-9-]+")
_NEEDS_FLAG = re.compile(r"requires --[a-z][a-z0-9-]+ flag")


def bad_request(status: int, body: ErrorBody, context: ErrorContext, models: Sequence[str]) -> ArchonError:
    """The error that a 400, 413 or 422 means."""
    if is_too_long(body):
        return too_long(body, context)
    for judge in (_answer_too_long, _dimensions, _flags, _modality, _pooling, _schema, _key, _credit):
        error = judge(body, context)
        if error is not None:
            return error
    if is_missing_model(body):
        return missing_model(body, context, models)
    if status == 413:
        return BadRequest(
            f"The request is larger than the server takes (HTTP 413{_said(body)})",
            next_step="Send less at once, or raise the body limit of the proxy before the model server.",
            context=context,
        )
    return BadRequest(f"The model server refused the request as invalid (HTTP {status}{_said(body)})", context=context)


def is_too_long(body: ErrorBody) -> bool:
    """Whether the text was longer than the model's context (not: `max_tokens` was too high)."""
    if body.param in _TOO_LONG_PARAMS or body.code in _TOO_LONG_CODES or body.kind in _TOO_LONG_CODES:
        return True
    return body.param not in {"max_tokens", "max_completion_tokens"} and bool(_TOO_LONG.search(body.message or ""))


def too_long(body: ErrorBody, context: ErrorContext) -> ContextTooLong:
    """The error for a text over the model's context."""
    limit = re.search(r"context length is (\d+) tokens|batch size: (\d+)", body.message or "")
    known = f" of {limit[1] or limit[2]} tokens" if limit else ""
    # llama.cpp: what it embeds at once is bounded too, by default far below the context.
    step = "Shorten the text, or start llama-server with a larger --ubatch-size." if limit and limit[2] else None
    said = f"The text is longer than the model's context{known}{_said(body)}"
    return ContextTooLong(said, next_step=step, context=context)


def unsupported(body: ErrorBody, context: ErrorContext) -> ArchonError | None:
    """What a server that was started without it cannot do, where it says so with a 500 or a 501, as llama.cpp does."""
    if context.status == 501 or _NEEDS_FLAG.search(body.message or ""):
        plain = UnsupportedFeature(f"The server cannot do this{_said(body)}", context=context)
        return _flags(body, context) or plain
    return _modality(body, context)


def is_missing_model(body: ErrorBody) -> bool:
    """Whether a refusal means the model's name. vLLM's bare `{"detail": "Not Found"}` means the route instead."""
    # "file not found" is llama.cpp's word for a route, in the shape that others use for a model.
    if body.shape in {"detail", "html", "empty"} or body.says(
        "unknown url", "invalid url", "no such route", "file not found"
    ):
        return False
    if body.kind in _MISSING_MODEL_KINDS or body.code in _MISSING_MODEL_KINDS:
        return True
    return bool(_MISSING_MODEL.search(body.message or "")) or body.says("not a valid model id")


def missing_model(body: ErrorBody, context: ErrorContext, models: Sequence[str]) -> ModelNotFound:
    """The error for a name that is not served; names those that are, where the server or `models` tell."""
    aliases = _ALIASES.search(body.message or "")
    names = list(models) or ([name.strip() for name in aliases[1].split(",")] if aliases else [])
    wanted = f"'{context.model}'" if context.model else "of that name"
    if body.says("deprecated", "retired", "no longer"):
        return ModelNotFound(
            f"The model {wanted} was retired by its provider{_said(body)}",
            next_step="Choose another model; the key is not the reason.",
            context=context,
        )
    step = f"Choose one of: {', '.join(names[:8])}. Names are case-sensitive." if names else None
    return ModelNotFound(f"The server does not serve a model {wanted}{_said(body)}", next_step=step, context=context)


def _answer_too_long(body: ErrorBody, context: ErrorContext) -> ArchonError | None:
    if body.param not in {"max_tokens", "max_completion_tokens"} or not body.says("max_model_len"):
        return None
    return BadRequest(
        f"More tokens were asked for than the model's context holds{_said(body)}",
        next_step="Lower the answer's limit (max_tokens) below the model's context length.",
        context=context,
    )


def _dimensions(body: ErrorBody, context: ErrorContext) -> ArchonError | None:
    if body.param != "dimensions" and not body.says("matryoshka"):
        return None
    return UnsupportedFeature(
        f"The embedding model has one vector size and takes no other{_said(body)}",
        next_step="Leave EMBEDDING_DIMENSIONS at 0 for this model.",
        context=context,
    )


def _flags(body: ErrorBody, context: ErrorContext) -> ArchonError | None:
    flags = _FLAG.findall(body.message or "")
    if not flags:
        return None
    values = {"--tool-call-parser": " <parser>", "--reasoning-parser": " <parser>", "--reasoning-config": " <json>"}
    if "--tool-call-parser" in flags and "--enable-auto-tool-choice" not in flags:
        flags.insert(0, "--enable-auto-tool-choice")
    wanted = " ".join(flag + values.get(flag, "") for flag in dict.fromkeys(flags))
    return UnsupportedFeature(
        f"The server was started without what this needs{_said(body)}",
        next_step=f"Start the model server with {wanted}, or switch the feature off.",
        context=context,
    )


def _modality(body: ErrorBody, context: ErrorContext) -> ArchonError | None:
    if not body.says("not a multimodal model", "image input is not supported"):
        return None
    return UnsupportedFeature(
        f"The model reads text only{_said(body)}",
        next_step="Send text only, or serve a model that takes images.",
        context=context,
    )


def _pooling(body: ErrorBody, context: ErrorContext) -> ArchonError | None:
    """llama.cpp embeds each token apart where nothing says how to make one vector of them."""
    if not body.says("pooling type 'none'"):
        return None
    return UnsupportedFeature(
        f"The server makes no single vector of a text{_said(body)}",
        next_step="Start llama-server with --pooling as the model's card says, for example --pooling mean.",
        context=context,
    )


def _schema(body: ErrorBody, context: ErrorContext) -> ArchonError | None:
    if not body.says("grammar error"):
        return None
    return UnsupportedFeature(
        f"The server cannot hold answers to that schema{_said(body)}",
        next_step="Use a simpler JSON schema.",
        context=context,
    )


def _key(body: ErrorBody, context: ErrorContext) -> ArchonError | None:
    """Google ("API key not valid") and xAI ("Incorrect API key provided") say it with a 400.

    As quoted in google-gemini/gemini-cli#4690 and continuedev/continue#10778 (read 2026-11-21).
    """
    if not body.says("api key not valid", "incorrect api key", "invalid api key", "api key expired"):
        return None
    return AuthenticationFailed(f"The provider refused the API key{_said(body)}", context=context)


def _credit(body: ErrorBody, context: ErrorContext) -> ArchonError | None:
    """Anthropic says it with a 400 (anthropics/claude-code#66314, read 2026-11-21)."""
    if not body.says("credit balance is too low"):
        return None
    return QuotaExhausted(f"The account behind the key has no credit left{_said(body)}", context=context)


def _said(body: ErrorBody) -> str:
    return f": {body.message.strip()[:300]}" if body.message else ""
