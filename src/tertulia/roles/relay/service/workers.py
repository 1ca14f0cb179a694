"""Who works at the queues of workers."""

from tertulia.domain.events import workers_group
from tertulia.domain.ids import CharacterId
from tertulia.ports.leases import Leases, LeasesUnavailableError


async def live_workers(leases: Leases, character_id: CharacterId) -> frozenset[str] | None:
    """The names of those who hold a lease; None when that cannot be known now."""
    try:
        members = await leases.members(workers_group(character_id))
    except LeasesUnavailableError:
        return None
    return frozenset(member.name for member in members)
