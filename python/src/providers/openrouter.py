"""OpenRouter: many vendors behind one key; names carry the vendor, and its list of models is open without a key.

Source: https://openrouter.ai/docs/quick-start (read 2026-11-21). It offers embeddings too by now; Archon v1 used it
for chat only, and that is kept.
"""

from src.inference.endpoints import cloud
from src.inference.provider import ModelListing, Provider, SettingField

PROVIDER = Provider(
    id="openrouter",
    label="OpenRouter",
    summary="Models of many vendors behind one key; for chat only.",
    docs_url="https://openrouter.ai/docs",
    source="https://openrouter.ai/docs/quick-start (read 2026-11-21)",
    capabilities=frozenset({"chat", "tools"}),
    fields=(
        SettingField(key="OPENROUTER_API_KEY", label="API key", kind="secret", required=True, placeholder="sk-or-…"),
        SettingField(key="MODEL_CHOICE", label="Chat model", kind="model", capability="chat"),
    ),
    endpoint=cloud("OpenRouter", key="OPENROUTER_API_KEY", base_url="https://openrouter.ai/api/v1"),
    listing=ModelListing(url="https://openrouter.ai/api/v1/models"),
    chat_model_key="MODEL_CHOICE",
    keeps_v1_wire=True,
    rank=50,
    default_chat_model="anthropic/claude-3.5-sonnet",
    default_embedding_model="text-embedding-3-small",
    reasoning_models=("gpt-5", "o1", "o3", "o4", "grok", "deepseek-r"),
)
