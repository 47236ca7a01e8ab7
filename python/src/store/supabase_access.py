"""Whether SUPABASE_URL and SUPABASE_SERVICE_KEY can be what they have to be, before anything is sent."""

from __future__ import annotations

import base64
import binascii
import json
from ipaddress import ip_address
from urllib.parse import urlsplit

from src.errors import ConfigurationError, ErrorContext

URL_NAME = "SUPABASE_URL"
KEY_NAME = "SUPABASE_SERVICE_KEY"
SETUP_STEP = (
    "Run migration/complete_setup.sql in the SQL editor of your Supabase project, or"
    " `DATABASE_URL=<its connection string> archon migrate`; both can be run again."
)
_LOCAL_HOSTS = frozenset({"localhost", "host.docker.internal"})
_WHERE_THE_KEY_IS = (
    "Open Project Settings, API Keys in Supabase, copy the secret key (sb_secret_...) or the service_role key,"
    f" and set it as {KEY_NAME}."
)


def project_url(text: str) -> str:
    """The project's address without a slash at its end.

    Raises:
        ConfigurationError: it is no web address, or plain http to a host beyond this network.
    """
    url = urlsplit(text.strip())
    if url.scheme not in ("http", "https") or not url.hostname:
        raise _wrong(URL_NAME, f"{URL_NAME} is no web address.", "Set it to https://<project>.supabase.co.")
    if url.scheme == "http" and not _is_near(url.hostname):
        raise _wrong(
            URL_NAME,
            f"{URL_NAME} uses http for {url.hostname}: the service key would travel in the clear.",
            "Use https. Plain http is for this machine and private addresses only.",
        )
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}"


def service_key(text: str) -> str:
    """The key, when it is not one of those that may not write.

    Raises:
        ConfigurationError: it is an anon or publishable key, or another role's.
    """
    key = text.strip()
    if key.startswith("sb_publishable_"):
        raise _wrong(KEY_NAME, f"{KEY_NAME} is a publishable key: it may not write.", _WHERE_THE_KEY_IS)
    role = _role(key)
    if role in (None, "service_role"):
        return key
    why = "is an anon key: it may not write, and every visitor of a web page may have it" if role == "anon" else None
    raise _wrong(
        KEY_NAME, f"{KEY_NAME} {why or f'belongs to the role {role}, not to service_role'}.", _WHERE_THE_KEY_IS
    )


def _is_near(host: str) -> bool:
    name = host.lower().rstrip(".")
    if name in _LOCAL_HOSTS or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return not address.is_unspecified and (address.is_private or address.is_loopback or address.is_link_local)


def _role(key: str) -> str | None:
    """The role in a JWT; None where `key` is none: then the server judges it."""
    parts = key.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    role = claims.get("role") if isinstance(claims, dict) else None
    return str(role) if role else None


def _wrong(field: str, message: str, next_step: str) -> ConfigurationError:
    return ConfigurationError(message, next_step=next_step, context=ErrorContext(field=field))
