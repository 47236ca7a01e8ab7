"""Which store the environment names, and how it is opened: DATABASE_URL, else Supabase, else the embedded Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from src.config import REPOSITORY, Environment
from src.errors import ConfigurationError, ErrorContext, StoreUnavailable, redact_url

from .database import Database
from .disk_room import DiskRoom
from .embedded import EmbeddedPostgres
from .migrate import Migration, SchemaState, migrate, schema_state_at
from .migrate_rest import require_schema, schema_state_of
from .postgres import PostgresDatabase
from .supabase_access import KEY_NAME, URL_NAME

MIGRATIONS = REPOSITORY / "migration"
Kind: TypeAlias = Literal["embedded", "postgres", "supabase"]


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A store by its address. `url` is Postgres's or the Supabase project's; None for the embedded one."""

    kind: Kind
    folder: Path
    url: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)

    @property
    def embedded(self) -> EmbeddedPostgres | None:
        """The cluster that is ours to start; None where the store is elsewhere."""
        return EmbeddedPostgres(self.folder) if self.kind == "embedded" else None

    def room(self, keep_bytes: int) -> DiskRoom | None:
        """The disk of the embedded one; None where the store is elsewhere, on a disk that is not ours to measure."""
        return DiskRoom(self.folder, keep_bytes) if self.kind == "embedded" else None

    @property
    def shown(self) -> str:
        """Where it is, without secrets."""
        return f"data in {self.folder}" if self.url is None else redact_url(self.url)

    @property
    def variable(self) -> str:
        """The environment variable that names a store like this one."""
        return URL_NAME if self.kind == "supabase" else "DATABASE_URL"

    def started(self) -> StorePlace:
        """This place with a server behind it: starts the embedded one. Blocks. Raises StoreUnavailable, DiskFull."""
        cluster = self.embedded
        return self if cluster is None else StorePlace(self.kind, self.folder, cluster.start())

    def running(self) -> StorePlace:
        """This place, when its server is not ours or runs already.

        Raises:
            StoreUnavailable: the embedded Postgres does not run; it is not started here.
        """
        cluster = self.embedded
        if cluster is not None and not cluster.is_running():
            raise StoreUnavailable("The embedded Postgres does not run.", next_step="Run `make up`, then this again.")
        return self.started()

    async def open(self) -> Database:
        """A connected database; the embedded one must have been started.

        Raises:
            StoreUnavailable: nothing answers there, or it refuses the key or password.
            ConfigurationError: the address or the key cannot be used.
            MigrationNeeded: a Supabase project lacks our functions.
        """
        if self.kind == "supabase":
            # Here, since loading its client takes a tenth of the start, and most stores are not Supabase.
            from .supabase import SupabaseDatabase

            return await SupabaseDatabase.connect(self.url or "", self.key or "")
        return await PostgresDatabase.connect(self.url or "", kind=self.kind)

    async def bring_up_to_date(self, folder: Path = MIGRATIONS) -> Sequence[Migration]:
        """Apply what is pending; through Supabase's REST face nothing can be applied, so there it is only looked.

        Raises:
            StoreUnavailable, ConfigurationError: as `open` does.
            MigrationNeeded: the store is newer than this program, or somebody has to run the setup by hand.
            StoreError: a migration failed; nothing of it was kept.
        """
        if self.kind != "supabase":
            return await migrate(self.url or "", folder)
        async with self.opened() as database:
            await require_schema(database, folder)
        return ()

    async def schema_state(self, folder: Path = MIGRATIONS) -> SchemaState:
        """What is applied and what is pending. Raises as `open` does."""
        if self.kind != "supabase":
            return await schema_state_at(self.url or "", folder)
        async with self.opened() as database:
            return await schema_state_of(database, folder)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Database]:
        """A database for a while. Raises as `open` does."""
        database = await self.open()
        try:
            yield database
        finally:
            await database.close()


def place_of(environment: Environment) -> StorePlace:
    """The place that the environment names.

    Raises:
        ConfigurationError: SUPABASE_URL stands without its key.
    """
    folder = environment.data_dir / "postgres"
    if environment.database_url:
        return StorePlace("postgres", folder, environment.database_url)
    if not environment.supabase_url:
        return StorePlace("embedded", folder)
    if not environment.supabase_service_key:
        raise ConfigurationError(
            f"{URL_NAME} is set, but {KEY_NAME} is not.",
            next_step=f"Set {KEY_NAME} to the project's secret or service_role key, or take {URL_NAME} away.",
            context=ErrorContext(field=KEY_NAME),
        )
    return StorePlace("supabase", folder, environment.supabase_url, environment.supabase_service_key)


def place_at(url: str, environment: Environment) -> StorePlace:
    """The place at an address that a person gave; Supabase's key comes from the environment.

    Raises:
        ConfigurationError: it is neither a Postgres nor a web address, or the key is not set.
    """
    folder = environment.data_dir / "postgres"
    if url.startswith(("postgresql://", "postgres://")):
        return StorePlace("postgres", folder, url)
    if not url.startswith(("https://", "http://")):
        raise ConfigurationError(
            "That is no address of a store.", next_step="Name postgresql://... or https://<project>.supabase.co."
        )
    if not environment.supabase_service_key:
        raise ConfigurationError(
            f"{KEY_NAME} is not set.",
            next_step=f"Set {KEY_NAME} to the secret or service_role key of that project.",
            context=ErrorContext(field=KEY_NAME),
        )
    return StorePlace("supabase", folder, url, environment.supabase_service_key)


@asynccontextmanager
async def open_store(environment: Environment) -> AsyncIterator[tuple[Database, Sequence[Migration]]]:
    """The store of `environment`, up to date, with what was applied for that; the embedded one started where needed.

    Raises:
        StoreUnavailable, MigrationNeeded, ConfigurationError, StoreError: it cannot be used.
    """
    place = place_of(environment)
    cluster = place.embedded
    starts_it = cluster is not None and not cluster.is_running()
    try:
        reachable = await asyncio.to_thread(place.started)
        applied = await reachable.bring_up_to_date()
        async with reachable.opened() as database:
            yield database, applied
    finally:
        # Whoever started it stops it: `archon up` starts it before the server and keeps it.
        if cluster is not None and starts_it:
            await asyncio.to_thread(cluster.stop)
