"""How much one request may bring along, in bytes."""

from __future__ import annotations

MAX_FILE_BYTES = 50_000_000
"""One uploaded file."""

MAX_UPLOAD_BODY = MAX_FILE_BYTES + 1_000_000
"""The form around it: names, tags, boundaries."""

MAX_JSON_BODY = 2_000_000
