"""When the server dies: a schedule of kills at random moments and at every named crash point."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """One kill. With a `point` the process kills itself when it gets there for the `nth` time;
    else it is killed `starting_s` after its start, or once `turns` more were acknowledged."""

    point: str | None = None
    nth: int = 1
    turns: int = 0
    starting_s: float | None = None
    pause_s: float = 0.0


def schedule(
    kills: int, points: Sequence[str], turns_apart: int, chance: random.Random
) -> list[Death]:
    """As many deaths as asked, every crash point among them at least once and half of them at
    crash points; one in ten random ones hits a server that is still starting."""
    rounds = max(1, kills // 2 // max(1, len(points)))
    deaths = [
        Death(point=point, nth=chance.randint(1, 1 + turn))
        for turn in range(rounds)
        for point in points
    ]
    deaths += list(_random_deaths(kills - len(deaths), turns_apart, chance))
    chance.shuffle(deaths)
    return deaths


def _random_deaths(count: int, turns_apart: int, chance: random.Random) -> Iterator[Death]:
    for _ in range(count):
        if chance.random() < 0.1:
            yield Death(starting_s=chance.uniform(0.05, 0.8))
        else:
            turns = chance.randint(0, 2 * turns_apart)
            yield Death(turns=turns, pause_s=chance.uniform(0, 0.5))
