"""The ModelCatalogue over the shelf of this machine and the sources that fill it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Literal

from tertulia.adapters.embedded import machine
from tertulia.adapters.embedded.entries import Entry
from tertulia.adapters.embedded.model_file import ModelFile
from tertulia.adapters.embedded.pulling import Pull, check_room, part_of
from tertulia.adapters.embedded.shelf import Shelf
from tertulia.adapters.embedded.source import OpenSources, size_of
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.chat_model import ModelNotFoundError
from tertulia.ports.model_catalogue import CatalogueEntry

UPGRADE_MEMORY_BYTES: Final = 4_000_000_000
"""Free memory from which a larger model is pulled unasked."""
LOOK_S: Final = 2.0
"""Between two looks at the folder: another process may pull, choose or remove."""


class OwnFileError(TertuliaError):
    """This model is a file of your own: remove it yourself."""

    code = "model_is_own"
    kind = Kind.CONFLICT


class FileCatalogue:
    """Opening it reads a few small files; pulls go on until it is closed, and resume later."""

    def __init__(self, shelf: Shelf, open_sources: OpenSources) -> None:
        self.shelf = shelf
        self._open_sources = open_sources
        self._pulls: dict[str, Pull] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` on the loop whenever another model is in use or other ones are there."""
        self._listeners.append(listener)

    async def list(self) -> Sequence[CatalogueEntry]:
        """See the port. The user's own files come last."""
        entries = [self._describe(entry) for entry in self.shelf.entries.values()]
        own = [m for m in self.shelf.present() if m.name not in self.shelf.entries]
        return [*entries, *(self._describe_own(model) for model in own)]

    async def pull(self, name: str) -> None:
        """See the port. The first model of all is no choice: a better one may take over."""
        self._start(name, choose=self.shelf.in_use() is not None)

    async def use(self, name: str) -> None:
        """See the port."""
        if self.shelf.find(name) is None:
            known = name in self.shelf.entries
            told = f"There is no {name} here yet: pull it first." if known else None
            raise ModelNotFoundError(told, model=name)
        await asyncio.to_thread(self.shelf.choose, name)
        self._tell()

    async def remove(self, name: str) -> None:
        """See the port. A pull under way is given up. OwnFileError for the user's own file."""
        task = self._tasks.get(name)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._pulls.pop(name, None)
        found = self.shelf.find(name)
        entry = self.shelf.entries.get(name)
        if found is None and (entry is None or not size_of(part_of(entry, self.shelf.directory))):
            raise ModelNotFoundError(model=name)
        if entry is None or (found is not None and found.path != self.shelf.path_of(entry)):
            raise OwnFileError(model=name)
        await asyncio.to_thread(self.shelf.remove, name)
        self._tell()

    async def keep(self, *, every_s: float = LOOK_S) -> None:
        """Look after the shelf until cancelled."""
        while True:
            changed = await asyncio.to_thread(self.look)
            if changed:
                self._tell()
            await asyncio.sleep(every_s)

    def look(self) -> bool:
        """Verify files that were put there by hand, and notice what other processes did; whether
        something is different now. Reads whole files: not for the event loop."""
        changed = self.shelf.scan()
        for entry, path in self.shelf.unverified:
            self.shelf.verify(entry, path)
            changed = self.shelf.scan() or changed
        return changed

    def upgrade(self) -> None:
        """Pull the best model that this machine can have, unless somebody made a choice."""
        if self.shelf.is_chosen():
            return
        best = list(self.shelf.entries.values())[-1]
        in_use = self.shelf.in_use()
        if in_use is None or in_use.name == best.name:
            return
        if machine.free_memory_bytes() < max(UPGRADE_MEMORY_BYTES, best.memory_bytes):
            return
        try:
            check_room(best, self.shelf.directory)
        except TertuliaError:
            return
        self._start(best.name, choose=False)

    async def settled(self) -> None:
        """Returns when nothing is being pulled any more."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def close(self) -> None:
        """Break off what is being pulled; it resumes with the next pull."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, name: str, *, choose: bool) -> None:
        entry = self.shelf.entries.get(name)
        if entry is None:
            raise ModelNotFoundError(model=name)
        if name not in self._tasks:
            pull = self._pulls[name] = Pull(entry, self.shelf, self._open_sources)
            task = self._tasks[name] = asyncio.create_task(self._run(pull, choose=choose))
            task.add_done_callback(lambda _: self._tasks.pop(name, None))

    async def _run(self, pull: Pull, *, choose: bool) -> None:
        if await pull.run():
            if choose:
                await asyncio.to_thread(self.shelf.choose, pull.entry.name)
            else:
                await asyncio.to_thread(self.shelf.scan)
            self._pulls.pop(pull.entry.name, None)
            self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _describe(self, entry: Entry) -> CatalogueEntry:
        pull = self._pulls.get(entry.name)
        wrong = self.shelf.wrong.get(entry.name)
        state, done, problem = "absent", size_of(part_of(entry, self.shelf.directory)), wrong
        if self.shelf.find(entry.name) is not None:
            state, done, problem = self._state_of(entry.name), entry.size_bytes, None
        elif pull is not None and pull.state != "done":
            state, done, problem = pull.state, pull.done_bytes, pull.problem
        elif any(unverified is entry for unverified, _ in self.shelf.unverified):
            state, done = "verifying", entry.size_bytes
        elif wrong:
            state = "failed"
        return CatalogueEntry(
            name=entry.name,
            licence=entry.licence,
            size_bytes=entry.size_bytes,
            memory_bytes=entry.memory_bytes,
            window_tokens=entry.window_tokens,
            state=state,
            done_bytes=done,
            problem=problem,
            available=state in {"present", "in_use"} or self._is_available(entry),
        )

    def _describe_own(self, model: ModelFile) -> CatalogueEntry:
        size = size_of(model.path)
        return CatalogueEntry(
            name=model.name,
            licence="your own file",
            size_bytes=size,
            memory_bytes=model.memory_bytes,
            window_tokens=model.window_tokens or 0,
            state=self._state_of(model.name),
            done_bytes=size,
        )

    def _state_of(self, name: str) -> Literal["present", "in_use"]:
        in_use = self.shelf.in_use()
        return "in_use" if in_use is not None and in_use.name == name else "present"

    def _is_available(self, entry: Entry) -> bool:
        try:
            check_room(entry, self.shelf.directory)
        except TertuliaError:
            return False
        return True
