"""Room on the disk of the embedded Postgres.

Where none is left, Postgres cannot write its log, goes down, and stays down: then nothing answers any more, neither
searches nor stored chats. So whatever fills the disk stops while there is room for that.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from src.errors import DiskFull


@dataclass(slots=True)
class DiskRoom:
    """The disk that `folder` lies on, of which `keep_bytes` are left free."""

    folder: Path
    keep_bytes: int

    def require(self) -> None:
        """See that there is more room than has to stay. Blocks for a moment.

        Raises:
            DiskFull: there is not.
        """
        free = shutil.disk_usage(self.folder).free
        if free < self.keep_bytes:
            raise DiskFull(
                f"The disk of {self.folder} has {free // 1_000_000} MB left, and {self.keep_bytes // 1_000_000} MB"
                " stay free, so that the database goes on answering."
            )
