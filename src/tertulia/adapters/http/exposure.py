"""Who may reach a listener: people and their programs, or other processes of the installation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter

from tertulia.ports.peers import Passes


@dataclass(frozen=True, slots=True)
class Exposure:
    """`edge`: people come in here, so it has the page, and judges where a request is from.
    `passes`: by which other processes are known; None where there are none. `elsewhere`: the routes
    that they answer for this one, to be told of in the reference; never called. `beyond`: people
    come in from other machines."""

    edge: bool = True
    beyond: bool = False
    passes: Passes | None = None
    elsewhere: Callable[[], Sequence[APIRouter]] = tuple
