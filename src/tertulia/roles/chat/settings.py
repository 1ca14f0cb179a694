"""Settings of the chat role."""

from typing import ClassVar

from pydantic import Field

from tertulia.kit.settings import Settings


class ChatSettings(Settings):
    """What a turn may be, and how live connections are kept."""

    section: ClassVar[str] = "chat"

    max_message_bytes: int = Field(default=1024 * 1024, ge=1)
    """The longest message of a person, in bytes of UTF-8; a longer one is answered 413."""

    turns_per_minute: int | None = Field(default=None, ge=1)
    """The most replies that one person may ask for in a minute; unlimited when not set."""

    heartbeat_s: float = Field(default=15.0, gt=0)
    """How often a quiet stream or socket is written to, so that proxies keep it open."""

    answer_timeout_s: float = Field(default=600.0, gt=0)
    """How long `/chat/message` waits for the answer."""
