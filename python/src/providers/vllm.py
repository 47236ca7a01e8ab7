"""vLLM: your own servers, one model each, so chat and embeddings usually have an address each.

Source: https://docs.vllm.ai/en/v0.8.4/serving/openai_compatible_server.html (read 2026-11-21). Routes, statuses and
errors were measured on vLLM 0.32.0.
"""

from src.errors import JsonValue
from src.inference.endpoints import gateway_detour, gateway_fields, own_server
from src.inference.provider import Provider, ServerFacts, SettingField


def _version(body: JsonValue) -> str | None:
    if not isinstance(body, dict) or "version" not in body:
        return None
    # Our gateway tells its name too; a vLLM tells only its version.
    return f"through the gateway {body['version']}" if "name" in body else str(body["version"])


_DETOUR = gateway_detour("VLLM_VIA_GATEWAY", "vLLM")

PROVIDER = Provider(
    id="vllm",
    label="vLLM",
    summary="Your own vLLM servers: fast, private, any open model. Chat and embeddings may live at two addresses.",
    docs_url="https://docs.vllm.ai/",
    source="https://docs.vllm.ai/en/v0.8.4/serving/openai_compatible_server.html (read 2026-11-21)",
    capabilities=frozenset({"chat", "completions", "embeddings", "rerank", "tools"}),
    fields=(
        SettingField(
            key="VLLM_BASE_URL",
            label="Server address",
            kind="url",
            required=True,
            placeholder="http://localhost:8000",
            help="With or without /v1. Inside a container use the host's name: localhost is the container itself.",
        ),
        SettingField(
            key="VLLM_EMBEDDING_BASE_URL",
            label="Embedding server address",
            kind="url",
            capability="embeddings",
            placeholder="http://localhost:8100",
            help="Only where embeddings live on another server; blank means the address above.",
        ),
        SettingField(
            key="VLLM_API_KEY",
            label="API key",
            kind="secret",
            help="Only if the server was started with --api-key.",
        ),
        SettingField(
            key="VLLM_CHAT_MODEL",
            label="Chat model",
            kind="model",
            capability="chat",
            help="Blank: the one model that the server serves.",
        ),
        SettingField(
            key="VLLM_EMBEDDING_MODEL",
            label="Embedding model",
            kind="model",
            capability="embeddings",
            help="Blank: the one model that the embedding server serves.",
        ),
        SettingField(
            key="VLLM_QUERY_PREFIX",
            label="Query prefix",
            kind="text",
            capability="embeddings",
            help="Put before a question that is embedded. Blank: what the model's card says; 'none': nothing.",
        ),
        SettingField(
            key="VLLM_PASSAGE_PREFIX",
            label="Passage prefix",
            kind="text",
            capability="embeddings",
            help="Put before a passage that is embedded. Blank: what the model's card says; 'none': nothing.",
        ),
        SettingField(
            key="VLLM_RERANK_BASE_URL",
            label="Rerank server address",
            kind="url",
            capability="rerank",
            help="A server of a cross-encoder; an embedding model only repeats its own order.",
        ),
        SettingField(key="VLLM_RERANK_MODEL", label="Rerank model", kind="model", capability="rerank"),
        *gateway_fields(_DETOUR, "vLLM"),
    ),
    endpoint=own_server(
        "vLLM",
        url="VLLM_BASE_URL",
        key="VLLM_API_KEY",
        embedding_url="VLLM_EMBEDDING_BASE_URL",
        rerank_url="VLLM_RERANK_BASE_URL",
        detour=_DETOUR,
    ),
    detour=_DETOUR,
    chat_model_key="VLLM_CHAT_MODEL",
    embedding_model_key="VLLM_EMBEDDING_MODEL",
    rerank_model_key="VLLM_RERANK_MODEL",
    query_prefix_key="VLLM_QUERY_PREFIX",
    passage_prefix_key="VLLM_PASSAGE_PREFIX",
    local=True,
    rank=0,
    server=ServerFacts(
        name="vLLM",
        version_path="/version",
        version=_version,
        tokenize_path="/tokenize",
        routes_by_get=True,
        neighbour_ports=(8000, 8001, 8100, 8101),
        continuation={"continue_final_message": True, "add_generation_prompt": False},
        waiting_metric="vllm:num_requests_waiting",
        running_metric="vllm:num_requests_running",
        cache_metric="vllm:kv_cache_usage_perc",
        latency_metric="vllm:time_to_first_token_seconds",
    ),
)
