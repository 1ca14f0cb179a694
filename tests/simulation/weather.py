"""What goes wrong, and when: drawn from the seed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Final

LATENCY_S: Final = 0.004
SLOW_S: Final = 2.0
"""Some answers take this long; far more than a client's patience would take a process's life."""


ALL: Final = "all"
FROZEN_S: Final = (1.0, 8.0, 16.0)
CUTS_S: Final = (0.1, 1.0, 4.0, 12.0, 17.0)


class Trace:
    """What happened, in order. Two runs of one seed have one `digest`."""

    def __init__(self, show: Callable[[str], None] | None = None) -> None:
        self._digest = blake2b(digest_size=16)
        self._show = show

    def note(self, who: str, what: str) -> None:
        line = f"{asyncio.get_running_loop().time():10.4f} {who:14} {what}"
        self._digest.update(line.encode())
        if self._show is not None:
            self._show(line)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Climate:
    """Chances of each message to be lost, of each call to find its port cut off, of each hop to be
    slow or to find its process frozen, and how often a process dies."""

    lossy: float
    cutting: float
    slow: float
    freezing: float
    crash_every_s: float


def drawn(dice: Random) -> Climate:
    """A seed has its own mixture: some are all partitions, some all crashes, some almost fair."""
    return Climate(
        lossy=dice.choice((0.0, 0.01, 0.05)),
        cutting=dice.choice((0.0, 0.002, 0.01)),
        slow=dice.choice((0.0, 0.01)),
        freezing=dice.choice((0.0, 0.0005, 0.002)),
        crash_every_s=dice.choice((2.0, 6.0, 1e9)),
    )


class Weather:
    """While it is bad, messages are late or lost and ports are cut off from processes."""

    def __init__(self, seed: int, trace: Trace, climate: Climate | None) -> None:
        self.dice: Final = Random(f"weather {seed}")  # noqa: S311  no secret
        self.trace: Final = trace
        self.bad = True
        self.climate: Final = climate or drawn(self.dice)
        self._frozen_until: dict[str, float] = {}
        self._cut_until: dict[tuple[str, str], float] = {}

    def clear(self) -> None:
        """From here on everything arrives."""
        self.bad = False
        self._cut_until.clear()
        self._frozen_until.clear()
        self.trace.note("weather", "clear")

    def loses(self) -> bool:
        return self.bad and self.dice.random() < self.climate.lossy

    def latency_s(self, process: str) -> float:
        """A frozen process goes on later as if nothing had happened: others may have taken it for
        dead by then."""
        if self.bad and self.dice.random() < self.climate.freezing:
            self._frozen_until[process] = asyncio.get_running_loop().time() + self.dice.choice(
                FROZEN_S
            )
            self.trace.note(process, "freezes")
        frozen_s = self._frozen_until.get(process, 0.0) - asyncio.get_running_loop().time()
        return max(frozen_s, 0.0) + self._way_s()

    def _way_s(self) -> float:
        if self.bad and self.dice.random() < self.climate.slow:
            return self.dice.uniform(0, SLOW_S)
        return self.dice.uniform(0, LATENCY_S)

    def cut(self, process: str, port: str) -> bool:
        """Whether this process cannot reach that port now."""
        if not self.bad:
            return False
        now = asyncio.get_running_loop().time()
        if max(self._cut_until.get((process, which), 0.0) for which in (port, ALL)) > now:
            return True
        if self.dice.random() >= self.climate.cutting:
            return False
        which = self.dice.choice((port, port, ALL))
        self._cut_until[process, which] = now + self.dice.choice(CUTS_S)
        self.trace.note(process, f"is cut off from {which}")
        return True
