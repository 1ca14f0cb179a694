"""What a rolling restart is held to, and what was found."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

EXIT_BOUND_S: Final = 25.0
SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Stop:
    """How a process went. `told`: it said that it leaves before it was gone; `after_s`: from
    SIGTERM to its end."""

    name: str
    code: int
    after_s: float
    told: bool
    connections: int


@dataclass(slots=True)
class Account:
    """`failures` are answers that no client should get when only processes are exchanged:
    connections that broke, 5xx. A client asks again, so that the rest of the account is whole."""

    requests: int = 0
    sends: int = 0
    failures: Counter[str] = field(default_factory=Counter[str])
    stops: list[Stop] = field(default_factory=list[Stop])
    hinted: int = 0
    """Streams and sockets that were told to come back."""
    hints_ms: Counter[int] = field(default_factory=Counter[int])
    unhinted: int = 0
    """Those that broke off without a word."""
    changes: int = 0
    replies: Counter[str] = field(default_factory=Counter[str])
    streams: int = 0
    """Replies that a reader read to their end."""
    resumed: int = 0
    """Connections in the middle of a reply that were gone on with elsewhere."""
    characters: int = 0
    duration_s: float = 0.0
    problems: list[str] = field(default_factory=list[str])

    def judge(self) -> None:
        """Turn the counts into problems."""
        self.problems += [f"{count} x {what}" for what, count in self.failures.items()]
        if self.unhinted:
            self.problems.append(f"{self.unhinted} streams broke off without a hint")
        if self.hinted > 1 and len(self.hints_ms) == 1:
            self.problems.append("everybody was told to come back at the same moment")
        for stop in self.stops:
            if stop.code:
                self.problems.append(f"{stop.name} ended with {stop.code}")
            if stop.after_s >= EXIT_BOUND_S:
                self.problems.append(f"{stop.name} took {stop.after_s:.1f} s to end")
            if not stop.told:
                self.problems.append(f"{stop.name} did not say that it leaves")


def summary(account: Account) -> str:
    return "\n".join(_lines(account)) + "\n"


def _lines(account: Account) -> Iterator[str]:
    stops = account.stops
    yield f"{len(stops)} processes exchanged in {account.duration_s:.0f} s"
    yield f"requests                 {account.requests}, {account.sends} of them turns"
    yield f"failed, or 5xx           {account.failures.total()}"
    yield f"connections open         {_range([stop.connections for stop in stops])} at a stop"
    yield (
        f"told to come back        {account.hinted} (in {len(account.hints_ms)} different moments);"
        f" cut off without a word {account.unhinted}"
    )
    replies = ", ".join(f"{count} {status}" for status, count in sorted(account.replies.items()))
    yield f"replies                  {replies}"
    yield (
        f"streams read             {account.streams}, {account.resumed} of their connections gone "
        f"on with elsewhere; {account.characters} characters, byte for byte"
    )
    yield f"changes of the feed      {account.changes} delivered, each once and in order"
    for role in dict.fromkeys(stop.name.partition("-")[0] for stop in stops):
        took = [stop.after_s for stop in stops if stop.name.startswith(f"{role}-")]
        yield f"{role:<24} {len(took)} stops; exit after {_range([round(s, 1) for s in took])} s"
    yield f"problems                 {len(account.problems)}"
    for problem in account.problems[:SHOWN]:
        yield f"  {problem}"


def _range(values: Sequence[float]) -> str:
    """Median and worst."""
    found = sorted(values)
    return f"{found[len(found) // 2]} (at most {found[-1]})" if found else "none"
