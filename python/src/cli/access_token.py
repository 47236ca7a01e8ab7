"""The token that a server needs once it listens beyond this machine."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from pathlib import Path

from src.config import Environment
from src.config.access import is_loopback

from .steps import StepFailed

VARIABLE = "ARCHON_TOKEN"


def with_token(environment: Environment, env_file: Path) -> Environment:
    """`environment` with a token where it needs one; a new token is written into `env_file`.

    Raises:
        StepFailed: a token is needed and the file cannot be written.
    """
    if environment.token or is_loopback(environment.host.strip("[]")):
        return environment
    token = secrets.token_urlsafe(32)
    try:
        _append(env_file, f"{VARIABLE}={token}\n")
    except OSError as error:
        why = f"ARCHON_BIND is {environment.host}, and {env_file}, where its token belongs, cannot be written."
        raise StepFailed(
            why,
            next_step=f"Set {VARIABLE} to a long random text yourself, or leave ARCHON_BIND at 127.0.0.1.",
        ) from error
    return replace(environment, token=token, values=dict(environment.values) | {VARIABLE: token})


def _append(path: Path, line: str) -> None:
    former = path.read_text() if path.exists() else ""
    # An empty `ARCHON_TOKEN=` from the example would win over nothing, but two lines are confusing.
    kept = [text for text in former.splitlines() if text.replace(" ", "") != f"{VARIABLE}="]
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("".join(f"{text}\n" for text in kept) + line)
    fresh.replace(path)
