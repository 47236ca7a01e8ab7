"""What benches run on: an empty migrated database of their own, and the model servers of the environment."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from _measure import REPOSITORY

from src.cli.local_vllm.roles import CHAT, EMBEDDINGS, Role
from src.cli.local_vllm.servers import LocalVllmServers
from src.cli.ports import free_port
from src.config import load_environment
from src.inference.pool import close_pool
from src.inference.provider import ActiveProvider, Service, url_field
from src.inference.registry import load_registry
from src.server.services.credential_service import credential_service
from src.settings import PROVIDER_KEYS, SecretBox, SettingsService
from src.store.embedded import EmbeddedPostgres
from src.store.migrate import migrate
from src.store.postgres import PostgresDatabase

_NAMED = {CHAT.name: "ARCHON_TEST_CHAT_URL", EMBEDDINGS.name: "ARCHON_TEST_EMBEDDING_URL"}


@contextmanager
def database_url() -> Iterator[str]:
    """URL of a migrated, empty embedded Postgres with the product's own settings; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="archon-bench-"))
    folder.chmod(0o711)
    cluster = EmbeddedPostgres(folder / "postgres")
    try:
        url = cluster.start()
        asyncio.run(migrate(url, REPOSITORY / "migration"))
        yield url
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def model_servers(*roles: Role) -> Iterator[dict[str, str]]:
    """Addresses by role name, without /v1: those named in the environment, else local servers started for this."""
    named = {role.name: os.environ[_NAMED[role.name]] for role in roles if os.environ.get(_NAMED[role.name])}
    missing = [role for role in roles if role.name not in named]
    folder = Path(tempfile.mkdtemp(prefix="archon-bench-vllm-"))
    servers = LocalVllmServers(folder, load_environment(), {role.name: free_port() for role in missing})
    try:
        for role in missing:
            servers.start(role)
        if missing:
            servers.wait_all(missing)
        yield named | {role.name: servers.address(role) for role in missing}
    finally:
        if missing:
            servers.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


def active(url: str, service: Service) -> ActiveProvider:
    """The provider of one's own vLLM servers, pointed at `url`."""
    provider = load_registry().get("vllm")
    values = {"VLLM_BASE_URL": url}
    return ActiveProvider(
        provider=provider, service=service, endpoint=provider.endpoint(values, service), model=None, values=values
    )


@asynccontextmanager
async def chosen_servers(database: str, url: str) -> AsyncIterator[None]:
    """v1's seams over the database at `database`, with one's own server at `url` chosen for chat and embeddings."""
    registry = load_registry()
    provider = next(one for one in registry.all() if one.local and not one.keeps_v1_wire)
    address = url_field(provider, "llm")
    assert address is not None
    chosen = {PROVIDER_KEYS["llm"]: provider.id, PROVIDER_KEYS["embedding"]: provider.id, address.key: url}
    connected = await PostgresDatabase.connect(database)
    with tempfile.TemporaryDirectory() as folder:
        environment = load_environment({**chosen, "ARCHON_DATA_DIR": folder})
        secrets = SecretBox.of(environment.secret_key, environment.data_dir)
        credential_service.attach(SettingsService(connected, secrets, environment, registry))
        try:
            yield
        finally:
            credential_service.detach()
            await close_pool()
            await connected.close()
