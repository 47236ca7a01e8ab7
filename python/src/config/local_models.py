"""The local vLLM servers that `archon up` started for this data folder, and whether they have warmed up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LocalModelServer:
    """One of them: `name` is chat or embeddings, `address` has no /v1; warm: it has answered a request."""

    name: str
    address: str
    is_warm: bool


def local_model_servers(data_dir: Path) -> tuple[LocalModelServer, ...]:
    """Those that were started and not stopped; empty where none is. Cheap: reads two small files."""
    found = []
    for file in sorted((data_dir / "run").glob("vllm-*.json")):
        try:
            port = int(json.loads(file.read_text())["port"])
        except (OSError, ValueError, KeyError):
            continue  # it is being stopped at this moment
        name = file.stem.removeprefix("vllm-")
        found.append(LocalModelServer(name, f"http://127.0.0.1:{port}", file.with_suffix(".warm").exists()))
    return tuple(found)
