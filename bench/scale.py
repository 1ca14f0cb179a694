"""Turns through one process over SQLite, and through several over real servers: how many, what
each role uses for one, and what becomes of that cost as processes are added."""

from typing import Final

from bench.figures import Figure
from bench.fleet import SERVERS, Fleet, Servers, alike, apart, pid_cpu_s, servers
from bench.load import LoadResult
from bench.processes import family_cpu_s, percentile

MODEL: Final = "echo/64/10"
TURN_S: Final = 0.64
BUSY_USERS: Final = 64
CALM_USERS: Final = 8
WARM_UP_USERS: Final = 16
SECONDS: Final = 10.0
LONG_S: Final = 20.0
WARM_UP_S: Final = 3.0
COUNTS: Final = (1, 2, 4, 8)
FLAT: Final = 1.2


def measure() -> list[Figure]:
    """64 tokens of 10 ms from `echo`: 64 people can have 100 turns a second at best."""
    with alike(1, {}) as fleet:
        figures = busy("SQLite, one process", fleet)
    if not all(kind.is_installed() for kind in SERVERS):
        return figures
    with servers() as behind, apart(behind.variables) as fleet:
        figures += busy("PostgreSQL + RabbitMQ + Redis, five processes", fleet)
        figures += by_part(fleet, behind, CALM_USERS)
        figures += by_part(fleet, behind, BUSY_USERS)
    return figures + growths()


def growths() -> list[Figure]:
    """A process does for many at once what it does for one, so it matters whether each has as much
    to do, or a load is divided among them."""
    one_each: dict[int, float] = {}
    many_each: dict[int, float] = {}
    divided: dict[int, float] = {}
    for count in COUNTS:
        with servers() as behind, alike(count, behind.variables) as fleet:
            talk(fleet, WARM_UP_USERS, WARM_UP_S * count)
            one_each[count] = cost_ms(fleet, count, LONG_S)
            many_each[count] = cost_ms(fleet, count * CALM_USERS, SECONDS)
            divided[count] = cost_ms(fleet, CALM_USERS, SECONDS)
    return [
        *growth(one_each, "a user for each"),
        *growth(many_each, f"{CALM_USERS} users for each"),
        *growth(divided, f"{CALM_USERS} users divided among them", has_goal=False),
    ]


def busy(name: str, fleet: Fleet) -> list[Figure]:
    """As many turns as go."""
    talk(fleet, CALM_USERS, WARM_UP_S)
    result = talk(fleet, BUSY_USERS, SECONDS)
    ideal_ms = TURN_S * 1000
    note = f"p99 {percentile(result.whole_ms, 0.99):,.0f} ms; the model's own {ideal_ms:.0f} ms"
    p50 = percentile(result.whole_ms, 0.5)
    return [
        Figure(
            name=f"{name}: turns at {BUSY_USERS} users",
            value=result.per_s,
            unit="/s",
            bare=f"{BUSY_USERS / TURN_S:.0f}/s",
            note=f"first text p50 {percentile(result.first_ms, 0.5):.0f} ms",
        ),
        Figure(name=f"{name}: a whole turn", value=p50, unit="ms p50", note=note),
    ]


def by_part(fleet: Fleet, behind: Servers, users: int) -> list[Figure]:
    """CPU of each role and server for a turn. With few the machine has time to spare; with many
    more is done at once."""
    before, wrote_before = used_s(fleet, behind), behind.written_bytes()
    answers = talk(fleet, users, SECONDS).answers
    after, wrote_after = used_s(fleet, behind), behind.written_bytes()
    return [
        *(
            Figure(
                name=f"a turn's CPU in {name} at {users} users",
                value=(after[name] - before[name]) / answers * 1000,
                unit="ms CPU",
                note="64 tokens, read as they come",
            )
            for name in after
        ),
        *(
            Figure(
                name=f"a turn's {name} at {users} users",
                value=(wrote_after[name] - wrote_before[name]) / answers / 1000,
                unit="kB",
                note="of PostgreSQL",
            )
            for name in wrote_after
        ),
    ]


def used_s(fleet: Fleet, behind: Servers) -> dict[str, float]:
    roles = {"gateway": fleet.doors[0], **fleet.behind}
    used = {name: pid_cpu_s(process) for name, process in roles.items()}
    return used | {name: family_cpu_s(pid) for name, pid in behind.pids.items()}


def cost_ms(fleet: Fleet, users: int, seconds: float) -> float:
    """CPU milliseconds of all processes for a turn."""
    before = fleet.cpu_s()
    result = talk(fleet, users, seconds)
    return (fleet.cpu_s() - before) / result.answers * 1000


def growth(costs: dict[int, float], load: str, *, has_goal: bool = True) -> list[Figure]:
    one = costs[COUNTS[0]]
    return [
        Figure(
            name=f"a turn's CPU with {count} processes, against one; {load}",
            value=cost / one,
            unit="times",
            goal=f"≤ {FLAT:g}" if has_goal else "",
            met=cost / one <= FLAT if has_goal else None,
            note=f"{cost:.1f} ms, {one:.1f} ms with one; each process has all roles",
        )
        for count, cost in costs.items()
        if count > 1
    ]


def talk(fleet: Fleet, users: int, seconds: float) -> LoadResult:
    return fleet.talk(users, MODEL, seconds, ramp_s=TURN_S)
