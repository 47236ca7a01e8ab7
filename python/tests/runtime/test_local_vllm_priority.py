"""Both local model servers share a machine's cores: the one that a crawl keeps busy steps back for answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from src.cli.local_vllm.roles import CHAT, EMBEDDINGS, Role
from src.cli.local_vllm.servers import LocalVllmServers
from src.config import load_environment


def test_the_embedding_server_runs_at_a_lower_priority_than_the_chat_server(tmp_path: Path) -> None:
    assert _niceness(EMBEDDINGS, tmp_path) > _niceness(CHAT, tmp_path)


def _niceness(role: Role, folder: Path) -> int:
    """What a program has that is started the way the server of `role` is."""
    command = LocalVllmServers(folder, load_environment()).program(role).command
    before = command[: command.index("-m") - 1]
    asked = [*before, sys.executable, "-c", "import os; print(os.nice(0))"]
    return int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
