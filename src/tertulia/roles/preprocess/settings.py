"""How messages are labelled and routed."""

from typing import ClassVar

from pydantic import Field

from tertulia.kit.settings import Settings


class PreprocessSettings(Settings):
    """Thresholds and pauses of preprocessing."""

    section: ClassVar[str] = "preprocess"

    concurrency: int = Field(default=64, ge=1)
    """Turns that are prepared at once."""

    language_confidence: float = Field(default=0.5, ge=0, le=1)
    """Below this, a message has no language: no label is better than a wrong one."""

    count_timeout_s: float = Field(default=2.0, gt=0)
    """How long the model may take to count tokens before they are estimated."""

    no_worker_s: float = Field(default=0.25, gt=0)
    """Pause until a turn is tried again that finds no worker."""
