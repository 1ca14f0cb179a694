"""The catalogue of models that can be had for the embedded runtime."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """`state`: absent, pulling (see `done_bytes`), verifying, present, in_use; failed says why in
    `problem`. `available`: whether memory and disk allow it here."""

    name: str
    licence: str
    size_bytes: int
    memory_bytes: int
    window_tokens: int
    state: Literal["absent", "pulling", "verifying", "present", "in_use", "failed"]
    done_bytes: int = 0
    problem: str | None = None
    available: bool = True


class ModelCatalogue(Protocol):
    """Pulled files are verified by SHA-256 before use; a broken-off pull resumes."""

    async def list(self) -> Sequence[CatalogueEntry]: ...

    async def pull(self, name: str) -> None:
        """Start pulling (and use it once verified); returns at once. Pulling twice is pulling
        once. ModelNotFoundError for an unknown name."""
        ...

    async def use(self, name: str) -> None:
        """New turns go to this model; ModelNotFoundError when it is not present."""
        ...

    async def remove(self, name: str) -> None: ...
