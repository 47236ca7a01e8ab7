"""The token, exchanged once for a cookie that scripts cannot read."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from src.config.access import COOKIE, SESSION_S
from src.errors import TokenRequired

from ..request_parts import Policy, answer

router = APIRouter()


class TokenBody(BaseModel):
    """What the sign-in form sends."""

    token: str = Field(min_length=1, max_length=4096)


@router.get("/api/session")
async def session(request: Request, policy: Policy) -> JSONResponse:
    """Whether a token is needed and whether this caller showed it."""
    shown = policy.authenticated(request.headers.get("authorization"), request.headers.get("cookie"))
    return answer({"required": policy.token is not None, "authenticated": shown})


@router.post("/api/session")
async def sign_in(body: TokenBody, request: Request, policy: Policy) -> JSONResponse:
    """Set the cookie. Raises TokenRequired for a wrong token."""
    required = policy.token is not None
    if required and not policy.matches(body.token.strip()):
        raise TokenRequired("That is not this server's token.")
    response = answer({"required": required, "authenticated": True})
    if required:
        response.set_cookie(
            COOKIE,
            policy.new_session(),
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return response
