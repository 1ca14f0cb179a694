"""Who dies when: a schedule of kills at random moments and at named crash points."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PROCESS: Final = "process"
CRASH_WAIT_S: Final = 20.0
"""How long a named crash point may keep the campaign waiting before its process is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """One kill, of a process of the product or of the server of that section.

    With a `point` a process kills itself when it gets there for the `nth` time; else it is killed
    `starting_s` after its start, or once `turns` more were acknowledged. A server is away for
    `pause_s`; every other death of Redis (`nth` 1) only empties it.
    """

    victim: str = PROCESS
    point: str | None = None
    nth: int = 1
    turns: int = 0
    starting_s: float | None = None
    pause_s: float = 0.0


def schedule(
    kills: int,
    points: Sequence[str],
    turns_apart: int,
    chance: random.Random,
    servers: Mapping[str, int] | None = None,
) -> list[Death]:
    """As many deaths as asked, each of `points` among them at least once and half of them there;
    one in ten random ones hits a process that is still starting. `servers`: how often each of
    these dies, beside `kills`."""
    rounds = max(1, kills // 2 // max(1, len(points)))
    deaths = [
        Death(point=point, nth=chance.randint(1, 1 + turn))
        for turn in range(rounds)
        for point in points
    ]
    deaths += list(_random_deaths(kills - len(deaths), turns_apart, chance))
    deaths += [
        Death(
            victim=server,
            nth=1 + number % 2,
            turns=chance.randint(0, 2 * turns_apart),
            pause_s=chance.uniform(0, 2),
        )
        for server, count in (servers or {}).items()
        for number in range(count)
    ]
    chance.shuffle(deaths)
    return deaths


def volley(due: list[Death], most: int) -> list[Death]:
    """Take from `due` what dies together: any processes, and no server twice."""
    together: list[Death] = []
    for death in tuple(due):
        servers = {each.victim for each in together} - {PROCESS}
        if len(together) < most and death.victim not in servers:
            together.append(death)
            due.remove(death)
    return together


def _random_deaths(count: int, turns_apart: int, chance: random.Random) -> Iterator[Death]:
    for _ in range(count):
        if chance.random() < 0.1:
            yield Death(starting_s=chance.uniform(0.05, 0.8))
        else:
            turns = chance.randint(0, 2 * turns_apart)
            yield Death(turns=turns, pause_s=chance.uniform(0, 0.5))
