"""Ollama: models on your own machine, without a key; the address is used as it was entered, plus /v1.

Source: https://github.com/ollama/ollama/blob/main/docs/openai.md (read 2026-11-21 in a copy). 'required but ignored'
is what it says of the key. `/api/version`: https://docs.ollama.com/api-reference/get-version (read 2026-11-21).
The size of nomic-embed-text is from its model card.
"""

from src.errors import JsonValue
from src.inference.provider import (
    Endpoint,
    KnownEmbeddingModel,
    Provider,
    ServerFacts,
    ServerSign,
    Service,
    SettingField,
    Values,
)

DEFAULT_ADDRESS = "http://host.docker.internal:11434"


def _endpoint(values: Values, service: Service) -> Endpoint:
    """The embedding address for embeddings where one is set, else the common one, else the host of the container."""
    own = values.get("OLLAMA_EMBEDDING_URL") if service == "embedding" else None
    address = own or values.get("LLM_BASE_URL") or DEFAULT_ADDRESS
    return Endpoint(base_url=address if address.endswith("/v1") else f"{address}/v1", api_key="ollama")


def _tells_version(body: JsonValue) -> bool:
    return isinstance(body, dict) and isinstance(body.get("version"), str)


PROVIDER = Provider(
    id="ollama",
    label="Ollama",
    summary="Models on your own machine, run by Ollama; no key.",
    docs_url="https://docs.ollama.com/",
    source="https://github.com/ollama/ollama/blob/main/docs/openai.md (read 2026-11-21 in a copy)",
    capabilities=frozenset({"chat", "completions", "embeddings", "tools"}),
    fields=(
        SettingField(key="LLM_BASE_URL", label="Server address", kind="url", placeholder="http://localhost:11434"),
        SettingField(key="OLLAMA_EMBEDDING_URL", label="Embedding address", kind="url", capability="embeddings"),
        SettingField(key="MODEL_CHOICE", label="Chat model", kind="model", capability="chat"),
        SettingField(key="EMBEDDING_MODEL", label="Embedding model", kind="model", capability="embeddings"),
    ),
    endpoint=_endpoint,
    chat_model_key="MODEL_CHOICE",
    embedding_model_key="EMBEDDING_MODEL",
    local=True,
    keeps_v1_wire=True,
    rank=20,
    default_chat_model="llama3.2:latest",
    default_embedding_model="nomic-embed-text",
    embedding_models=(KnownEmbeddingModel(name="nomic-embed-text", dimensions=768, max_tokens=2048),),
    server=ServerFacts(
        name="Ollama", neighbour_ports=(11434,), sign=ServerSign(path="/api/version", matches=_tells_version)
    ),
)
