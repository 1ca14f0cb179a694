"""The product as it is run at scale: every role in processes of its own, several of each."""

import sys
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.role import READY_S, RoleProcess
from tests.e2e.server import tertulia
from tests.servers.session import free_ports

TWO_OF_EACH: Final = {"gateway": 2, "chat": 2, "relay": 2, "preprocess": 2, "inference": 2}


AT_ONCE: Final = 4  # a start is two seconds of a core


@dataclass(frozen=True, slots=True)
class Fleet:
    """Processes that know each other's addresses, which they keep when they are started again.

    `variables` is what all of them share; `first` is the home of the master key.
    """

    roles: Mapping[str, Sequence[RoleProcess]]
    variables: Mapping[str, str]
    first: Path
    token: str

    @property
    def processes(self) -> Sequence[RoleProcess]:
        return [process for each in self.roles.values() for process in each]

    @property
    def doors(self) -> Sequence[str]:
        """The gateways' URLs."""
        return [_url(process) for process in self.roles["gateway"]]

    @property
    def lines(self) -> Sequence[str]:
        """All that was logged."""
        return [str(line) for process in self.processes for line in process.lines]


def fleet_of(
    place: Path,
    urls: Mapping[str, str],
    counts: Mapping[str, int],
    variables: Mapping[str, str] | None = None,
) -> Fleet:
    """Not started yet. `urls` by section: `store`, `bus`, `redis`…; `variables`: what else all of
    them are told. Each process has a home of its own in `place`, and the language model is
    inference's alone."""
    first = place / "first"
    first.mkdir()
    shared = {
        "TERTULIA_MODEL": "embedded",
        "TERTULIA_MASTER_FILE": str(first / "master.key"),
        **{f"TERTULIA_{section.upper()}_URL": url for section, url in urls.items()},
        **(variables or {}),
    }
    made = tertulia("token", "create", home=first, variables=shared, timeout_s=READY_S)
    assert made.returncode == 0, made.stderr
    ports = iter(free_ports(sum(counts.values())))
    at = {role: [f"127.0.0.1:{next(ports)}" for _ in range(counts[role])] for role in counts}
    shared["TERTULIA_PEERS_CHAT"] = _listed(at["chat"])
    shared["TERTULIA_PEERS_INFERENCE"] = _listed(at["inference"])
    roles = {
        role: [_process(place, role, a, n, shared) for n, a in enumerate(at[role])] for role in at
    }
    return Fleet(roles, shared, first, made.stdout.strip())


@contextmanager
def fleet(
    place: Path,
    urls: Mapping[str, str],
    counts: Mapping[str, int] = TWO_OF_EACH,
    variables: Mapping[str, str] | None = None,
    program: Path = Path(sys.executable),
) -> Generator[Fleet]:
    """All of it, a few started at a time. `program`: the Python of the version that is run."""
    made = fleet_of(place, urls, counts, variables)
    for process in made.processes:
        process.program = program
    with ThreadPoolExecutor(AT_ONCE) as pool:
        starts = [pool.submit(process.start) for process in made.processes]
    with ExitStack() as stack:
        for process in made.processes:
            stack.push(process)
        for start in starts:
            start.result()
        yield made


def _process(
    place: Path, role: str, address: str, number: int, shared: Mapping[str, str]
) -> RoleProcess:
    name = f"{role}-{number}"
    home = place / name
    home.mkdir()
    own = {"TERTULIA_ADDRESS": address}
    if role == "inference":
        own |= {"TERTULIA_MODEL": "echo", "TERTULIA_INFERENCE_WORKER": name}
    return RoleProcess((role,), home, {**shared, **own})


def _url(process: RoleProcess) -> str:
    return f"http://{process.variables['TERTULIA_ADDRESS']}"


def _listed(addresses: Sequence[str]) -> str:
    return ",".join(f"http://{address}" for address in addresses)
