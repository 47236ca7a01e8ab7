"""The routes: one file per noun, each thin over a room."""

from . import health, session

ROUTERS = (health.router, session.router)
