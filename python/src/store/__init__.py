"""The database seam: the only room that knows tables."""
