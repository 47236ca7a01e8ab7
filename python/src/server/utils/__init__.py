"""Names that code written for Archon v1 imports from here."""

from ..services.client_manager import get_supabase_client

__all__ = ["get_supabase_client"]
