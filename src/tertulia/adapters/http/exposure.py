"""Who may reach a listener: people and their programs, or other processes of the installation."""

from dataclasses import dataclass

from tertulia.ports.peers import Passes


@dataclass(frozen=True, slots=True)
class Exposure:
    """`edge`: people come in here, so it has the page, and judges where a request is from.
    `passes`: by which other processes are known; None where there are none."""

    edge: bool = True
    passes: Passes | None = None
