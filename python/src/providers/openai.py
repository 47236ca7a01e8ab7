"""OpenAI: the API that all others imitate; only `text-embedding-3-*` take `dimensions`.

Source: https://developers.openai.com/api/docs/guides/embeddings (read 2026-11-21). Vector sizes as printed in
https://developers.llamaindex.ai/python/framework/integrations/embeddings/openai/ (read 2026-11-21).
"""

from src.inference.endpoints import cloud
from src.inference.provider import KnownEmbeddingModel, ModelListing, Provider, SettingField

PROVIDER = Provider(
    id="openai",
    label="OpenAI",
    summary="OpenAI's models in their cloud.",
    docs_url="https://platform.openai.com/docs/",
    source="https://developers.openai.com/api/docs/guides/embeddings (read 2026-11-21)",
    capabilities=frozenset({"chat", "completions", "embeddings", "tools"}),
    fields=(
        SettingField(key="OPENAI_API_KEY", label="API key", kind="secret", required=True, placeholder="sk-…"),
        SettingField(key="MODEL_CHOICE", label="Chat model", kind="model", capability="chat"),
        SettingField(key="EMBEDDING_MODEL", label="Embedding model", kind="model", capability="embeddings"),
    ),
    endpoint=cloud("OpenAI", key="OPENAI_API_KEY", base_url=None),
    listing=ModelListing(url="https://api.openai.com/v1/models"),
    chat_model_key="MODEL_CHOICE",
    embedding_model_key="EMBEDDING_MODEL",
    keeps_v1_wire=True,
    default_for=frozenset({"llm", "embedding"}),
    fallback_without_key="ollama",
    rank=10,
    default_chat_model="gpt-4o-mini",
    default_embedding_model="text-embedding-3-small",
    chat_models=("gpt-4o-mini", "gpt-4o", "gpt-4.1-nano", "gpt-4.1-mini", "gpt-4.1"),
    embedding_models=(
        KnownEmbeddingModel(
            name="text-embedding-3-small", dimensions=1536, max_tokens=8192, dimension_choices=(512, 1024, 1536)
        ),
        KnownEmbeddingModel(
            name="text-embedding-3-large", dimensions=3072, max_tokens=8192, dimension_choices=(256, 1024, 1536, 3072)
        ),
        KnownEmbeddingModel(name="text-embedding-ada-002", dimensions=1536, max_tokens=8192),
    ),
    reasoning_models=("gpt-5", "o1", "o3", "o4"),
)
