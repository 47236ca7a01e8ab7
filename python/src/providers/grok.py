"""Grok: xAI's models; every one of them reasons, and there are no embeddings.

Source: https://docs.x.ai/api/integrations (read 2026-11-21). That its models reason is v1's rule, not re-read.
"""

from src.inference.endpoints import cloud
from src.inference.provider import ModelListing, Provider, SettingField

PROVIDER = Provider(
    id="grok",
    label="Grok",
    summary="xAI's models in their cloud; for chat only.",
    docs_url="https://docs.x.ai/",
    source="https://docs.x.ai/api/integrations (read 2026-11-21)",
    capabilities=frozenset({"chat", "tools"}),
    fields=(
        SettingField(key="GROK_API_KEY", label="API key", kind="secret", required=True, placeholder="xai-…"),
        SettingField(key="MODEL_CHOICE", label="Chat model", kind="model", capability="chat"),
    ),
    endpoint=cloud("Grok", key="GROK_API_KEY", base_url="https://api.x.ai/v1"),
    listing=ModelListing(url="https://api.x.ai/v1/models"),
    chat_model_key="MODEL_CHOICE",
    keeps_v1_wire=True,
    rank=60,
    default_chat_model="grok-3-mini",
    default_embedding_model="text-embedding-3-small",
    reasoning_models=("grok",),
)
