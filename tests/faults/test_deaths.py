"""The campaign kills whom it says."""

import random
from collections import Counter

from tests.faults.nothing_lost.deaths import PROCESS, Death, schedule, volley

POINTS = ("chat.after_turn_commit", "relay.after_carry")
SERVERS = {"store": 2, "redis": 5}


def scheduled() -> list[Death]:
    return schedule(12, POINTS, 10, random.Random(1), SERVERS)  # noqa: S311  reproducible


def test_every_point_and_server_gets_its_deaths() -> None:
    deaths = scheduled()
    victims = Counter(death.victim for death in deaths)
    assert victims == {PROCESS: 12, **SERVERS}
    assert Counter(death.point for death in deaths if death.point) == dict.fromkeys(POINTS, 3)


def test_together_die_any_processes_but_no_server_twice() -> None:
    due = scheduled()
    expected = Counter(due)
    seen = Counter[Death]()
    while due:
        together = volley(due, 3)
        servers = [death.victim for death in together if death.victim != PROCESS]
        assert len(servers) == len(set(servers))
        assert 1 <= len(together) <= 3
        seen.update(together)
    assert seen == expected
