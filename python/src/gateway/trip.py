"""One request on its way through the gateway: what is known of it when it is logged and counted."""

from __future__ import annotations

from dataclasses import dataclass, field

from src.errors import ArchonError
from src.inference.connection import RawHeaders, Reply
from src.inference.models import Outcome

from .ask import Ask
from .front import Request
from .server import Envoy, Server
from .verdict import Verdict


@dataclass(slots=True)
class Trip:
    """Times are the loop's clock, in seconds. `upstream` and `provider` are who answered, '' when nobody did."""

    request: Request = field(repr=False)
    ask: Ask
    request_id: str
    envoy: Envoy = field(repr=False)
    started: float
    ends_by: float
    affinity: bytes | None = None
    model: str = ""
    upstream: str = ""
    provider: str = ""
    attempts: int = 0
    first_byte_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    outcome: Outcome | None = None
    finish_reason: str = ""
    heals: int = 0
    context_full: bool = False
    error: ArchonError | None = None

    def own_headers(self) -> RawHeaders:
        """What the gateway adds to an answer."""
        headers = [(b"x-request-id", self.request_id.encode()), (b"x-archon-upstream", self.upstream.encode())]
        if self.provider:
            headers.append((b"x-archon-provider", self.provider.encode()))
        return headers


class AttemptFailed(Exception):
    """A server did not answer as it should, and the client has not seen a byte of it."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.error.message)
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer that has come whole, and from where."""

    server: Server
    reply: Reply = field(repr=False)
    content: bytes = field(repr=False)
