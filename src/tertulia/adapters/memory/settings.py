"""How much memory the process's own ports may take."""

from typing import ClassVar

from pydantic import Field

from tertulia.kit.settings import Settings

MIB = 1024 * 1024


class MemorySettings(Settings):
    """Bounds of what is kept in memory."""

    section: ClassVar[str] = "memory"

    recent_turns_bytes: int = Field(default=64 * MIB, ge=MIB)
    """Recent turns of all conversations together."""

    recent_turns_messages: int = Field(default=200, ge=2)
    """Messages kept per conversation; what the model is shown never goes further back."""

    token_stream_bytes: int = Field(default=64 * MIB, ge=MIB)
    """Texts of replies on their way out, all together."""

    token_stream_kept_s: float = Field(default=120.0, ge=0)
    """How long a reply that ended stays at hand for readers who come back."""
