"""Settings as Archon v1's code asks for them: one value, one category, the active provider.

The names here are a public seam: other code imports and replaces them. What is chosen and how secrets are sealed is
decided in `src.settings`; this module gives it v1's shapes. A database that does not answer is an error here, never
an empty value.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

import structlog

from src.config import Environment, load_environment
from src.config.export import export_values
from src.errors import ErrorContext, StoreUnavailable
from src.inference.provider import Endpoint, Provider, Service, secret_field
from src.settings import PROVIDER_KEYS, SecretBox, SettingsService, Snapshot, v1_cipher

from . import active_provider
from .credential_values import CachedValue, Cipher, CredentialItem, as_text, cache_of, category_of, items_of
from .outcome import outcome
from .problems import UnreadableKey
from .settings_tables import SettingsTables
from .table_calls import TableClient, rows, sealed_secrets, setting_rows

if TYPE_CHECKING:
    from supabase import Client, create_client

__all__ = [
    "Client",
    "CredentialItem",
    "CredentialService",
    "create_client",
    "credential_service",
    "get_credential",
    "initialize_credentials",
    "set_credential",
]

_TABLE = "archon_settings"
_RAG = "rag_strategy"
_EXPORTED = (
    *("OPENAI_API_KEY", "HOST", "PORT", "MCP_TRANSPORT", "LOGFIRE_ENABLED", "PROJECTS_ENABLED", "GOOGLE_API_KEY"),
    *("LLM_PROVIDER", "LLM_BASE_URL", "EMBEDDING_MODEL", "MODEL_CHOICE"),
)
"""Settings that v1 copied into the environment at its start."""

_log = structlog.get_logger("archon.server.credentials")


def __getattr__(name: str) -> object:
    """`Client` and `create_client` as if imported; Supabase's package is loaded only where they are asked for."""
    if name not in ("Client", "create_client"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import supabase

    return getattr(supabase, name)


class CredentialService:
    """Reads and writes settings. Caches are written only after the database said yes."""

    def __init__(self) -> None:
        self._cache: dict[str, CachedValue] = {}
        self._cache_initialized = False
        self._cache_loaded_at: float | None = None
        self._rag_settings_cache: dict[str, CachedValue] | None = None
        self._rag_cache_timestamp: float | None = None
        self._rag_cache_ttl = 300
        self._settings: SettingsService | None = None
        self._supabase: tuple[object, TableClient] | None = None
        self._listeners: list[Callable[[], None]] = []
        self._unreadable: set[str] = set()

    def attach(self, settings: SettingsService) -> None:
        """Use the database, the secret key and the environment of `settings`; each forgets when the other saves."""
        self._settings = settings
        settings.on_saved(self.forget)
        settings.on_saved(self._announce)
        self.forget()

    def detach(self) -> None:
        """Go back to what the environment names; for processes that take their rooms down."""
        self._settings = None
        self.forget()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` when a setting was saved or removed."""
        self._listeners.append(listener)

    def forget(self) -> None:
        """Read the database again at the next question."""
        self._cache.clear()
        self._cache_initialized = False
        self._cache_loaded_at = None
        self._forget_rag()

    async def load_all_credentials(self) -> dict[str, CachedValue]:
        """Read every setting into the cache: secrets as ciphertexts, all else as plain values. Raises StoreError."""
        client = self._get_supabase_client()
        found = setting_rows(await rows(client.table(_TABLE).select("*")))
        sealed = sealed_secrets(await rows(client.rpc("archon_secrets_list", {})))
        self._cache = await asyncio.to_thread(cache_of, found, sealed, self._cipher())
        self._cache_initialized = True
        self._cache_loaded_at = time.monotonic()
        self._unreadable.clear()
        return self._cache

    async def get_credential(self, key: str, default: object = None, decrypt: bool = True) -> object:
        """The value of `key`: the database's, else the environment's for settings of providers, else `default`.

        A secret that cannot be opened gives `default`, which is logged. Raises StoreError.
        """
        await self._ensure_cache()
        value = self._cache.get(key)
        if isinstance(value, dict) and value.get("is_encrypted"):
            return await self._opened(key, value.get("encrypted_value"), default) if decrypt else value
        if value is not None and value != "":
            return value
        from_environment = self._from_environment(key)
        if from_environment is not None:
            return from_environment
        return value if key in self._cache else default

    async def get_encrypted_credential_raw(self, key: str) -> str | None:
        """The ciphertext of `key` (v1's kind), None where it is no secret. Raises StoreError."""
        await self._ensure_cache()
        value = self._cache.get(key)
        found = value.get("encrypted_value") if isinstance(value, dict) else None
        return found if isinstance(found, str) else None

    async def set_credential(
        self,
        key: str,
        value: object,
        is_encrypted: bool = False,
        category: str | None = None,
        description: str | None = None,
    ) -> bool:
        """Store one setting; a secret is sealed with our own key in a table of its own. True, or it raises.

        Raises:
            StoreError, DiskFull: the former value is still in force, in the database and in the caches.
            ConfigurationError: the secret key cannot be made or read.
        """
        await self._ensure_cache()
        text = as_text(value)
        described = {"category": category, "description": description}
        row: dict[str, object] = {"key": key, "value": None if is_encrypted else text, "is_encrypted": is_encrypted}
        row.update({name: given for name, given in described.items() if given is not None})
        # v1's ciphertext is made for the cache: other code gives `_cache[key]["encrypted_value"]` to `_decrypt_value`.
        cached: CachedValue = text
        if is_encrypted and text:
            cached = {"encrypted_value": self._encrypt_value(text), "is_encrypted": True, **described}
        client = self._get_supabase_client()
        await rows(client.table(_TABLE).upsert(row, on_conflict="key"))
        if is_encrypted or isinstance(self._cache.get(key), dict):
            sealed = await asyncio.to_thread(self._box().seal, key, text) if is_encrypted and text else None
            await rows(client.rpc("archon_secrets_put", {"key": key, "sealed": sealed}))
        self._cache[key] = cached
        self._changed(key)
        return True

    async def delete_credential(self, key: str) -> bool:
        """Remove one setting and its secret. True, also when there was none. Raises StoreError."""
        await rows(self._get_supabase_client().table(_TABLE).delete().eq("key", key))
        self._cache.pop(key, None)
        self._changed(key)
        return True

    async def get_credentials_by_category(self, category: str) -> dict[str, CachedValue]:
        """The settings of `category`; a secret shows only a marker. `rag_strategy` is kept for 300 s.

        Raises:
            StoreError: the database did not answer; never an empty dict instead.
        """
        if category == _RAG and self._rag_settings_cache is not None and self._rag_is_fresh():
            return self._rag_settings_cache
        client = self._get_supabase_client()
        found = category_of(setting_rows(await rows(client.table(_TABLE).select("*").eq("category", category))))
        if category == _RAG:
            self._rag_settings_cache = found
            self._rag_cache_timestamp = time.time()
        return found

    async def list_all_credentials(self) -> list[CredentialItem]:
        """Every stored setting; a secret shows only a marker. Raises StoreError."""
        client = self._get_supabase_client()
        found = setting_rows(await rows(client.table(_TABLE).select("*")))
        return items_of(found, sealed_secrets(await rows(client.rpc("archon_secrets_list", {}))))

    def get_config_as_env_dict(self) -> dict[str, str]:
        """The plain values of the cache by key, secrets left out."""
        return {key: value or "" for key, value in self._cache.items() if not isinstance(value, dict)}

    async def get_active_provider(self, service_type: str = "llm") -> dict[str, str | None]:
        """`{provider, api_key, base_url, chat_model, embedding_model}` for "llm" or "embedding"; '' is no model.

        Raises:
            ConfigurationError (a ValueError too): an unknown provider, or one without a value that it needs.
            StoreError: the database did not answer.
        """
        service: Service = "embedding" if service_type == "embedding" else "llm"
        settings = await self.get_credentials_by_category(_RAG)
        provider = active_provider.chosen(self._snapshot(settings), service)
        api_key = await self._key_in_use(provider, service, settings)
        base_url = (
            self._get_provider_base_url(provider.id, settings)
            if provider.keeps_v1_wire
            else self._get_provider_base_url(provider.id, settings, service)
        )
        snapshot = self._snapshot(settings)
        models = {
            "llm": active_provider.model_setting(provider, snapshot, "llm", settings),
            "embedding": active_provider.model_setting(provider, snapshot, "embedding", settings),
        }
        if not models[service] and not provider.keeps_v1_wire:
            endpoint = Endpoint(base_url=base_url, api_key=api_key or None)
            models[service] = await active_provider.served_model(provider, endpoint, service)
        return {
            "provider": provider.id,
            "api_key": api_key,
            "base_url": base_url,
            "chat_model": models["llm"],
            "embedding_model": models["embedding"],
        }

    async def set_active_provider(self, provider: str, service_type: str = "llm") -> bool:
        """Choose `provider` for "llm" or "embedding". Raises as `set_credential` does."""
        key = PROVIDER_KEYS["embedding" if service_type == "embedding" else "llm"]
        return await self.set_credential(key, provider, category=_RAG, description=f"Provider for {service_type}")

    async def _key_in_use(self, provider: Provider, service: Service, settings: Mapping[str, object]) -> str | None:
        """The key that goes to the address in use; that of the gateway where requests take it and it has one."""
        field = secret_field(provider, service, self._snapshot(settings).in_force())
        if field is not None and field != secret_field(provider):
            key = await self.get_credential(field.key)
            if isinstance(key, str) and key.strip():
                return key
        return await self._get_provider_api_key(provider.id)

    async def _get_provider_api_key(self, provider: str) -> str | None:
        found = active_provider.find(provider)
        if found is None:
            return None
        field = secret_field(found)
        if field is None:
            return active_provider.keyless_key(found)
        key = await self.get_credential(field.key)
        if key is None and field.key in self._unreadable:
            raise UnreadableKey(
                f"{field.key} is stored but cannot be opened with the present secret key.",
                context=ErrorContext(field=field.key, provider=provider),
            )
        return key if isinstance(key, str) else None

    def _get_provider_base_url(
        self, provider: str, settings: Mapping[str, object], service: Service = "llm"
    ) -> str | None:
        found = active_provider.find(provider)
        return None if found is None else active_provider.base_url_of(found, self._snapshot(settings), service)

    def setting(self, key: str, settings: Mapping[str, object]) -> str | None:
        """The value in force of a provider's plain setting, given the `rag_strategy` settings."""
        return self._snapshot(settings).text(key)

    def _snapshot(self, settings: object) -> Snapshot:
        given = settings if isinstance(settings, Mapping) else {}
        return active_provider.snapshot_of(self._environment(), given, self._cache)

    def _get_supabase_client(self) -> TableClient:
        if self._settings is not None:
            return cast(TableClient, SettingsTables(self._settings.database))
        environment = load_environment()
        url, key = environment.supabase_url, environment.supabase_service_key
        if not url or not key:
            raise StoreUnavailable(
                "No database is connected: neither the server's own nor SUPABASE_URL with SUPABASE_SERVICE_KEY.",
                next_step="Start Archon with `make up`, or set both variables.",
            )
        from .credential_service import create_client  # by its name, since it may have been replaced

        identity = (create_client, url, key)
        if self._supabase is None or self._supabase[0] != identity:
            self._supabase = (identity, cast(TableClient, create_client(url, key)))
        return self._supabase[1]

    def _get_encryption_key(self) -> bytes:
        return v1_cipher.fernet_key(self._environment().supabase_service_key)

    def _encrypt_value(self, value: str) -> str:
        return v1_cipher.encrypt(value, self._environment().supabase_service_key)

    def _decrypt_value(self, encrypted_value: str) -> str:
        return v1_cipher.decrypt(encrypted_value, self._environment().supabase_service_key)

    def _environment(self) -> Environment:
        return self._settings.environment if self._settings is not None else load_environment()

    def _box(self) -> SecretBox:
        if self._settings is not None:
            return self._settings.secrets
        environment = self._environment()
        return SecretBox.of(environment.secret_key, environment.data_dir)

    def _cipher(self) -> Cipher:
        return Cipher(self._box(), self._encrypt_value)

    async def _ensure_cache(self) -> None:
        loaded_at = self._cache_loaded_at
        is_old = loaded_at is not None and time.monotonic() - loaded_at >= self._rag_cache_ttl
        if not self._cache_initialized or is_old:
            await self.load_all_credentials()

    async def _opened(self, key: str, ciphertext: object, default: object) -> object:
        if not isinstance(ciphertext, str) or not ciphertext:
            return default
        # In a thread: deriving v1's key takes 19 ms.
        opened = await outcome(asyncio.to_thread(self._decrypt_value, ciphertext))
        if not isinstance(opened, Exception):
            return opened
        self._unreadable.add(key)
        _log.warning("secret_must_be_entered_again", key=key, reason=str(opened))
        return default

    def _from_environment(self, key: str) -> str | None:
        declared = active_provider.declared_keys()
        return self._environment().get(key) if key in declared else None

    def _rag_is_fresh(self) -> bool:
        stamp = self._rag_cache_timestamp
        return stamp is not None and time.time() - stamp < self._rag_cache_ttl

    def _forget_rag(self) -> None:
        self._rag_settings_cache = None
        self._rag_cache_timestamp = None

    def _changed(self, key: str) -> None:
        self._unreadable.discard(key)
        self._forget_rag()
        self._announce()

    def _announce(self) -> None:
        if self._settings is not None:
            self._settings.forget()
        for listener in self._listeners:
            listener()


credential_service = CredentialService()
"""The one of this process."""


async def get_credential(key: str, default: object = None) -> object:
    """The value of one setting. Raises StoreError."""
    return await credential_service.get_credential(key, default)


async def set_credential(
    key: str,
    value: object,
    is_encrypted: bool = False,
    category: str | None = None,
    description: str | None = None,
) -> bool:
    """Store one setting. Raises StoreError, ConfigurationError."""
    return await credential_service.set_credential(key, value, is_encrypted, category, description)


async def initialize_credentials() -> None:
    """Read all settings, and give those that v1 kept in the environment to code that looks there. Raises StoreError."""
    await credential_service.load_all_credentials()
    values = {name: await credential_service.get_credential(name) for name in _EXPORTED}
    export_values({name: value for name, value in values.items() if isinstance(value, str) and value})
