"""Settings of the HTTP listener."""

from typing import ClassVar

from pydantic import Field

from tertulia.kit.settings import Settings


class HttpSettings(Settings):
    """How requests are taken."""

    section: ClassVar[str] = "http"

    max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """The largest request body; a larger one is answered 413."""

    send_timeout_s: float = Field(default=30.0, gt=0)
    """A reader of a stream or socket that takes nothing for so long is disconnected."""

    drain_s: int = Field(default=10, ge=1, le=20)
    """How long open requests may take to finish when the process stops."""

    drain_delay_s: float = Field(default=0.0, ge=0, le=8)
    """How long requests are still taken when the process is told to stop, while `/ready` answers
    503 already: so long as load balancers take to notice. 0 behind none."""

    idle_s: float = Field(default=0.0, ge=0, le=8)
    """How long connections on which nothing is asked are kept when the process stops: so long as
    clients take to ask again, who find another process then. Who asks in the very moment in which
    a connection is closed has to ask again. Not longer than `drain_s`, of which it is a part."""

    access_log: bool = True
    """Log a line for each request (ids, status and duration, never content)."""
