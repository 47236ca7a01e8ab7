"""The only reader of environment variables: one typed, frozen `Environment` for every process."""

from .environment import (
    Environment,
    hub_cache,
    keep_free_bytes,
    load_environment,
    public_mcp_url,
    reachable,
    server_address,
    system_environment,
)
from .places import REPOSITORY, default_data_dir

__all__ = [
    "REPOSITORY",
    "Environment",
    "default_data_dir",
    "hub_cache",
    "keep_free_bytes",
    "load_environment",
    "public_mcp_url",
    "reachable",
    "server_address",
    "system_environment",
]
