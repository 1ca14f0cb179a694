"""The simulation's loop: one seed, one interleaving, no real time, no threads."""

import asyncio

import pytest

from tests.simulation.loop import DeadlockError, SeededLoop, ThreadRefusedError


async def _interleaving() -> list[str]:
    seen: list[str] = []

    async def walk(name: str) -> None:
        for step in range(5):
            seen.append(f"{name}{step}")
            await asyncio.sleep(0 if step % 2 else 1)

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(walk(name))
    return seen


def _run(seed: int) -> list[str]:
    with asyncio.Runner(loop_factory=lambda: SeededLoop(seed)) as runner:
        return runner.run(_interleaving())


def test_a_seed_replays_its_interleaving() -> None:
    assert _run(7) == _run(7)


def test_seeds_differ_in_their_interleavings() -> None:
    assert len({tuple(_run(seed)) for seed in range(20)}) > 1


def test_a_day_passes_without_waiting() -> None:
    async def a_day() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(86_400):
                await asyncio.sleep(90_000)
        return loop.time() - began

    with asyncio.Runner(loop_factory=lambda: SeededLoop(0)) as runner:
        assert runner.run(a_day()) == pytest.approx(86_400)


def test_a_thread_is_refused() -> None:
    with (
        asyncio.Runner(loop_factory=lambda: SeededLoop(0)) as runner,
        pytest.raises(ThreadRefusedError),
    ):
        runner.run(asyncio.to_thread(print))


def test_waiting_for_what_never_comes_is_told() -> None:
    loop = SeededLoop(0)
    never = loop.create_future()
    try:
        with pytest.raises(DeadlockError):
            loop.run_until_complete(never)
    finally:
        loop.close()
