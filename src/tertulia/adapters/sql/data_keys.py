"""The data keys of conversations: made here, wrapped by the vault, held for a while."""

import threading
from collections import OrderedDict
from typing import Final

from tertulia.kit.sealing import Sealer, new_key, place
from tertulia.ports.key_vault import KeyVault

GENERATION: Final = 1
"""Which data key of its conversation sealed a value (part of every place). Rotation changes the
master key around a data key, never the data key, so there is one."""

HELD: Final = 4096
"""Keys held unwrapped, about 0.4 kB each; unwrapping anew costs 3 µs."""


class DataKeys:
    """From a conversation's wrapped key to its sealer; shared by all threads of a store."""

    def __init__(self, vault: KeyVault) -> None:
        self._vault = vault
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, int, bytes], Sealer] = OrderedDict()

    @property
    def version(self) -> int:
        return self._vault.version

    def derive(self, label: bytes) -> bytes:
        return self._vault.derive(label)

    def make(self, owner_id: str, conversation_id: str) -> tuple[int, bytes]:
        """A new data key: the master key's version and the wrapped key."""
        return self._vault.wrap(new_key(), _context(owner_id, conversation_id))

    def sealer(self, owner_id: str, conversation_id: str, version: int, wrapped: bytes) -> Sealer:
        """TamperedError when the wrapped key is not this conversation's."""
        name = (conversation_id, version, wrapped)
        with self._lock:
            found = self._held.get(name)
            if found is not None:
                self._held.move_to_end(name)
                return found
        found = Sealer(self._vault.unwrap(version, wrapped, _context(owner_id, conversation_id)))
        with self._lock:
            self._held[name] = found
            if len(self._held) > HELD:
                self._held.popitem(last=False)
        return found

    def rewrap(
        self, owner_id: str, conversation_id: str, version: int, wrapped: bytes
    ) -> tuple[int, bytes]:
        """The same data key under the newest master key."""
        context = _context(owner_id, conversation_id)
        return self._vault.wrap(self._vault.unwrap(version, wrapped, context), context)

    def forget(self, conversation_id: str, version: int, wrapped: bytes) -> None:
        with self._lock:
            self._held.pop((conversation_id, version, wrapped), None)


def _context(owner_id: str, conversation_id: str) -> bytes:
    return place("conversation", owner_id, conversation_id, GENERATION)
