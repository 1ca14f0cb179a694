"""Settings of the gateway."""

from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from tertulia.kit.settings import Settings


def _origin(url: str) -> str:
    parts = urlsplit(url)
    bare = not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    if url and not (parts.scheme in {"http", "https"} and parts.hostname and bare):
        msg = "should be http:// or https:// and a host, such as https://chat.example.org"
        raise ValueError(msg)
    return url.rstrip("/")


class GatewaySettings(Settings):
    """Who gets in, and how often."""

    section: ClassVar[str] = "gateway"

    public_url: Annotated[str, AfterValidator(_origin)] = ""
    """Where people open this installation, such as `https://chat.example.org`, when that is not
    `address`: behind a proxy, or with roles apart. Links to sign in begin with it."""

    session_days: int = Field(default=30, ge=1, le=365)
    """How long a browser stays signed in."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    """The most that one session or token may ask for in a minute; unlimited when not set."""

    sign_ins_per_minute: int = Field(default=10, ge=1)
    """The most attempts at signing in, per address."""
