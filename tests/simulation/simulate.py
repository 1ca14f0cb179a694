"""One seed from its beginning to its verdict."""

import asyncio
import gc
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from tests.simulation.database import template
from tests.simulation.determinism import pinned
from tests.simulation.lives import numbered_tasks
from tests.simulation.loop import SeededLoop
from tests.simulation.people import BrokenPromiseError, Person, hold
from tests.simulation.verdict import at_rest, handed_over, judge
from tests.simulation.weather import Climate, Trace, Weather
from tests.simulation.world import Mutations, World

HEALED_S: Final = 60.0
"""How long after the last fault everything must be at rest."""
STORM_S: Final = (5.0, 40.0)
LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """`failure` is empty when every promise was kept."""

    seed: int
    digest: str
    failure: str
    virtual_s: float
    healed_s: float
    """From the last fault to rest."""
    turns: int
    deaths: int
    handed_over: int
    """How often a worker left a reply to another."""
    ends: tuple[str, ...]
    """The final states of replies."""


def simulate(
    seed: int,
    *,
    show: Callable[[str], None] | None = None,
    mutations: Mutations | None = None,
    climate: Climate | None = None,
) -> Outcome:
    """Run one seed; the same seed always gives the same outcome, to the last digit."""
    template()
    loop = SeededLoop(seed)
    loop.set_task_factory(numbered_tasks())
    with pinned(seed, loop.time), asyncio.Runner(loop_factory=lambda: loop) as runner:
        outcome = runner.run(
            _Run(Weather(seed, Trace(show), climate), seed, mutations or Mutations()).run()
        )
    gc.collect(1)
    return outcome


class _Run:
    def __init__(self, weather: Weather, seed: int, mutations: Mutations) -> None:
        self._seed = seed
        self._trace = weather.trace
        self._weather = weather
        self._mutations = mutations
        self._healed_s = 0.0

    async def run(self) -> Outcome:
        world = World(self._seed, self._weather, self._mutations)
        people = [Person(f"person-{n}", world, self._seed) for n in range(world.dice.randint(1, 2))]
        for person in people:
            world.database.add_person(person.name)
        running = asyncio.create_task(world.run())
        failure = ""
        try:
            async with asyncio.TaskGroup() as group:
                following = [group.create_task(person.follow()) for person in people]
                living = [group.create_task(person.live()) for person in people]
                await asyncio.sleep(world.dice.uniform(*STORM_S))
                self._weather.clear()
                await self._rest(world, people, living)
                await judge(world, people)
                for task in following:
                    task.cancel()
        except* BrokenPromiseError as broken:
            failure = "; ".join(str(each) for each in _leaves(broken))
        except* Exception as error:  # noqa: BLE001  whatever it is, the seed is told with it
            failure = "".join(traceback.format_exception(error))
        failure = "\n".join([*filter(None, [failure]), *world.failures])
        self._trace.note("verdict", failure or "every promise was kept")
        outcome = self._outcome(world, people, failure)
        running.cancel()
        await asyncio.wait({running})
        return outcome

    async def _rest(
        self, world: World, people: list[Person], living: list[asyncio.Task[None]]
    ) -> None:
        loop = asyncio.get_running_loop()
        cleared = loop.time()
        while True:
            await asyncio.sleep(LOOK_S)
            busy = sum(not task.done() for task in living)
            moving = await at_rest(world, people) or (f"{busy} people wait" if busy else "")
            self._healed_s = loop.time() - cleared
            if not moving:
                return
            hold(self._healed_s < HEALED_S, f"everything heals: {moving}")

    def _outcome(self, world: World, people: list[Person], failure: str) -> Outcome:
        states = world.database.rows(
            "SELECT status FROM messages WHERE author = 'assistant' ORDER BY conversation_id, seq"
        )
        return Outcome(
            seed=self._seed,
            digest=self._trace.digest,
            failure=failure,
            virtual_s=asyncio.get_running_loop().time(),
            healed_s=self._healed_s,
            turns=sum(len(talk.said) for person in people for talk in person.talks),
            deaths=sum(process.deaths for process in world.processes),
            handed_over=len(handed_over(world)),
            ends=tuple(status for (status,) in states),
        )


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    group = cast("BaseExceptionGroup[BaseException]", error)
    return [leaf for each in group.exceptions for leaf in _leaves(each)]
