"""Processes that die: a life is what one start of a process has in memory."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Final, TypeVar

T = TypeVar("T")

REAP_S: Final = 0.01
_LIFE: ContextVar["Life | None"] = ContextVar("life", default=None)


class Life:
    """From a start to the next crash. Every task that is made within it belongs to it."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self.alive = True
        self._tasks: list[asyncio.Task[Any]] = []

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` within this life."""
        return self.within(lambda: asyncio.get_running_loop().create_task(work))

    def within(self, do: Callable[[], T]) -> T:
        """Whatever tasks `do` makes are of this life."""
        before = _LIFE.set(self)
        try:
            return do()
        finally:
            _LIFE.reset(before)

    def owns(self, task: asyncio.Task[Any]) -> None:
        self._tasks.append(task)

    def check(self) -> None:
        """Called by each port, before and after it does something: the dead do nothing, whatever
        their code would still do on its way out."""
        if not self.alive:
            raise asyncio.CancelledError

    async def end(self) -> None:
        """As `kill -9`: from this moment nothing of it reaches a port."""
        self.alive = False
        while left := [task for task in self._tasks if not task.done()]:
            for task in left:
                task.cancel()
            await asyncio.sleep(REAP_S)
        for task in self._tasks:
            if not task.cancelled():
                task.exception()  # nobody is to be told of what the dead met
        self._tasks.clear()


def register(task: asyncio.Task[Any]) -> None:
    """Note a new task with the life in which it was made."""
    life = _LIFE.get()
    if life is not None:
        life.owns(task)


def numbered_tasks() -> Callable[..., asyncio.Task[Any]]:
    """A task factory whose tasks have hashes by number. Sets of tasks, which asyncio keeps, are
    then walked in the same order in every run; addresses in memory are not the same."""
    made = 0

    class NumberedTask(asyncio.Task[Any]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            nonlocal made
            made += 1
            self._number = made
            super().__init__(*args, **kwargs)

        def __hash__(self) -> int:
            return self._number

    def make(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **kwargs: Any
    ) -> asyncio.Task[Any]:
        task = NumberedTask(work, loop=loop, **kwargs)
        register(task)
        return task

    return make
