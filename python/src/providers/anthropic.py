"""Anthropic: Claude through its OpenAI-compatible endpoint; it has no embeddings, and lists models with its own header.

Source: https://platform.claude.com/docs/en/api/openai-sdk (read 2026-11-21). The list of models and its headers:
https://anthropic.mintlify.app/en/api/models-list (read 2026-11-21).
"""

from src.inference.endpoints import cloud
from src.inference.provider import ModelListing, Provider, SettingField


def _headers(key: str | None) -> dict[str, str]:
    return {"x-api-key": key or "", "anthropic-version": "2023-06-01"}


PROVIDER = Provider(
    id="anthropic",
    label="Anthropic",
    summary="Claude in Anthropic's cloud; for chat only.",
    docs_url="https://docs.anthropic.com/",
    source="https://platform.claude.com/docs/en/api/openai-sdk (read 2026-11-21)",
    capabilities=frozenset({"chat", "tools"}),
    fields=(
        SettingField(key="ANTHROPIC_API_KEY", label="API key", kind="secret", required=True, placeholder="sk-ant-…"),
        SettingField(key="MODEL_CHOICE", label="Chat model", kind="model", capability="chat"),
    ),
    endpoint=cloud("Anthropic", key="ANTHROPIC_API_KEY", base_url="https://api.anthropic.com/v1"),
    listing=ModelListing(url="https://api.anthropic.com/v1/models", headers=_headers),
    chat_model_key="MODEL_CHOICE",
    keeps_v1_wire=True,
    rank=40,
    default_chat_model="claude-3-5-haiku-20241022",
    default_embedding_model="text-embedding-3-small",
)
