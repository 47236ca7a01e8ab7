from __future__ import annotations

from typing import TYPE_CHECKING

from .ask import Ask

if TYPE_CHECKING:
    from .fleet import Route
    from .streams import StreamRelay


class Healing:
    @classmethod
    def of(cls, ask: Ask, route: Route) -> Healing | None:
        return None

    def asks_for(self) -> dict[str, object]:
        return {}

    def take(self, events: bytes) -> bytes:
        return events

    async def go_on(self, stream: StreamRelay) -> bool:
        return False
