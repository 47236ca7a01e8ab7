"""How long a text is: estimated by what was counted, by kind of script, and by the model's own tokenizer only."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from src.config import hub_cache, load_environment
from src.inference.embed import build_embedder
from src.inference.local_tokenizer import own_tokenizer, tokenizer_file
from src.inference.provider import Endpoint
from src.inference.token_counts import TokenEstimate
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, Reply, model_row

HERE, ELSEWHERE = (
    Endpoint(base_url="http://127.0.0.1:8000/v1", api_key=None),
    Endpoint(base_url="http://gpu-box:8000/v1", api_key=None),
)
LATIN, CYRILLIC, CHINESE = "plain words " * 100, "простые слова " * 100, "简单的词语" * 200


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A model's folder whose tokenizer counts words, and would cut texts at four of them."""
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    tokenizer.enable_truncation(4)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@pytest.mark.parametrize(("text", "tokens"), [(LATIN, 300), (CYRILLIC, 900), (CHINESE, 700)])
def test_each_script_is_learned_from_what_was_counted(text: str, tokens: int) -> None:
    estimate = TokenEstimate()
    estimate.learn([text], tokens + 2, 2)
    assert tokens <= estimate.tokens(text) <= tokens * 1.2


def test_what_one_script_taught_does_not_change_another() -> None:
    estimate, fresh = TokenEstimate(), TokenEstimate()
    estimate.learn([CYRILLIC], 300, 0)
    assert estimate.tokens(CHINESE) == fresh.tokens(CHINESE)
    assert estimate.tokens(LATIN) == fresh.tokens(LATIN)


def test_before_anything_was_counted_an_estimate_is_careful() -> None:
    assert TokenEstimate().tokens(CHINESE) >= 2 * len(CHINESE)
    assert TokenEstimate().tokens("\ud83d" * 10 + "🚀" * 10) >= 30


async def test_a_server_that_cannot_count_is_helped_by_the_models_own_tokenizer(
    server: ModelServer, model_folder: Path
) -> None:
    server.on("/tokenize", Reply(404, {"detail": "Not Found"}))
    server.on("/v1/models", Reply(body={"data": [{**model_row("m", 20), "root": str(model_folder)}]}))
    embedder = build_embedder(chosen("embedding", VLLM_BASE_URL=server.url))
    assert await embedder.count_tokens(["word " * 19, "word " * 30]) == [19, 30]
    outcomes = await embedder.embed_passages(["word " * 19, "word " * 30])
    assert [type(one.error).__name__ for one in outcomes] == ["NoneType", "ContextTooLong"]
    assert [request.json()["input"] for request in server.asked("/v1/embeddings")] == [["word " * 19]]


def test_a_folder_is_the_servers_own_only_on_this_machine(model_folder: Path, tmp_path: Path) -> None:
    assert tokenizer_file(str(model_folder), HERE, tmp_path) == model_folder / "tokenizer.json"
    assert tokenizer_file(str(model_folder), ELSEWHERE, tmp_path) is None
    assert tokenizer_file(str(model_folder / "nothing"), HERE, tmp_path) is None
    assert tokenizer_file("models/relative-to-the-server/deep", HERE, tmp_path) is None
    assert tokenizer_file(None, HERE, tmp_path) is None


def fetched(hub: Path, tokenizer: str) -> Path:
    """The tokenizer of org/name as the hub's library keeps it in `hub`."""
    snapshot = hub / "models--org--name" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "tokenizer.json").write_text(tokenizer)
    (hub / "models--org--name" / "refs").mkdir()
    (hub / "models--org--name" / "refs" / "main").write_text("abc\n")
    return snapshot


def test_a_repository_is_found_in_the_hubs_cache_by_its_whole_name(tmp_path: Path) -> None:
    snapshot = fetched(tmp_path, "{}")
    assert tokenizer_file("org/name", ELSEWHERE, tmp_path) == snapshot / "tokenizer.json"
    assert tokenizer_file("org/name-v2", ELSEWHERE, tmp_path) is None


async def test_the_hubs_cache_is_looked_for_where_the_environment_says(
    server: ModelServer, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(tmp_path / "hub", (model_folder / "tokenizer.json").read_text())
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    server.on("/tokenize", Reply(404, {"detail": "Not Found"}))
    server.on("/v1/models", Reply(body={"data": [{**model_row("m", 20), "root": "org/name"}]}))
    assert await build_embedder(chosen("embedding", VLLM_BASE_URL=server.url)).count_tokens(["word " * 30]) == [30]


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({}, "~/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        ({"HF_HOME": "/h", "XDG_CACHE_HOME": "/c"}, "/h/hub"),
        ({"HF_HUB_CACHE": "~/models", "HF_HOME": "/h"}, "~/models"),
    ],
)
def test_the_hubs_cache_is_where_its_own_library_has_it(values: dict[str, str], place: str) -> None:
    assert hub_cache(load_environment(values)) == Path(place).expanduser()


async def test_a_damaged_tokenizer_is_no_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    assert await own_tokenizer(str(tmp_path), HERE, tmp_path) is None
