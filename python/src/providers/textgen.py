"""text-generation-webui: its API listens on 5000 when it was started with --api, and answers with the loaded model.

Source: https://github.com/oobabooga/text-generation-webui/wiki/12-%E2%80%90-OpenAI-API (read 2026-11-21 in a copy).
`/v1/internal/model/info` answers `model_name` (as its clients read it, seen 2026-11-21); TabbyAPI answers `id` there.
"""

from src.errors import JsonValue
from src.inference.endpoints import own_server
from src.inference.provider import Provider, ServerFacts, ServerSign, SettingField


def _names_its_model(body: JsonValue) -> bool:
    return isinstance(body, dict) and "model_name" in body


PROVIDER = Provider(
    id="textgen",
    label="text-generation-webui",
    summary="Models on your own machine, run by text-generation-webui with --api.",
    docs_url="https://github.com/oobabooga/text-generation-webui/wiki",
    source="https://github.com/oobabooga/text-generation-webui/wiki/12-%E2%80%90-OpenAI-API (read 2026-11-21)",
    capabilities=frozenset({"chat", "completions", "embeddings"}),
    fields=(
        SettingField(
            key="TEXTGEN_BASE_URL",
            label="Server address",
            kind="url",
            required=True,
            placeholder="http://localhost:5000",
            help="The API's port, not the web page's; the server must run with --api.",
        ),
        SettingField(key="TEXTGEN_API_KEY", label="API key", kind="secret", help="Only if started with --api-key."),
        SettingField(key="TEXTGEN_CHAT_MODEL", label="Chat model", kind="model", capability="chat"),
        SettingField(key="TEXTGEN_EMBEDDING_MODEL", label="Embedding model", kind="model", capability="embeddings"),
        SettingField(key="TEXTGEN_QUERY_PREFIX", label="Query prefix", kind="text", capability="embeddings"),
        SettingField(key="TEXTGEN_PASSAGE_PREFIX", label="Passage prefix", kind="text", capability="embeddings"),
    ),
    endpoint=own_server("text-generation-webui", url="TEXTGEN_BASE_URL", key="TEXTGEN_API_KEY"),
    chat_model_key="TEXTGEN_CHAT_MODEL",
    embedding_model_key="TEXTGEN_EMBEDDING_MODEL",
    query_prefix_key="TEXTGEN_QUERY_PREFIX",
    passage_prefix_key="TEXTGEN_PASSAGE_PREFIX",
    local=True,
    rank=80,
    server=ServerFacts(
        name="text-generation-webui",
        neighbour_ports=(5000,),
        sign=ServerSign(path="/v1/internal/model/info", matches=_names_its_model),
    ),
)
