"""Settings of the gateway."""

from typing import ClassVar

from pydantic import Field

from tertulia.kit.settings import Settings


class GatewaySettings(Settings):
    """Who gets in, and how often."""

    section: ClassVar[str] = "gateway"

    session_days: int = Field(default=30, ge=1, le=365)
    """How long a browser stays signed in."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    """The most that one session or token may ask for in a minute; unlimited when not set."""

    sign_ins_per_minute: int = Field(default=10, ge=1)
    """The most attempts at signing in, per address."""
