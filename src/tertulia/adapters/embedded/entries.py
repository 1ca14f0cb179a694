"""The entries of the catalogue, as they stand in catalogue.toml."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from tertulia.adapters.embedded.model_file import ModelFile


class HubPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a Hugging Face repository."""

    repository: str
    file: str


class IndexPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file carried by `parts` wheels, each but the last holding `part_bytes` of it."""

    project: str
    version: str
    member: str
    parts: int
    part_bytes: int


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model that can be had."""

    name: str
    file: str
    licence: str
    size_bytes: int
    memory_bytes: int
    window_tokens: int
    sha256: str
    sampling: Mapping[str, float] = {}
    hub: HubPlace | None = None
    index: IndexPlace | None = None

    def at(self, path: Path) -> ModelFile:
        """The model, now that its file lies at `path`."""
        return ModelFile(
            name=self.name,
            path=path,
            memory_bytes=self.memory_bytes,
            window_tokens=self.window_tokens,
            sampling=self.sampling,
        )


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    model: list[Entry]


@cache
def built_in() -> tuple[Entry, ...]:
    """The catalogue of the package, from small to large."""
    text = Path(__file__).with_name("catalogue.toml").read_text("utf-8")
    return tuple(msgspec.convert(tomllib.loads(text), _Document).model)
