"""Where models come from, as the catalogue sees it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from tertulia.adapters.embedded.entries import Entry
from tertulia.kit.errors import Kind, TertuliaError

Progress = Callable[[int], None]
"""Told how many bytes of the model there are by now."""


class SourceError(TertuliaError):
    """A source of models does not give the file."""

    code = "model_source_failed"
    kind = Kind.UPSTREAM


class Source(Protocol):
    """`fetch` completes the file `part`, which may hold its beginning already. Every source gives
    the same bytes, so one goes on where another broke off. SourceError, or a file that is not
    yet checked."""

    name: str

    async def fetch(self, entry: Entry, part: Path, progress: Progress) -> None: ...


OpenSources = Callable[[], AbstractAsyncContextManager[Sequence[Source]]]
"""Opens the sources for one pull, in the order in which they are asked."""


def size_of(path: Path) -> int:
    """Bytes in a file; 0 when there is none, or none that can be seen."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
