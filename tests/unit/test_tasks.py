"""Awaiting what must not break off in the middle."""

import asyncio
import gc

from tertulia.kit.tasks import uninterrupted


async def test_work_that_fails_while_it_is_cancelled_is_the_cause_and_no_stray_exception() -> None:
    strays: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: strays.append(context))
    begun, go_on = asyncio.Event(), asyncio.Event()
    causes: list[str] = []

    async def work() -> None:
        begun.set()
        await go_on.wait()
        raise ValueError

    async def caller() -> None:
        try:
            await uninterrupted(work())
        except asyncio.CancelledError as cancelled:
            causes.append(type(cancelled.__cause__).__name__)
            raise

    calling = asyncio.create_task(caller())
    await begun.wait()
    calling.cancel()
    go_on.set()
    await asyncio.wait({calling})
    assert calling.cancelled()
    assert causes == ["ValueError"]
    del calling
    gc.collect()
    assert strays == []
