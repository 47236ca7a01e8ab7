"""Archon v1 taken over in place."""
