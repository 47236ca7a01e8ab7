"""Tenth: a provider of another package, as an example; nothing of Archon names it.

Source: https://tenth.example/docs (read 2026-11-21); there is no such server.
"""

from src.inference.endpoints import own_server
from src.inference.provider import Provider, ServerFacts, SettingField

PROVIDER = Provider(
    id="tenth",
    label="Tenth",
    summary="A server that only this example has.",
    docs_url="https://tenth.example/",
    source="https://tenth.example/docs (read 2026-11-21)",
    capabilities=frozenset({"chat", "embeddings"}),
    fields=(
        SettingField(
            key="TENTH_URL", label="Server address", kind="url", required=True, placeholder="http://localhost:1010"
        ),
        SettingField(key="TENTH_KEY", label="API key", kind="secret"),
        SettingField(key="TENTH_CHAT_MODEL", label="Chat model", kind="model", capability="chat"),
        SettingField(key="TENTH_EMBEDDING_MODEL", label="Embedding model", kind="model", capability="embeddings"),
    ),
    endpoint=own_server("Tenth", url="TENTH_URL", key="TENTH_KEY"),
    chat_model_key="TENTH_CHAT_MODEL",
    embedding_model_key="TENTH_EMBEDDING_MODEL",
    local=True,
    server=ServerFacts(name="Tenth"),
)
