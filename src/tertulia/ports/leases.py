"""Leases: who works on what, for a limited time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tertulia.kit.errors import Kind, TertuliaError


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A live holder of a place in a group."""

    name: str
    capacity: int
    fence: int
    """Grows with every claim in the group: the later holder has the larger number."""
    load: int = 0
    """How much it had in hand when it last renewed."""


class LeasesUnavailableError(TertuliaError):
    """Who works on what cannot be told now."""

    code = "leases_unavailable"
    kind = Kind.UNAVAILABLE


class Leases(Protocol):
    """Groups of members whose places run out unless renewed (workers of a character, a leader).

    Every method raises LeasesUnavailableError while what they share is away; a holder then goes
    on and renews again. Places may be lost all at once: whoever still works claims anew.
    """

    async def claim(self, group: str, name: str, *, capacity: int, ttl_s: float) -> int | None:
        """Take a place; the fence, or None while another claim of that name lives."""
        ...

    async def renew(
        self, group: str, name: str, fence: int, *, ttl_s: float, load: int = 0
    ) -> bool:
        """False when the place was lost."""
        ...

    async def release(self, group: str, name: str, fence: int) -> None: ...

    async def members(self, group: str) -> Sequence[Member]:
        """The live members, by name. When that cannot be told, those that were seen lately,
        and the error only when none were."""
        ...
