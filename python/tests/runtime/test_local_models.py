"""What the server can know of the local vLLM while it warms up."""

from pathlib import Path

from src.config.local_models import LocalModelServer, local_model_servers


def test_a_started_server_is_warming_until_it_has_answered(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "vllm-chat.json").write_text('{"port": 8101}')
    (run / "vllm-embeddings.json").write_text('{"port": 8100}')
    (run / "vllm-embeddings.warm").write_text("")
    assert local_model_servers(tmp_path) == (
        LocalModelServer("chat", "http://127.0.0.1:8101", False),
        LocalModelServer("embeddings", "http://127.0.0.1:8100", True),
    )


def test_without_local_servers_there_are_none(tmp_path: Path) -> None:
    assert local_model_servers(tmp_path) == ()
