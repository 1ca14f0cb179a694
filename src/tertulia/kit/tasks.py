"""Awaiting what must not break off in the middle, and what serves beside other work."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@asynccontextmanager
async def beside(*work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run coroutines that serve for ever while the body runs. One that fails ends the body, and
    comes out in an ExceptionGroup; what the body raises comes out as it is."""
    failed: Exception | None = None
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
        try:
            yield
        except Exception as error:  # noqa: BLE001  raised below, out of the group
            failed = error
        finally:
            for task in tasks:
                task.cancel()
    if failed is not None:
        raise failed


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end; a cancellation that comes meanwhile is raised after it, with what
    `work` raised as its cause."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError as cancelled:
        await asyncio.wait({task})
        if task.cancelled():
            raise
        raise cancelled from task.exception()
