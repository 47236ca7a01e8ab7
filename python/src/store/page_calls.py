"""What an ingest asks for every page, many at once.

Over a REST face those that wait go together, since a round trip is dear there. Straight to Postgres some connections
are kept from them, so that a person's search does not stand behind hundreds of pages.
"""

from __future__ import annotations

PAGE_CALLS = frozenset(
    {
        "archon_page_save_whole",
        "archon_page_keep",
        "archon_page_known",
        "archon_page_vectors",
        "archon_frontier_add",
        "archon_frontier_settle",
    }
)
