"""What one client connection may cost, and what a request that goes past it is told."""

from __future__ import annotations

from dataclasses import dataclass

from src.errors import InvalidInput

from .config import Limits


@dataclass(frozen=True, slots=True)
class FrontLimits:
    """What one client may cost. Bytes and seconds."""

    head_bytes: int = 32 * 1024
    body_bytes: int = 32 * 1024 * 1024
    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 75.0
    write_s: float = 120.0


def front_limits(limits: Limits) -> FrontLimits:
    """What the configuration allows one client."""
    return FrontLimits(
        head_bytes=limits.head_bytes,
        body_bytes=limits.body_bytes,
        head_s=limits.head_s,
        body_s=limits.body_s,
        idle_s=limits.idle_s,
        write_s=limits.unread_s,
    )


class Malformed(InvalidInput):
    """The bytes are no HTTP request that can be answered."""

    code = "malformed_request"
    http_status = 400
    default_next_step = "Send HTTP/1.1 with a JSON body."


class HeadTooLarge(InvalidInput):
    """Request line and headers are over the limit."""

    code = "headers_too_large"
    http_status = 431
    default_next_step = "Send fewer or shorter headers."


class TooSlow(InvalidInput):
    """The request did not arrive in time."""

    code = "request_timeout"
    http_status = 408
    default_next_step = "Send the whole request at once."
