"""Supabase's client for code written for Archon v1."""

from __future__ import annotations

from supabase import Client, create_client

from src.config import load_environment
from src.errors import ErrorContext

from .problems import UnusableSetting


def get_supabase_client() -> Client:
    """A new blocking client for SUPABASE_URL and SUPABASE_SERVICE_KEY.

    Raises:
        ConfigurationError (a ValueError too): one of the two is not set.
    """
    environment = load_environment()
    url, key = environment.supabase_url, environment.supabase_service_key
    if not url or not key:
        raise UnusableSetting(
            "SUPABASE_URL and SUPABASE_SERVICE_KEY must be set in environment variables",
            next_step="Set both, or use the functions of src.store, which work with every database.",
            context=ErrorContext(field="SUPABASE_SERVICE_KEY" if url else "SUPABASE_URL"),
        )
    return create_client(url, key)
