"""The one place that writes the process environment: for other code that Archon v1 gave its settings this way."""

from __future__ import annotations

import os
from collections.abc import Mapping


def export_values(values: Mapping[str, str]) -> None:
    """Set environment variables of this process; Archon itself never reads them back."""
    os.environ.update(values)
