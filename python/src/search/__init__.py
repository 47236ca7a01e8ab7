"""Finding passages: vector and keyword candidates fused by rank, as chunks or as pages."""
