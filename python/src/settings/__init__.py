"""What is chosen, by whom and from where: typed, decrypted, frozen values over the store."""

from .catalog import CONTEXTS_AT_ONCE, CONTEXTS_WANTED, PROVIDER_KEYS, Catalog
from .overview import FirstRun, ModelDiscovery, Overview, ServiceState
from .secret_key import KeyFile
from .secrets import Rotation, SecretBox, rotate
from .service import SettingsService
from .values import Notice, SettingValue, Snapshot

__all__ = [
    "CONTEXTS_AT_ONCE",
    "CONTEXTS_WANTED",
    "PROVIDER_KEYS",
    "Catalog",
    "FirstRun",
    "KeyFile",
    "ModelDiscovery",
    "Notice",
    "Overview",
    "Rotation",
    "SecretBox",
    "ServiceState",
    "SettingValue",
    "SettingsService",
    "Snapshot",
    "rotate",
]
