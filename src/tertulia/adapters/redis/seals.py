"""Keys for what goes into Redis: nothing that people wrote lies there in the clear.

Each process makes one random key and has the master key wrap it. What it seals has a key of its
own, derived from that one, so no nonce is ever drawn often enough under one key to come twice; the
wrapped key goes along, and any process with the master key can open it. After a rotation a process
makes a new key within `LOOK_AGAIN_S`; what an older master key wraps is a miss once that is
destroyed, and runs out within hours anyway.
"""

import asyncio
import hmac
from dataclasses import dataclass
from typing import Final

from tertulia.kit.clock import Clock
from tertulia.kit.errors import TertuliaError
from tertulia.kit.lru import Lru
from tertulia.kit.sealing import Sealer, new_key, place
from tertulia.ports.key_vault import KeyVault

CONTEXT: Final = place("redis")
LOOK_AGAIN_S: Final = 30.0
VERSION_BYTES: Final = 4
KEYS_KEPT: Final = 256  # one for each process that writes, and for each rotation


@dataclass(frozen=True, slots=True)
class House:
    """The key of a process. `envelope` is it as Redis may see it."""

    envelope: bytes
    key: bytes

    def sealer(self, where: bytes) -> Sealer:
        """For one thing and nothing else."""
        return Sealer(hmac.digest(self.key, where, "sha256"))


class Seals:
    """Asks the vault in a thread and rarely; `own` is at hand from `open` on."""

    def __init__(self, vault: KeyVault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock
        self._houses: Lru[bytes, House] = Lru(KEYS_KEPT)
        self._own: House | None = None
        self._version = 0
        self._looked_at = 0.0

    async def own(self) -> House:
        """The key of this process. What the vault raises, when it has never answered."""
        now = self._clock.monotonic()
        if self._own is not None and now - self._looked_at < LOOK_AGAIN_S:
            return self._own
        self._looked_at = now
        try:
            self._own = await asyncio.to_thread(self._renewed, self._own)
        except TertuliaError:
            if self._own is None:
                raise
        return self._own

    def known(self, envelope: bytes) -> House | None:
        """The key in an envelope, when it has been opened here before."""
        return self._houses.get(envelope)

    async def opened(self, envelope: bytes) -> House | None:
        """The key in an envelope; None when the vault does not open it."""
        known = self._houses.get(envelope)
        if known is not None:
            return known
        version, wrapped = envelope[:VERSION_BYTES], envelope[VERSION_BYTES:]
        number = int.from_bytes(version, "big")
        try:
            key = await asyncio.to_thread(self._vault.unwrap, number, wrapped, CONTEXT)
        except TertuliaError:
            return None
        return self._note(House(envelope, key))

    def _renewed(self, own: House | None) -> House:
        if own is not None and self._vault.version == self._version:
            return own
        key = new_key()
        self._version, wrapped = self._vault.wrap(key, CONTEXT)
        return self._note(House(self._version.to_bytes(VERSION_BYTES, "big") + wrapped, key))

    def _note(self, house: House) -> House:
        self._houses.put(house.envelope, house)
        return house
