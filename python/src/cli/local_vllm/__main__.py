"""`python -m src.cli.local_vllm install | serve ROLE HOST PORT`: the local vLLM in an image of its own.

`install` makes the environment and the models in the data folder; `serve` becomes the server of `chat` or
`embeddings`, in the foreground.
"""

from __future__ import annotations

import os
import sys

from src.config import load_environment

from ..steps import StepFailed, Steps
from .installation import LocalVllmInstallation
from .roles import ROLES
from .servers import LocalVllmServers

_USAGE = "Usage: python -m src.cli.local_vllm install | serve ROLE HOST PORT"


def main(arguments: list[str]) -> int:
    """0 when installed; `serve` does not return. 1 where a step failed, 2 for a wrong command."""
    try:
        if arguments == ["install"]:
            return _install()
        if len(arguments) == 4 and arguments[0] == "serve" and arguments[3].isdigit():
            _serve(arguments[1], arguments[2], int(arguments[3]))
    except StepFailed as failure:
        sys.stderr.write(f"{failure.why}\n{failure.tail}\n{failure.next_step}\n")
        return 1
    sys.stderr.write(f"{_USAGE}\nROLE is one of: {', '.join(role.name for role in ROLES)}\n")
    return 2


def _install() -> int:
    environment = load_environment()
    installation = LocalVllmInstallation(environment.data_dir, environment)
    steps = Steps()
    with steps.step("Installing", announce="some minutes") as step:
        installation.install(step)
    with steps.step("Models", announce="unpacking"):
        installation.prepare_models()
    return 0


def _serve(name: str, host: str, port: int) -> None:
    environment = load_environment()
    for role in ROLES:
        if role.name == name:
            program = LocalVllmServers(environment.data_dir, environment, {name: port}).program(role, host)
            os.execvpe(program.command[0], program.command, dict(program.environment))  # noqa: S606 - our own command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
