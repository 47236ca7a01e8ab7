"""What the local vLLM consists of: two servers, each with a small open model out of a package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from src.config import Environment


@dataclass(frozen=True, slots=True)
class Role:
    """One server. `port_variable` moves it; `address_variable` is how the product is told of it."""

    name: str
    what: str
    port: int
    port_variable: str
    address_variable: str
    model: str
    flags: tuple[str, ...]
    warm_up_path: str
    warm_up: Mapping[str, object]
    niceness: int = 0
    """How far it steps back where both servers want the same cores."""

    @property
    def program(self) -> str:
        """Name of its pid file and log."""
        return f"vllm-{self.name}"

    def port_in(self, environment: Environment) -> int:
        """Its port, unless the environment names another one."""
        text = environment.get(self.port_variable)
        return int(text) if text and text.isdigit() else self.port

    def body(self) -> str:
        """JSON of the request that makes the server do its work once."""
        return json.dumps({"model": self.model, **self.warm_up})


CHAT = Role(
    name="chat",
    what="vLLM for chat",
    port=8101,
    port_variable="ARCHON_VLLM_CHAT_PORT",
    address_variable="VLLM_BASE_URL",
    model="smollm2-135m-instruct",
    flags=("--max-model-len", "2048", "--max-num-seqs", "16"),
    warm_up_path="/v1/chat/completions",
    warm_up=MappingProxyType({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}),
)
EMBEDDINGS = Role(
    name="embeddings",
    what="vLLM for embeddings",
    port=8100,
    port_variable="ARCHON_VLLM_EMBEDDING_PORT",
    address_variable="VLLM_EMBEDDING_BASE_URL",
    model="all-minilm-l6-v2",
    # float16 is emulated on most CPUs: float32 is several times faster.
    flags=("--runner", "pooling", "--dtype", "float32"),
    warm_up_path="/v1/embeddings",
    warm_up=MappingProxyType({"input": ["Hello"]}),
    # A crawl keeps it busy for minutes on end; a person's answer goes first.
    niceness=5,
)
ROLES = (CHAT, EMBEDDINGS)
