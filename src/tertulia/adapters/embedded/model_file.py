"""A model on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A model on disk that may be used. `window_tokens` is what it was trained on, if known;
    `sampling` are its makers' recommendations in llama.cpp's terms."""

    name: str
    path: Path
    memory_bytes: int
    window_tokens: int | None = None
    sampling: Mapping[str, float] = field(default_factory=dict[str, float])
