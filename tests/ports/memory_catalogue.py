"""A ModelCatalogue that has nothing but names."""

from collections.abc import Sequence

from tertulia.ports.chat_model import ModelNotFoundError
from tertulia.ports.model_catalogue import CatalogueEntry


class MemoryCatalogue:
    """The ModelCatalogue of a test."""

    def __init__(self) -> None:
        self.entries = {
            name: CatalogueEntry(
                name=name,
                licence="Apache-2.0",
                size_bytes=1,
                memory_bytes=1,
                window_tokens=1,
                state="absent",
            )
            for name in ("small", "large")
        }
        self.pulled: list[str] = []
        self.used: list[str] = []

    async def list(self) -> Sequence[CatalogueEntry]:
        return list(self.entries.values())

    async def pull(self, name: str) -> None:
        self._check(name)
        self.pulled.append(name)

    async def use(self, name: str) -> None:
        self._check(name)
        self.used.append(name)

    async def remove(self, name: str) -> None:
        self._check(name)
        del self.entries[name]

    def _check(self, name: str) -> None:
        if name not in self.entries:
            raise ModelNotFoundError
