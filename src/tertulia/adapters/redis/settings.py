"""Where Redis is, and how much it may hold."""

from typing import ClassVar

from pydantic import Field

from tertulia.kit.settings import Settings

MIB = 1024 * 1024


class RedisSettings(Settings):
    """What processes share beside the store: leases, recent turns, token streams, rate limits and
    signals. All of it can be lost at any time."""

    section: ClassVar[str] = "redis"

    url: str = Field(default="", pattern=r"^$|^(rediss?|unix)://.+")
    """`redis://[USER:PASSWORD@]HOST:PORT/DATABASE`, `rediss://` with TLS, `unix://PATH`; empty
    keeps all of it in the memory of the one process."""

    prefix: str = Field(default="tertulia", pattern=r"^[A-Za-z0-9_.-]{1,32}$")
    """What every key and channel begins with; another one for each installation."""

    timeout_s: float = Field(default=1.0, gt=0, le=60)
    """How long to wait for an answer before Redis counts as away."""

    recent_turns_bytes: int = Field(default=256 * MIB, ge=MIB)
    """Recent turns of all conversations together."""

    recent_turns_kept_s: float = Field(default=3600.0, ge=1)
    """How long a conversation's recent turns stay after their last use."""

    token_stream_bytes: int = Field(default=256 * MIB, ge=MIB)
    """Texts of replies on their way out, all together."""

    token_stream_kept_s: float = Field(default=120.0, ge=1)
    """How long a reply that ended stays at hand for readers who come back."""
