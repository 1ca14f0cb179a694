"""What a campaign is held against: where clients come in, and what can die."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from tests.faults.nothing_lost.deaths import Death
from tests.faults.nothing_lost.ledger import Ledger

Moment = Callable[[], Awaitable[None]]
"""Returns when it is time to strike."""


class Stand(Protocol):
    """One installation of the product that is made to be killed."""

    @property
    def points(self) -> Sequence[str]:
        """The crash points that it passes."""
        ...

    @property
    def servers(self) -> Sequence[str]:
        """What else can be killed beside its own processes, by section of the settings."""
        ...

    @property
    def doors(self) -> Sequence[str]:
        """URLs that stay the same, whoever dies; there once it is entered."""
        ...

    @property
    def token(self) -> str: ...

    def opened(self, ledger: Ledger) -> AbstractAsyncContextManager[None]:
        """Made ready; whatever it started is gone at the end."""
        ...

    @property
    def at_once(self) -> int:
        """How many may die together."""
        ...

    async def die(self, death: Death, moment: Moment) -> str | None:
        """One death, and all that it takes to get there; the crash point that it died at."""
        ...

    async def settle(self) -> None:
        """What is to be seen after some deaths, noted in the ledger."""
        ...

    async def serve(self) -> None:
        """Returns when everything runs and nothing is armed any more."""
        ...

    async def end(self) -> Sequence[str]:
        """Stop it as an operator does; what was wrong with that, or with its lives."""
        ...
