"""llama.cpp's server: one GGUF model a process, usually without a key; embeddings need a process of their own.

Source: https://www.mintlify.com/ggml-org/llama.cpp/inference/server (read 2026-11-21). The answer of /props:
https://mvysny.github.io/llama-server-endpoints/ (read 2026-11-21). Routes, statuses and errors: its server 0.6.0, run
with SmolLM2-135M (seen 2026-11-29).
"""

from src.errors import JsonValue
from src.inference.endpoints import own_server
from src.inference.provider import Provider, ServerFacts, SettingField


def _version(body: JsonValue) -> str | None:
    return str(body["build_info"]) if isinstance(body, dict) and body.get("build_info") else None


def _count(body: JsonValue) -> JsonValue:
    tokens = body.get("tokens") if isinstance(body, dict) else None
    return len(tokens) if isinstance(tokens, list) else None


PROVIDER = Provider(
    id="llamacpp",
    label="llama.cpp",
    summary="GGUF models on your own machine, run by llama-server.",
    docs_url="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
    source="https://www.mintlify.com/ggml-org/llama.cpp/inference/server (read 2026-11-21)",
    capabilities=frozenset({"chat", "completions", "embeddings", "tools"}),
    fields=(
        SettingField(
            key="LLAMACPP_BASE_URL",
            label="Server address",
            kind="url",
            required=True,
            placeholder="http://localhost:8080",
            help="With or without /v1. Inside a container use the host's name: localhost is the container itself.",
        ),
        SettingField(
            key="LLAMACPP_EMBEDDING_BASE_URL",
            label="Embedding server address",
            kind="url",
            capability="embeddings",
            help="A llama-server started with --embeddings, a --pooling, and --ubatch-size as large as its context; "
            "blank means the address above.",
        ),
        SettingField(key="LLAMACPP_API_KEY", label="API key", kind="secret", help="Only if started with --api-key."),
        SettingField(key="LLAMACPP_CHAT_MODEL", label="Chat model", kind="model", capability="chat"),
        SettingField(key="LLAMACPP_EMBEDDING_MODEL", label="Embedding model", kind="model", capability="embeddings"),
        SettingField(key="LLAMACPP_QUERY_PREFIX", label="Query prefix", kind="text", capability="embeddings"),
        SettingField(key="LLAMACPP_PASSAGE_PREFIX", label="Passage prefix", kind="text", capability="embeddings"),
    ),
    endpoint=own_server(
        "llama.cpp", url="LLAMACPP_BASE_URL", key="LLAMACPP_API_KEY", embedding_url="LLAMACPP_EMBEDDING_BASE_URL"
    ),
    chat_model_key="LLAMACPP_CHAT_MODEL",
    embedding_model_key="LLAMACPP_EMBEDDING_MODEL",
    query_prefix_key="LLAMACPP_QUERY_PREFIX",
    passage_prefix_key="LLAMACPP_PASSAGE_PREFIX",
    local=True,
    rank=70,
    server=ServerFacts(
        name="llama.cpp",
        version_path="/props",
        version=_version,
        tokenize_path="/tokenize",
        tokenize_body=lambda text: {"content": text, "add_special": True},
        token_count=_count,
        template_path="/apply-template",
        neighbour_ports=(8080, 8081),
    ),
)
