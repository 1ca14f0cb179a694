"""State machines (Hypothesis) over a store that lives on an event loop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tertulia.ports.store import Tx
from tests.ports.stores import World

T = TypeVar("T")


class StoreMachine(RuleBasedStateMachine):
    """Rules run in a thread of their own; `read` and `write` wait for the store's loop."""

    world: ClassVar[World]
    loop: ClassVar[asyncio.AbstractEventLoop]

    def write(self, work: Callable[[Tx], T]) -> T:
        return self._on_loop(self.world.store.write(work))

    def read(self, work: Callable[[Tx], T]) -> T:
        return self._on_loop(self.world.store.read(work))

    def _on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)


async def run_machine(kind: type[StoreMachine], world: World, *, examples: int, steps: int) -> None:
    """All examples share the store, so a machine keeps to users or topics of its own."""
    kind.world, kind.loop = world, asyncio.get_running_loop()
    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    await asyncio.to_thread(run_state_machine_as_test, kind, settings=limits)
